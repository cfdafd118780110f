"""QOBLIB's rules as its public template, guidelines and checkers state them (commit de698d45), written down a second time."""

from __future__ import annotations

import csv
import json
import random

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems import qoblib
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines_tests.support.qoblib_rules import HEADER, check_row, independent_set_errors, market_split_errors


def graph(edges, size, *, weights=None, source="file:small.gph", names=None):
    return Instance(
        name="small",
        family="independent_set",
        variables=names or tuple(str(node) for node in range(1, size + 1)),
        payload={"weights": weights or [1.0] * size, "edges": edges},
        best_known=None,
        source=source,
    )


def split(coefficients, targets):
    return Instance(
        name="ms",
        family="market_split",
        variables=tuple(f"x{i}" for i in range(1, len(coefficients[0]) + 1)),
        payload={"coefficients": coefficients, "targets": targets},
        best_known=None,
        source="file:ms.dat",
    )


def test_the_columns_are_those_of_the_template():
    assert ",".join(qoblib.COLUMNS) == HEADER


@pytest.mark.parametrize("seed", range(20))
def test_an_independent_set_is_judged_as_the_library_judges_it(seed):
    choose = random.Random(seed)
    edges = [[i, j] for i in range(7) for j in range(i) if choose.random() < 0.3]
    instance = graph(edges, 7)
    text = "".join([f"p edge 7 {len(edges)}\n", *(f"e {i + 1} {j + 1}\n" for i, j in edges)])
    kind = qoblib.problem_class(instance)
    for number in range(2**7):
        assignment = format(number, "07b")
        errors = independent_set_errors(text, qoblib.solution_text(assignment))
        assert kind.is_solution(instance, assignment) == (errors == []), assignment


@pytest.mark.parametrize("seed", range(10))
def test_a_market_split_is_judged_as_the_library_judges_it(seed):
    numbers = np.random.default_rng(seed).integers(0, 6, size=(2, 8)) + 1
    hidden = np.random.default_rng(seed + 100).integers(0, 2, size=8)
    targets = numbers @ hidden
    instance = split(numbers.tolist(), targets.tolist())
    rows = [f"{' '.join(map(str, row))} {target}\n" for row, target in zip(numbers, targets, strict=True)]
    text = "".join(["2 8\n", *rows])
    kind = qoblib.problem_class(instance)
    judged = [
        (kind.is_solution(instance, a), market_split_errors(text, qoblib.solution_text(a)) == [])
        for a in (format(number, "08b") for number in range(2**8))
    ]
    assert all(ours == theirs for ours, theirs in judged)
    assert any(ours for ours, _ in judged)
    assert not all(ours for ours, _ in judged)


@pytest.mark.parametrize(
    ("instance", "words"),
    [
        (graph([[0, 1]], 2, weights=[1.0, 2.0]), "its nodes have weights"),
        (graph([[0, 1]], 2, names=("a", "b")), "not numbered from 1"),
        (graph([[0, 1]], 2, source="networkx:path"), "not from a file of the library"),
        (
            Instance(name="p", family="portfolio", variables=("a",), payload={}, best_known=None, source="file:p"),
            "several periods",
        ),
        (
            Instance(name="m", family="maxcut", variables=("a",), payload={}, best_known=None, source="file:m"),
            "no such class",
        ),
    ],
)
def test_what_is_no_instance_of_the_library_is_named(instance, words):
    with pytest.raises(InvalidInput, match=words):
        qoblib.problem_class(instance)


def test_runs_are_counted_against_the_best_of_them():
    assert qoblib.run_columns({0: 5.0, 1: None, 2: 7.0, 3: 7.0}, sense="max") == {
        "# Runs": "4",
        "# Feasible Runs": "3",
        "# Successful Runs": "2",
        "Success Threshold": "0",
    }
    assert qoblib.run_columns({0: 5.0, 1: 7.0}, sense="min")["# Successful Runs"] == "1"
    assert qoblib.run_columns({0: None}, sense="min")["# Feasible Runs"] == "0"


def test_numbers_of_a_model():
    model = json.dumps({"linear": [0.0, -2.0], "pairs": [[0, 1]], "couplings": [3.0], "offset": 9.0})
    assert qoblib.coefficients(model) == {
        "# Non-Zero Coefficients": "2",
        "Coefficients Type": "Integer",
        "Coefficients Range": "-2 - 3",
    }
    half = json.dumps({"linear": [0.5], "pairs": [], "couplings": [], "offset": 0.0})
    assert qoblib.coefficients(half)["Coefficients Type"] == "Continuous"
    none = json.dumps({"linear": [], "pairs": [], "couplings": [], "offset": 0.0})
    assert qoblib.coefficients(none)["Coefficients Range"] == "N/A"


def test_a_row_has_every_column_on_one_line():
    row = qoblib.summary_row({"Problem": "ibm32", "Remarks": "two\nlines", "# Runs": 3, "GPU Runtime": None})
    assert list(row) == list(qoblib.COLUMNS)
    assert (row["Remarks"], row["# Runs"], row["GPU Runtime"]) == ("two lines", "3", "N/A")
    assert check_row(row) == []
    with pytest.raises(ValueError, match="no columns"):
        qoblib.summary_row({"Price": 1})


def test_a_wrong_row_is_found():
    """Negative control of the rule."""
    row = qoblib.summary_row({"# Runs": "many", "Total Runtime": "long"})
    assert check_row(row) == ["# Runs", "Total Runtime"]
    assert next(csv.reader([HEADER])) == list(qoblib.COLUMNS)
