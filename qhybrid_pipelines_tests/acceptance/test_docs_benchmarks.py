"""The tables of docs/benchmarks.md are the kept results, figure for figure."""

import importlib
import json
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.jsonl"))
#: The one table that is written by hand: the goals and how they were met.
BY_HAND = {"| goal | asked for | measured |"}


@pytest.fixture
def measuring(monkeypatch):
    """The module that the benchmarks print with; they are scripts, and their folder is not a package."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("measuring")


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_every_kept_table_stands_on_the_page(file, measuring):
    tables = [measuring.markdown(json.loads(line)["rows"]) for line in file.read_text("utf-8").splitlines()]
    assert tables
    for table in tables:
        assert table in PAGE


def test_every_table_of_figures_was_kept(measuring):
    kept = {
        measuring.markdown(json.loads(line)["rows"]).splitlines()[0]
        for file in RESULTS
        for line in file.read_text("utf-8").splitlines()
    }
    shown = {above for above, below in pairwise(PAGE.splitlines()) if below.startswith("| ---")}
    assert shown - kept == BY_HAND
