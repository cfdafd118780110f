"""MaxCut against published optima, networkx and hand-counted cuts."""

from __future__ import annotations

from operator import attrgetter

import networkx as nx
import numpy as np
import pytest
from dwave.samplers import SimulatedAnnealingSampler
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.families.maxcut import FAMILY, Options, make_instance
from qhybrid_pipelines.problems.graphs import make_weighted_graph, networkx_graph
from qhybrid_pipelines_tests.support.cpu_time import cpu_seconds_below
from qhybrid_pipelines_tests.support.family_cases import FamilyCases
from qhybrid_pipelines_tests.support.instance_files import instance_files
from qhybrid_pipelines_tests.support.known_optima import (
    planted_torus,
    planted_triangles,
    random_graph,
    semidefinite_cut,
)


def objective_and_feasibility(payload, x):
    pairs = zip(payload["edges"], payload["weights"], strict=True)
    return sum(weight for (i, j), weight in pairs if x[i] != x[j]), True


CASES = FamilyCases(
    small={
        "random_regular": [{"nodes": 8, "degree": 3, "seed": 7}],
        "erdos_renyi": [{"nodes": 9, "probability": 0.5, "seed": 8, "weighted": True}],
        "torus": [{"rows": 3, "columns": 3, "seed": 9}],
    },
    reduced=[
        {"generator": "erdos_renyi", "nodes": 10, "probability": 0.4, "weighted": True},
        {"generator": "torus", "rows": 3, "columns": 3},
    ],
    definition=objective_and_feasibility,
)


def bundled(name):
    return FAMILY.from_graph(networkx_graph(name), name, Options())


def from_rudy(graph):
    return FAMILY.parsers["rudy"](graph.rudy, Options(), "graph.rud")


def cut(instance, row):
    """In plain Python."""
    payload = instance.payload
    return sum(w for (i, j), w in zip(payload["edges"], payload["weights"], strict=True) if row[i] != row[j])


@pytest.mark.parametrize("file", instance_files("maxcut"), ids=attrgetter("instance"))
def test_the_solver_proves_every_published_optimum_and_its_answer_recounts(file):
    instance = FAMILY.parsers[file.format](file.text, Options(**file.options), file.path.name)
    answer = FAMILY.solve(instance, 7)
    assert (answer.optimal, answer.bound) == (True, file.best_known)
    assert cut(instance, answer.assignment) == file.best_known
    if file.format == "edge_list":
        solution = file.path.with_suffix(".sol").read_text(encoding="utf-8").split()
        assert cut(instance, list(map(int, solution[1:]))) == float(solution[0]) == file.best_known


@pytest.mark.parametrize(("rows", "columns", "seed"), [(100, 8, 1), (20, 40, 2)])
def test_a_toroidal_grid_is_solved_and_proved(rows, columns, seed):
    """As G11: the cycle constraints are nearly all there is to know about it."""
    graph = planted_torus(rows, columns, seed)
    instance = from_rudy(graph)
    answer = FAMILY.solve(instance, 7)
    assert (answer.optimal, answer.bound) == (True, graph.optimum)
    assert cut(instance, answer.assignment) == graph.optimum


def test_a_planted_cut_of_a_large_dense_graph_is_found():
    graph = planted_triangles(800, 6392, seed=1)
    instance = from_rudy(graph)
    answer = FAMILY.solve(instance, 7)
    assert cut(instance, answer.assignment) == graph.optimum
    assert graph.optimum <= answer.bound <= 1.001 * graph.optimum


def test_a_large_random_graph_loads_quickly_is_solved_closely_and_scored_in_bulk():
    """Of the size of G1. Its optimum is not known: annealing by another hand is below it, the relaxation above."""
    graph = random_graph(800, 19176, seed=1)
    text = graph.rudy
    with cpu_seconds_below(1.0):
        instance = FAMILY.parsers["rudy"](text, Options(), "graph.rud")
    answer = FAMILY.solve(instance, 7)
    couplings = {(i, j): weight for i, j, weight in graph.edges}
    annealed = SimulatedAnnealingSampler().sample_ising({}, couplings, num_reads=20, num_sweeps=2000, seed=1)
    reached = (len(graph.edges) - annealed.first.energy) / 2
    relaxation = semidefinite_cut(graph)
    print(f"cut {cut(instance, answer.assignment)}, annealing {reached}, bound {answer.bound}, relaxation {relaxation}")
    assert cut(instance, answer.assignment) >= 0.998 * reached  # a random cut has about 9600
    assert reached <= answer.bound <= 1.0014 * relaxation
    assert not answer.optimal
    rows = np.random.default_rng(1).integers(0, 2, (1024, 800), dtype=np.uint8)
    FAMILY.objective(instance, rows[:1])
    with cpu_seconds_below(1.0):
        values = FAMILY.objective(instance, rows)
    assert values[17] == cut(instance, rows[17])


@pytest.mark.parametrize(
    ("name", "optimum"), [("florentine_families", 17), ("petersen", 12), ("davis_southern_women", 89)]
)
def test_known_cuts_of_bundled_graphs(name, optimum):
    """Davis' graph is bipartite: every edge is cut."""
    answer = FAMILY.solve(bundled(name), 1)
    assert (answer.optimal, answer.bound) == (True, optimum)


def test_reduction_solves_what_hangs_on_a_weighted_core():
    karate = bundled("karate_club")
    (reduction,) = FAMILY.reductions(karate, 16)
    assert reduction.exact
    assert len(reduction.substitutions) == 15
    assert FAMILY.reductions(bundled("petersen"), 4) == []


def test_cut_agrees_with_networkx():
    graph = networkx_graph("les_miserables")
    instance = FAMILY.from_graph(graph, "les_miserables", Options())
    rows = np.random.default_rng(2).integers(0, 2, (20, instance.size), dtype=np.uint8)
    for row, value in zip(rows, FAMILY.objective(instance, rows), strict=True):
        side = [node for node in graph if row[instance.variables.index(str(node))]]
        assert value == nx.cut_size(graph, side, weight="weight")


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_greedy_cuts_at_least_half_of_positive_edges(data):
    size = data.draw(st.integers(2, 8))
    every = [(i, j) for i in range(size) for j in range(i + 1, size)]
    pairs = data.draw(st.lists(st.sampled_from(every), unique=True, min_size=1))
    weights = [data.draw(st.integers(1, 9)) for _ in pairs]
    graph = make_weighted_graph(
        map(str, range(size)), [(i, j, float(w)) for (i, j), w in zip(pairs, weights, strict=True)]
    )
    instance = make_instance(graph, name="t", source="generator:t", best_known=None)
    assert cut(instance, FAMILY.greedy(instance, data.draw(st.integers(0, 3)))) * 2 >= sum(weights)


def test_the_symmetry_of_flipping_all_spins_is_kept():
    instance = bundled("petersen")
    model = FAMILY.penalised_model(instance).model
    assert not model.linear.any()
    rows = unpack(np.arange(64, dtype=np.uint64), 10)
    np.testing.assert_array_equal(model.assignment_energies(rows), model.assignment_energies(1 - rows))


@pytest.mark.parametrize(
    ("edges", "words"),
    [([], "no edges"), ([(0, 1, 0.0)], "weight 0"), ([(0, 1, 1e308), (1, 2, -1e308), (0, 2, 1e308)], "overflows")],
)
def test_graphs_without_a_cut_are_refused(edges, words):
    with pytest.raises(InvalidInput, match=words):
        make_instance(make_weighted_graph("abc", edges), name="t", source="file:t", best_known=None)


def test_edges_of_weight_0_are_no_content():
    with_zero = make_instance(
        make_weighted_graph("abc", [(0, 1, 2.0), (1, 2, 0.0)]), name="a", source="file:a", best_known=None
    )
    without = make_instance(make_weighted_graph("abc", [(0, 1, 2.0)]), name="b", source="file:b", best_known=None)
    assert with_zero.sha256 == without.sha256


def test_options_that_do_not_apply_are_refused():
    with pytest.raises(InvalidInput) as caught:
        FAMILY.parsers["edge_list"]("2\n0 1\n", Options(), "f.txt")
    assert caught.value.field == "problem.options.index_base"
    for read in (
        lambda: FAMILY.parsers["rudy"]("2 1\n1 2 1\n", Options(index_base=0), "f.txt"),
        lambda: FAMILY.from_graph(nx.path_graph(3), "path", Options(index_base=1)),
    ):
        with pytest.raises(InvalidInput) as caught:
            read()
        assert caught.value.field == "problem.options.index_base"


def test_generators_make_what_they_say():
    def make(name, **parameters):
        model, function = FAMILY.generators[name]
        return function(model(**parameters))

    regular = make("random_regular", nodes=16, degree=3, seed=7)
    assert regular.name == "random_regular-n16-d3-s7"
    assert set(np.bincount(np.ravel(regular.payload["edges"]))) == {3}
    torus = make("torus", rows=4, columns=5, seed=1)
    assert torus.size == 20
    assert set(np.bincount(np.ravel(torus.payload["edges"]))) == {4}
    assert set(torus.payload["weights"]) == {-1.0, 1.0}
    weighted = make("erdos_renyi", nodes=40, probability=0.5, seed=1, weighted=True)
    assert set(weighted.payload["weights"]) == set(map(float, range(1, 11)))
    assert 300 < len(weighted.payload["edges"]) < 480
