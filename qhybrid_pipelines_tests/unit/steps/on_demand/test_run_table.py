"""The table at the end of a run: lines that differ say in what, and what gives way where it does not fit."""

from __future__ import annotations

import pytest
from rich.console import Console

from qhybrid_pipelines import terminal_tables
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.steps.on_demand.run_table import DROPPED_FIRST, run_table, totals
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.terminal_tables import print_table

PROBLEM = {"family": "maxcut", "source": "networkx:petersen"}
OUTCOME = {
    "family": "maxcut",
    "instance": "petersen",
    "backend": "local:auto",
    "round": 1,
    "best_quantum_raw": 12.0,
    "random_corrected_ratio": 0.64712,
    "shots_to_target_99": 28.2,
    "random_shots_to_target_99": 113.0,
    "target_reached": True,
    "noise_like": False,
    "best_classical": 12.0,
    "final_objective": 12.0,
    "final_source": "quantum",
    "verdict": "tie",
    "seconds": 1.25,
}


@pytest.fixture
def registered(tmp_path):
    return Specifications(Home(tmp_path).make())


def outcome(registered, *, name="sweep", row=None, **fields):
    spec = ExperimentSpec.model_validate({"name": name, "problem": PROBLEM, **fields})
    return {"experiment": registered.register(spec), **OUTCOME, **(row or {})}


def test_only_what_differs_is_shown(registered):
    rows = [outcome(registered, ansatz={"layers": p}, shots=s) for p in (1, 3) for s in (128, 1024)]
    lines = run_table(rows, registered, {})
    assert [(line["experiment"], line["layers"], line["shots"]) for line in lines] == [
        ("sweep", 1, 128),
        ("sweep", 1, 1024),
        ("sweep", 3, 128),
        ("sweep", 3, 1024),
    ]
    assert not {"backend", "round", "problem", "seed"} & set(lines[0])


def test_a_single_line_says_what_it_was(registered):
    (line,) = run_table([outcome(registered)], registered, {})
    assert (line["problem"], line["backend"]) == ("maxcut/petersen", "local:auto")
    assert totals([line]) == "1 execution: $0.00, 1.2 s"


def test_the_same_question_on_two_backends_and_in_two_rounds(registered):
    first = outcome(registered)
    lines = run_table([first, {**first, "backend": "ionq:simulator", "round": 2}], registered, {})
    assert [(line["backend"], line["round"]) for line in lines] == [("local:auto", 1), ("ionq:simulator", 2)]


def test_lines_that_nothing_else_tells_apart_have_their_keys(registered):
    row = outcome(registered)
    assert [line["experiment"] for line in run_table([row, dict(row)], registered, {})] == [row["experiment"]] * 2


def test_noise_and_a_target_that_was_never_reached(registered):
    row = outcome(registered, row={"noise_like": True, "target_reached": False, "shots_to_target_99": 19_644.0})
    (line,) = run_table([row], registered, {})
    assert (line["noise"], line["shots to 99 %"]) == ("noise", "> 19,644")


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_columns_give_way_in_the_stated_order(registered, monkeypatch, capsys, width):
    lines = run_table([outcome(registered, shots=s) for s in (128, 1024)], registered, {})
    monkeypatch.setattr(terminal_tables, "_console", lambda: Console(width=width, highlight=False))
    print_table(lines, given_up=DROPPED_FIRST)
    heading = capsys.readouterr().out.splitlines()[0]
    there = [name in heading for name in DROPPED_FIRST if name in lines[0]]
    assert there == sorted(there)  # what goes first is gone before what goes later
    assert all(name in heading for name in ("experiment", "shots", "answer", "verdict"))
    assert len(heading.rstrip()) <= width
    assert "…" not in heading
