"""Independent sets against enumeration, published optima, NetworkX and the assignment problem of SciPy."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.families.independent_set import FAMILY, Options, make_instance
from qhybrid_pipelines.problems.graphs import make_weighted_graph
from qhybrid_pipelines.problems.solvers import independent_set
from qhybrid_pipelines_tests.support import known_optima
from qhybrid_pipelines_tests.support.family_cases import FamilyCases
from qhybrid_pipelines_tests.support.instance_files import named


def objective_and_feasibility(payload, x):
    independent = not any(x[i] and x[j] for i, j in payload["edges"])
    return sum(w for w, chosen in zip(payload["weights"], x, strict=True) if chosen), independent


CASES = FamilyCases(
    small={
        "random_graph": [
            {"nodes": 9, "probability": 0.4, "seed": 1, "weighted": True},
            {"nodes": 8, "probability": 0.2, "seed": 2},
        ],
        "interval_scheduling": [{"jobs": 9, "machines": 1, "seed": 3}],
        "dispatch": [{"vehicles": 3, "jobs": 3, "seed": 4}],
    },
    reduced=[
        {"generator": "random_graph", "nodes": 10, "probability": 0.5, "weighted": True},
        {"generator": "dispatch", "vehicles": 3, "jobs": 3},
    ],
    definition=objective_and_feasibility,
)


PUBLISHED = {"farm": 10, "karate": 20, "ibm32": 13, "chesapeake": 17, "johnson8-2-4": 7, "hamming6-4": 12}


def all_rows(size):
    return unpack(np.arange(2**size, dtype=np.uint64), size)


def build(weights, pairs):
    graph = make_weighted_graph([f"v{i}" for i in range(len(weights))], [(i, j, 1.0) for i, j in pairs], weights)
    return make_instance(graph, name="test", source="generator:test", best_known=None)


def generate(name, **parameters):
    kind, make = FAMILY.generators[name]
    return make(kind(**parameters))


def optimum(instance):
    """By enumeration with NetworkX' own idea of an independent set."""
    graph = nx.Graph(instance.payload["edges"])
    rows = [row for row in all_rows(instance.size) if not graph.subgraph(np.flatnonzero(row).tolist()).size()]
    return max(sum(w for w, x in zip(instance.payload["weights"], row, strict=True) if x) for row in rows)


ties_and_decimals = st.one_of(st.integers(1, 4), st.floats(0.01, 5.0))


@st.composite
def instances(draw):
    size = draw(st.integers(1, 9))
    pairs = [(i, j) for i in range(size) for j in range(i + 1, size)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return build([float(draw(ties_and_decimals)) for _ in range(size)], chosen)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_optima_are_proved_and_reductions_keep_them(name):
    assert named(name).best_known == PUBLISHED[name]
    instance = FAMILY.parsers["dimacs_edge"](named(name).text, Options(best_known=PUBLISHED[name]), f"{name}.gph")
    answer = FAMILY.solve(instance, seed=7)
    assert answer.optimal
    assert answer.bound == PUBLISHED[name] == instance.best_known
    assert FAMILY.feasible(instance, answer.assignment[None])[0]
    assert FAMILY.objective(instance, answer.assignment[None])[0] == PUBLISHED[name]
    fixed = {s.variable: s.constant for r in FAMILY.reductions(instance, 16) for s in r.substitutions}
    left = [v for v in range(instance.size) if v not in fixed]
    if left:
        pairs = [(left.index(i), left.index(j)) for i, j in instance.payload["edges"] if i in left and j in left]
        rest = FAMILY.solve(build(np.ones(len(left)), pairs), seed=7)
        assert sum(fixed.values()) + rest.bound == PUBLISHED[name]
    else:
        assert sum(fixed.values()) == PUBLISHED[name]


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(known_optima.kneser_graph(9, 2), id="kneser 9 2"),
        pytest.param(known_optima.kneser_graph(7, 3), id="kneser 7 3"),
        pytest.param(known_optima.distant_words(6, 4), id="words of 6 bits"),
        pytest.param(known_optima.distant_words(7, 4), id="words of 7 bits"),
        pytest.param(known_optima.deletion_graph(6, 10), id="1dc.64"),
        pytest.param(known_optima.queens_graph(8), id="queens"),
        pytest.param(known_optima.paley_graph(17, 3), id="paley 17"),
        pytest.param(known_optima.paley_graph(37, 4), id="paley 37"),
    ],
)
def test_theorems_about_graphs_are_proved(graph):
    instance = FAMILY.parsers["dimacs_edge"](graph.dimacs, Options(), "graph.gph")
    answer = FAMILY.solve(instance, seed=7)
    assert (answer.optimal, answer.bound) == (True, graph.optimum)
    assert FAMILY.feasible(instance, answer.assignment[None])[0]
    assert answer.assignment.sum() == graph.optimum


@settings(deadline=None, max_examples=60)
@given(instances())
def test_every_minimum_of_the_penalised_form_is_an_optimum(instance):
    rows = all_rows(instance.size)
    penalised_model = FAMILY.penalised_model(instance)
    violations = np.array([sum(row[i] & row[j] for i, j in instance.payload["edges"]) for row in rows], dtype=float)
    objective = FAMILY.objective(instance, rows)
    energies = penalised_model.model.assignment_energies(rows)
    np.testing.assert_allclose(
        energies, penalised_model.sign * objective + penalised_model.penalty_weight * violations, atol=1e-9
    )
    np.testing.assert_array_equal(FAMILY.feasible(instance, rows), violations == 0)
    minima = np.isclose(energies, energies.min(), rtol=0, atol=1e-9)
    assert (violations[minima] == 0).all()
    assert objective[minima] == pytest.approx(optimum(instance))


@settings(deadline=None, max_examples=60)
@given(instances())
def test_reductions_keep_an_optimum(instance):
    rows = all_rows(instance.size)
    fixed = [s for r in FAMILY.reductions(instance, 2) for s in r.substitutions]
    assert len({s.variable for s in fixed}) == len(fixed)
    kept = np.all([rows[:, s.variable] == s.constant for s in fixed], axis=0) if fixed else np.full(len(rows), True)
    kept = rows[kept & FAMILY.feasible(instance, rows)]
    assert FAMILY.objective(instance, kept).max() == pytest.approx(optimum(instance))


def test_each_rule_finds_what_it_is_for():
    star = build([1, 1, 1, 3], [(0, 3), (1, 3), (2, 3)])
    assert [r.step_name for r in FAMILY.reductions(star, 2)] == ["heavy_vertex"]
    # Of two equal twins one stands in for the other, and then outweighs the third vertex.
    triangle = build([2, 2, 1], [(0, 1), (0, 2), (1, 2)])
    assert [r.step_name for r in FAMILY.reductions(triangle, 2)] == ["domination", "heavy_vertex"]
    wheel = build([1] * 5 + [1], [(i, (i + 1) % 5) for i in range(5)] + [(i, 5) for i in range(5)])
    assert [(r.step_name, r.note) for r in FAMILY.reductions(wheel, 2)] == [("domination", "0 taken, 1 left out")]
    # In K(2, 3) no vertex outweighs its neighbours and none dominates; the relaxation takes the larger side.
    bipartite = build([1] * 5, [(i, j) for i in (0, 1) for j in (2, 3, 4)])
    assert [(r.step_name, r.note) for r in FAMILY.reductions(bipartite, 2)] == [
        ("linear_programme", "3 taken, 2 left out")
    ]
    # An odd cycle is all halves.
    assert FAMILY.reductions(build([1] * 5, [(i, (i + 1) % 5) for i in range(5)]), 2) == []


@settings(deadline=None, max_examples=40)
@given(instances(), st.randoms(use_true_random=False))
def test_repair_gives_maximal_sets_and_leaves_sets_alone(instance, random):
    rows = all_rows(instance.size)
    random_order = np.array(random.sample(range(len(rows)), len(rows)))
    repaired = FAMILY.repair(instance, rows)
    feasible = FAMILY.feasible(instance, rows)
    assert FAMILY.feasible(instance, repaired).all()
    np.testing.assert_array_equal(repaired[feasible], rows[feasible])
    np.testing.assert_array_equal(FAMILY.repair(instance, rows[random_order]), repaired[random_order])
    graph = nx.Graph(instance.payload["edges"])
    graph.add_nodes_from(range(instance.size))
    for row in repaired[~feasible]:
        chosen = set(np.flatnonzero(row).tolist())
        assert all(chosen & {v, *graph[v]} for v in graph)


@settings(deadline=None, max_examples=40)
@given(instances(), st.integers(0, 5))
def test_solver_equals_enumeration_and_greedy_is_maximal(instance, seed):
    answer = FAMILY.solve(instance, seed)
    assert answer.optimal
    assert FAMILY.feasible(instance, answer.assignment[None])[0]
    assert FAMILY.objective(instance, answer.assignment[None])[0] == pytest.approx(optimum(instance), rel=1e-9)
    assert answer.bound == pytest.approx(optimum(instance), rel=1e-9)
    greedy = FAMILY.greedy(instance, seed)
    count_conflicts = nx.Graph(instance.payload["edges"])
    count_conflicts.add_nodes_from(range(instance.size))
    chosen = set(np.flatnonzero(greedy).tolist())
    assert not count_conflicts.subgraph(chosen).size()
    assert all(chosen & {v, *count_conflicts[v]} for v in count_conflicts)


def test_an_unfinished_search_gives_a_set_and_a_bound(monkeypatch):
    monkeypatch.setattr(independent_set, "MAX_DETERMINISTIC_TIME", 0.02)
    instance = generate("random_graph", nodes=120, probability=0.1, seed=1, weighted=True)
    answer = FAMILY.solve(instance, seed=7)
    value = FAMILY.objective(instance, answer.assignment[None])[0]
    assert not answer.optimal
    assert FAMILY.feasible(instance, answer.assignment[None])[0]
    assert answer.bound > value >= FAMILY.objective(instance, FAMILY.greedy(instance, 7)[None])[0]
    again = FAMILY.solve(instance, seed=7)
    np.testing.assert_array_equal(again.assignment, answer.assignment)
    assert (again.bound, again.evaluations) == (answer.bound, answer.evaluations)


def test_dispatch_is_the_assignment_problem():
    instance = generate("dispatch", vehicles=4, jobs=6, seed=3)
    assert instance.size == 24
    worth = np.array(instance.payload["weights"]).reshape(4, 6)
    assert worth.min() > 0
    vehicles, jobs = linear_sum_assignment(worth, maximize=True)
    answer = FAMILY.solve(instance, seed=7)
    assert answer.bound == pytest.approx(worth[vehicles, jobs].sum(), abs=1e-9)
    assert instance.variables[7] == "job1@vehicle1"


def test_a_day_on_one_machine_is_an_interval_graph_and_two_machines_take_more():
    one = generate("interval_scheduling", jobs=14, seed=5)
    graph = nx.Graph(one.payload["edges"])
    assert nx.is_chordal(graph)
    two = generate("interval_scheduling", jobs=14, machines=2, seed=5)
    assert two.size == 28
    assert two.variables[:2] == ("job0@machine0", "job0@machine1")
    assert [0, 1] in two.payload["edges"]
    # Same machine, same conflicts as on one machine; different machines, none but the job itself.
    assert {(i // 2, j // 2) for i, j in two.payload["edges"] if i % 2 == j % 2} == set(
        map(tuple, one.payload["edges"])
    )
    assert {(i // 2, j // 2) for i, j in two.payload["edges"] if i % 2 != j % 2} == {(k, k) for k in range(14)}
    assert FAMILY.solve(two, 7).bound > FAMILY.solve(one, 7).bound


def test_same_seed_same_content_other_seed_other_content():
    first = generate("random_graph", nodes=12, probability=0.3, seed=1, weighted=True)
    assert first.sha256 == generate("random_graph", nodes=12, probability=0.3, seed=1, weighted=True).sha256
    assert first.sha256 != generate("random_graph", nodes=12, probability=0.3, seed=2, weighted=True).sha256
    assert first.name == "random_graph_n12_p0.3_w1_s1"


def test_dimod_agrees_about_feasibility_and_objective():
    instance = generate("random_graph", nodes=8, probability=0.4, seed=2, weighted=True)
    model = FAMILY.model(instance)
    assert list(model.variables) == list(instance.variables)
    rows = all_rows(8)
    feasible, objective = FAMILY.feasible(instance, rows), FAMILY.objective(instance, rows)
    for row, fine, value in zip(rows[::7], feasible[::7], objective[::7], strict=True):
        sample = dict(zip(instance.variables, row.tolist(), strict=True))
        assert model.check_feasible(sample) == fine
        assert model.objective.energy(sample) == -value


def test_violation_names_the_conflict():
    instance = build([1, 1, 1], [(0, 1), (1, 2)])
    assert FAMILY.violation(instance, np.array([1, 1, 1], dtype=np.uint8)) == (
        "conflict: v0 and v1 both chosen; 2 in all"
    )
    assert FAMILY.violation(instance, np.array([1, 0, 1], dtype=np.uint8)) == ""


def test_networkx_graph_with_and_without_node_weights():
    karate = FAMILY.from_graph(nx.karate_club_graph(), "karate_club", Options())
    assert set(karate.payload["weights"]) == {1.0}  # the weights of its edges mean nothing here
    assert FAMILY.solve(karate, 7).bound == 20
    path = nx.path_graph(3)
    nx.set_node_attributes(path, {0: 1.0, 1: 5.0, 2: 1.0}, "weight")
    assert FAMILY.solve(FAMILY.from_graph(path, "path", Options()), 7).bound == 5
    assert all(np.isfinite(list(FAMILY.features(karate).values())))


def test_files_with_weights_names_and_a_declared_base():
    weighted = FAMILY.parsers["dimacs_edge"]("p edge 3 2\nn 2 2.5\ne 1 2\ne 2 3\n", Options(), "w.col")
    assert weighted.payload["weights"] == [1.0, 2.5, 1.0]
    assert (weighted.name, weighted.source) == ("w", "file:w.col")
    csv = FAMILY.parsers["csv_edges"]("i,j\nvan 1,van 2\nvan 2,bike\n", Options(), "c.csv")
    assert csv.variables == ("van 1", "van 2", "bike")
    assert FAMILY.parsers["edge_list"]("3\n0 1\n", Options(index_base=0), "e.txt").payload["edges"] == [[0, 1]]
    twice = FAMILY.parsers["dimacs_edge"]("p edge 2 2\ne 1 2\ne 2 1\n", Options(duplicates="once"), "t.col")
    assert twice.payload["edges"] == [[0, 1]]


@pytest.mark.parametrize(
    ("format_name", "text", "message"),
    [
        ("edge_list", "3\n0 1\n", "index_base"),
        ("dimacs_edge", "p edge 2 1\nn 1 0\ne 1 2\n", "candidate 1 has weight 0"),
        ("dimacs_edge", "p edge 2 1\nn 2 -4\ne 1 2\n", "candidate 2 has weight -4"),
        ("dimacs_edge", "p edge 2 2\ne 1 2\ne 2 1\n", "line 3"),
        ("csv_edges", "i,j\n", "no nodes"),
    ],
)
def test_wrong_files_are_refused(format_name, text, message):
    with pytest.raises(InvalidInput, match=message):
        FAMILY.parsers[format_name](text, Options(), "wrong.txt")
