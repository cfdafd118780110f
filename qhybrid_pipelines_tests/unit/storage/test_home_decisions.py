"""Decisions about a home: kept line by line, and a damaged line is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.storage.home_decisions import HomeDecision, add_decision, read_decisions
from qhybrid_pipelines.storage.layout import Home

MADE = HomeDecision(
    at="2026-05-01T12:00:00+00:00",
    by="ada",
    decision="continue",
    home_id="a",
    new_home_id="a",
    problems=("two\nlines",),
)


def test_they_are_read_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert read_decisions(home) == ()
    for _ in range(2):
        add_decision(home, MADE)
    assert read_decisions(home) == (MADE, MADE)


@pytest.mark.parametrize("line", ["{", "[]", "3", "{}", '{"at": "now"}', '{"problems": []}'])
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    home = Home(tmp_path)
    add_decision(home, MADE)
    home.decisions.write_text(home.decisions.read_text() + line + "\n")
    with pytest.raises(CorruptFile, match="line 2 is not a decision"):
        read_decisions(home)
