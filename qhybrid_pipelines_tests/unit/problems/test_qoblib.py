"""QOBLIB's rules as its public template, guidelines and checkers state them (commit de698d45), written down a second time."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems import qoblib
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.solvers.routing import RoutingProblem
from qhybrid_pipelines_tests.support.qoblib_rules import (
    HEADER,
    SMALL_ROUTES,
    check_row,
    independent_set_errors,
    market_split_errors,
    routing_errors,
    sequence_energy,
)

ROUTES = Path(__file__).resolve().parents[2] / "instances" / "qoblib" / "routing" / "XSH-n20-k4-01.vrp"


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
        errors = independent_set_errors(text, kind.solution_text(instance, assignment))
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
        (kind.is_solution(instance, a), market_split_errors(text, kind.solution_text(instance, a)) == [])
        for a in (format(number, "08b") for number in range(2**8))
    ]
    assert all(ours == theirs for ours, theirs in judged)
    assert any(ours for ours, _ in judged)
    assert not all(ours for ours, _ in judged)


def test_a_sequence_is_judged_as_the_library_judges_it():
    """All of nine elements: the energy of what is written is the objective, and the least is the published one."""
    family = family_named("labs")
    instance = family.generators["length"][1](family.generators["length"][0](n=9))
    kind = qoblib.problem_class(instance)
    assert (kind.folder, kind.library_name(instance)) == ("02-labs", "labs009")
    rows = (np.arange(2**9)[:, None] >> np.arange(9) & 1).astype(np.uint8)
    texts = ["".join(map(str, row)) for row in rows]
    energies = [sequence_energy(9, kind.solution_text(instance, text)) for text in texts]
    assert all(kind.is_solution(instance, text) for text in texts)
    assert energies == family.objective(instance, rows).tolist()
    assert min(energies) == 12


def routing(text, vehicles, name="XSH-n20-k4-01.vrp"):
    family = family_named("vehicle_routing")
    return family.parsers["tsplib"](text, family.options(vehicles=vehicles), name)


def written_routes(instance, routes):
    """Return whether routes, customers from 1, are a solution here, and the text of them."""
    kind, problem = qoblib.problem_class(instance), RoutingProblem.from_payload(instance.payload)
    assignment = "".join(map(str, problem.encode([[customer - 1 for customer in route] for route in routes])))
    return kind.is_solution(instance, assignment), kind.solution_text(instance, assignment)


def test_the_published_routes_are_written_as_the_library_writes_them():
    published = [[15, 2, 18, 1, 8], [10, 11, 7, 9, 6], [17, 4, 5, 19, 3], [20, 12, 13, 14, 16]]
    solved, text = written_routes(routing(ROUTES.read_text(), 4), published)
    assert solved
    assert text.splitlines() == [
        "Route #1: 15 2 18 1 8",
        "Route #2: 10 11 7 9 6",
        "Route #3: 17 4 5 19 3",
        "Route #4: 20 12 13 14 16",
        "Cost 646",
    ]
    assert routing_errors(ROUTES.read_text(), text) == []
    # Negative control of the rule.
    assert routing_errors(ROUTES.read_text(), text.replace("15 2 18", "15 2 2")) == ["visits", "cost"]
    assert routing_errors(ROUTES.read_text(), text.replace("646", "645")) == ["cost"]


def test_routes_are_judged_as_the_library_judges_them():
    instance = routing(SMALL_ROUTES, 3, "small-k3.vrp")
    choose, judged = random.Random(5), set()
    for _ in range(300):
        order = choose.sample(range(1, 8), 7)
        if choose.random() < 0.3:
            order[0] = order[1]
        cuts = sorted(choose.choices(range(8), k=2))
        routes = [order[: cuts[0]], order[cuts[0] : cuts[1]], order[cuts[1] :]]
        if max(map(len, routes)) > instance.payload["stops"]:
            continue
        solved, text = written_routes(instance, routes)
        assert solved == (routing_errors(SMALL_ROUTES, text) == []), routes
        judged.add((solved, len(text.splitlines())))
    assert {(True, 4), (True, 3), (False, 4), (False, 3)} >= judged >= {(True, 4), (False, 4), (False, 3)}


@pytest.mark.parametrize(
    ("instance", "words"),
    [
        (graph([[0, 1]], 2, weights=[1.0, 2.0]), "its nodes have weights"),
        (graph([[0, 1]], 2, names=("a", "b")), "not numbered from 1"),
        (graph([[0, 1]], 2, source="networkx:path"), "not from a file of the library"),
        (routing(SMALL_ROUTES, 3, "small.vrp"), "does not say the number of vehicles"),
        (routing(SMALL_ROUTES, 3, "small-k2.vrp"), "it has 3 vehicles, and the library's has 2"),
        (routing(SMALL_ROUTES.replace("CAPACITY : 10", "CAPACITY : 30"), 3), "no capacity that binds"),
        (
            routing(SMALL_ROUTES.replace("\n1\n-1", "\n2\n-1").replace("1 0\n2 4", "1 4\n2 0"), 3),
            "its depot is not node 1",
        ),
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
    assert qoblib.model_columns(model) == {
        "Modeling Approach": "Ising model of the penalised problem after reduction",
        "# Non-Zero Coefficients": "2",
        "Coefficients Type": "Integer",
        "Coefficients Range": "-2 - 3",
    }
    half = json.dumps({"linear": [0.5], "pairs": [], "couplings": [], "offset": 0.0})
    assert qoblib.model_columns(half)["Coefficients Type"] == "Continuous"
    products = json.dumps({"linear": [0.5], "couplings": [], "products": [[[0, 1, 2], 4.0], [[0, 1, 2, 3], -1.0]]})
    found = qoblib.model_columns(products)
    assert (found["# Non-Zero Coefficients"], found["Coefficients Range"]) == ("3", "-1 - 4")
    assert "products of up to 4 spins" in found["Modeling Approach"]
    none = json.dumps({"linear": [], "pairs": [], "couplings": [], "offset": 0.0})
    assert qoblib.model_columns(none)["Coefficients Range"] == "N/A"


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
