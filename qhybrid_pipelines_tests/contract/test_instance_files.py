"""The folder of problem files: complete, unchanged, licensed; and nothing of it in what is installed."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

from qhybrid_pipelines.problems.registry import all_families, family_named
from qhybrid_pipelines_tests.support.family_cases import published_optima
from qhybrid_pipelines_tests.support.instance_files import FOLDER, instance_files, listed_files

ROOT = Path(__file__).resolve().parents[2]
#: What each folder's source allows; a file under another licence does not belong here.
LICENCES = {"qedc": "Apache-2.0", "qoblib": "CC-BY-4.0", "own": "Apache-2.0"}


def test_every_file_is_listed_and_is_what_it_was():
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert there == {file.file for file in listed_files()} | {"README.md", "manifest.csv"}
    for file in listed_files():
        assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256, file.file


def test_every_file_has_a_source_and_a_licence_that_the_page_names():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    for file in listed_files():
        folder = file.file.split("/")[0]
        assert file.licence == LICENCES[folder], file.file
        assert f"`{folder}/`" in page
        repository, _, commit = file.source.partition(": ")[0].partition(" ")
        assert folder == "own" or (f"<{repository}>" in page and f"commit {commit}" in page), file.file


def test_every_problem_has_an_optimum_and_its_publisher():
    for file in instance_files():
        assert file.best_known == file.best_known, file.file  # not missing
        assert file.published_in
        assert family_named(file.family).sense == file.sense


def test_every_family_has_a_problem_with_a_known_optimum():
    missing = set(all_families()) - {published.problem["family"] for published in published_optima().values()}
    assert not missing, f"{missing}: list a file in instances/manifest.csv, or give CASES.published"


@pytest.mark.parametrize("target", ["wheel"])
def test_no_test_data_is_installed(target):
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert packages[target] == {"packages": ["qhybrid_pipelines"]}
    assert (ROOT / "qhybrid_pipelines") not in FOLDER.parents
