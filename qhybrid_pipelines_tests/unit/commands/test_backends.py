"""``qhybrid backends`` as people type it: with and without `list`, one by its name, and options in the wrong place."""

from __future__ import annotations

import json

import pytest

from qhybrid_pipelines_tests.support.cli_in_process import run_qhybrid


@pytest.fixture
def qhybrid(tmp_path, monkeypatch, capsys):
    for variable in ("IONQ_API_KEY", "IONQ_API_URL"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "home").mkdir()  # one that is named and not there is refused
    return lambda *words: run_qhybrid(monkeypatch, capsys, *words, home=tmp_path / "home")


def test_list_is_the_same_as_no_command(qhybrid):
    code, rows, _ = qhybrid("backends", "--json")
    assert code == 0
    assert qhybrid("backends", "list", "--json") == (0, rows, "")


def test_one_is_shown_with_what_it_was_run_against(qhybrid):
    [row] = [row for row in json.loads(qhybrid("backends", "--json")[1])["backends"] if row["backend"] == "local:auto"]
    assert json.loads(qhybrid("backends", "show", "local:auto", "--json")[1]) == row
    code, out, _ = qhybrid("backends", "show", "local:auto")
    assert code == 0
    lines = dict(line.strip().split(" = ", 1) for line in out.splitlines())
    assert {name: lines[name] for name in ("backend", "plane", "evidence", "evidence_on")} == {
        name: str(row[name]) for name in ("backend", "plane", "evidence", "evidence_on")
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "local:aut"), "there is no backend 'local:aut'. Did you mean local:auto? `qhybrid backends` lists"),
        (("show", ""), "there is no backend ''. `qhybrid backends` lists"),
        (("--json", "list"), "options stand before `list`, which would not see them"),
        (("--for", "page.yaml", "verify", "local:auto"), "options stand before `verify`"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, said, qhybrid):
    code, out, err = qhybrid("backends", *words)
    assert (code, said in out + err) == (2, True), out + err
