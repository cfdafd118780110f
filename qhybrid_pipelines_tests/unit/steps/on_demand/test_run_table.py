"""The table at the end of a run: lines that differ say in what, and what gives way where it does not fit."""

from __future__ import annotations

import pytest
from rich.console import Console

from qhybrid_pipelines import terminal_tables
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.steps.on_demand.run_table import (
    DROPPED_FIRST,
    P_OPTIMUM,
    SHOTS,
    dropped_first,
    run_table,
    totals,
    with_interval,
)
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
    "random_corrected_low": 0.6012,
    "random_corrected_high": 0.6903,
    "p_optimum": 0.1531,
    "p_optimum_low": 0.1402,
    "p_optimum_high": 0.1669,
    "random_p_optimum": 0.0078125,
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


def shown_at(width, lines, monkeypatch, capsys):
    """Return what is printed, and the names of the columns that it shows; headings may be folded at their words."""
    monkeypatch.setattr(terminal_tables, "_console", lambda: Console(width=width, highlight=False))
    shown = []
    monkeypatch.setattr(
        terminal_tables.Table, "add_column", lambda self, head, **o: shown.append(str(head)) or add(self, head, **o)
    )
    print_table(lines, given_up=dropped_first(lines))
    return capsys.readouterr().out, shown


add = terminal_tables.Table.add_column


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_columns_give_way_in_the_stated_order(registered, monkeypatch, capsys, width):
    lines = run_table([outcome(registered, shots=s) for s in (128, 1024)], registered, {})
    out, shown = shown_at(width, lines, monkeypatch, capsys)
    there = [
        all(name in shown for name in group)
        for group in ([one] if isinstance(one, str) else one for one in DROPPED_FIRST)
        if group[0] in lines[0]
    ]
    assert there == sorted(there)  # what goes first is gone before what goes later
    assert {"experiment", "shots", "answer", "verdict"} <= set(shown)
    assert all((figure in shown) == (random in shown) for figure, random in (P_OPTIMUM, SHOTS))
    assert shown == [name for name in lines[0] if name in shown]  # sorted as given
    assert max(len(line.rstrip()) for line in out.splitlines()) <= width
    assert "…" not in out


def test_at_80_columns_the_circuit_is_there_and_the_problem_is_not(registered, monkeypatch, capsys):
    out, shown = shown_at(80, run_table([outcome(registered)], registered, {}), monkeypatch, capsys)
    assert {"as measured", "vs random", "answer", "verdict"} <= set(shown)
    assert not {"problem", "backend"} & set(shown)
    assert "0.647 [0.601, 0.690]" in out


def test_at_120_columns_figures_stand_beside_those_of_random(registered, monkeypatch, capsys):
    lines = run_table([outcome(registered, ansatz={"layers": p}) for p in (1, 3)], registered, {})
    out, shown = shown_at(120, lines, monkeypatch, capsys)
    assert {"layers", "as measured", "vs random", *P_OPTIMUM} <= set(shown)
    assert out.count("0.153 [0.140, 0.167]") == 2


def test_settings_give_way_where_names_tell_lines_apart_and_stay_where_they_do_not(registered):
    named = run_table([outcome(registered, name=n, shots=s) for n, s in (("a", 64), ("b", 128))], registered, {})
    alike = run_table([outcome(registered, shots=s) for s in (64, 128)], registered, {})
    assert ["shots" in dropped_first(lines) for lines in (named, alike)] == [True, False]


def test_what_vary_adds_to_a_name_is_said_once(registered):
    rows = [
        outcome(registered, name=f"cube layers {p} shots {s}", ansatz={"layers": p}, shots=s)
        for p, s in ((1, 64), (2, 64), (2, 128))
    ]
    lines = run_table(rows, registered, {})
    assert [(line["experiment"], line["layers"], line["shots"]) for line in lines] == [
        ("cube", 1, 64),
        ("cube", 2, 64),
        ("cube", 2, 128),
    ]
    assert run_table(rows[:1], registered, {})[0]["experiment"] == "cube layers 1 shots 64"


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ((0.5271, 0.512, 0.543), "0.527 [0.512, 0.543]"),
        ((0.23, 0.13, 0.29), "0.23 [0.13, 0.29]"),
        ((0.00031, 0.00011, 0.0009), "0.00031 [0.00011, 0.00090]"),
        ((0.0, 0.0, 0.0003), "0 [0, 0.00030]"),
        ((-0.1, -0.2, 0.05), "-0.10 [-0.20, 0.05]"),
        ((1.0, 1.0, 1.0), "1.000 [1.000, 1.000]"),
        ((0.5, None, None), "0.5"),
        ((None, None, None), ""),
    ],
)
def test_an_interval_is_said_to_two_digits_of_its_width(figure, said):
    assert with_interval(*figure) == said
