"""The ways on docs/ways.md are gone from end to end: every command runs as it stands there, and shows what stands below it."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ways.md").read_text("utf-8")
FILES = dict(re.findall(r"`([\w-]+\.\w+)`:\n\n```(?:text|yaml)\n(.*?)```", PAGE, re.DOTALL))
#: Heading, number of commands that it states, and what stands below it.
WAYS = re.findall(r"^### (.*?)(?::|\?) (\d+) commands\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
SECONDS = 1800

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]


def steps(section: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a section, each with the lines that it is said to show."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def go(section: str, folder: Path) -> list[str]:
    """Run the steps of a section as a person would type them; return what they printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("QHYBRID", "DAGSTER"))}
    environment |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}", "COLUMNS": "200"}
    printed = []
    for command, shown in steps(section):
        ended = subprocess.run(
            ["bash", "-c", f"set -euo pipefail; {command}"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"$ {command}\n{ended.stdout}{ended.stderr}"
        text = " ".join((ended.stdout + ended.stderr).split())
        missing = [line for line in shown if " ".join(line.split()) not in text]
        assert missing == [], f"$ {command}\n{ended.stdout}{ended.stderr}"
        printed.append(ended.stdout)
    return printed


def test_the_page_states_how_many_commands_each_way_has():
    assert len(WAYS) == PAGE.count("\n### ") == 8
    assert {title: len(steps(section)) for title, _, section in WAYS} == {title: int(n) for title, n, _ in WAYS}
    assert sum(int(n) for _, n, _ in WAYS) == len(re.findall(r"^\$ ", PAGE, re.MULTILINE)), (
        "no command is outside of a way"
    )


@pytest.mark.long
def test_the_ways_lead_to_their_ends(tmp_path):
    """One after the other: they share a home."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    printed = {title: go(section, tmp_path) for title, _, section in WAYS}
    figures = {path.suffix for path in (tmp_path / "figures").iterdir()}
    assert figures == {".svg", ".png"}
    sweep = printed["Three depths and four numbers of shots in one table"][1]
    assert len([line for line in sweep.splitlines() if "depth and shots" in line or "petersen" in line]) == 12
    with (tmp_path / "depth-and-shots.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["layers"]), int(row["shots"])) for row in rows] == [
        (layers, shots) for layers in (1, 2, 3) for shots in (64, 128, 256, 512)
    ]
    page = (tmp_path / "friends.html").read_text("utf-8")
    assert page.count("friends-") > 2
    assert not re.search(r"<script|https?://(?!www\.w3\.org)", page)
    assert (tmp_path / "tables" / "manifest.json").is_file() or list((tmp_path / "tables").glob("*.parquet"))
    assert (tmp_path / "monday" / "verdict_history.jsonl").is_file()
