"""The files that a code host reads agree with the project: README, citation, workflow."""

import re
import subprocess
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_readme_is_short_and_shows_its_picture():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 80
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)
    assert pictures[0] == "docs/images/overview.svg"
    assert all((ROOT / picture).is_file() for picture in pictures)
    assert ET.parse(ROOT / pictures[0]).getroot().tag.endswith("svg")
    for promise in (
        "Never lose a paid job",
        "never pay twice",
        "know the cost before and after",
        "explain every change",
    ):
        assert promise in text


def test_the_citation_is_of_this_release():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_the_workflow_runs_the_command_of_this_repository_and_needs_no_secret():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    workflow = yaml.safe_load(text)
    steps = workflow["jobs"]["test"]["steps"]
    assert "bash .ci/run" in [step.get("run") for step in steps]
    [python] = [step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", "")]
    assert PROJECT["requires-python"] == f">={python}"
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets" not in text


def test_what_running_makes_is_not_part_of_the_repository():
    if not (ROOT / ".git").exists():
        pytest.skip("SKIPPED LOUDLY: this is not a checkout, so nothing says which files belong to it")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    assert ROOT / "README.md" in files
    made = {".crc32", ".db", ".duckdb", ".lock", ".log", ".parquet", ".pid", ".sqlite"}
    assert [file for file in files if file.suffix in made] == []
    assert [file for file in files if file.is_file() and file.stat().st_size > 500_000] == []
