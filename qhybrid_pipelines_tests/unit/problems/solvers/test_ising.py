"""The classical solver of unconstrained families, and its parts, against enumeration."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.classical import exhaustive
from qhybrid_pipelines.classical.reduction.substitution import VariableMap
from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.problems.graphs import from_networkx
from qhybrid_pipelines.problems.reduction_steps import follow_substitutions
from qhybrid_pipelines.problems.solvers import cp_sat, ising, semidefinite
from qhybrid_pipelines.problems.solvers.dominating_edges import dominating_edges
from qhybrid_pipelines.problems.solvers.granularity import energy_step, round_bound_to_step
from qhybrid_pipelines.problems.solvers.spins import energies, greedy_placement, tabu_search

decimals = st.integers(-50, 50).map(lambda k: k / 10)
reals = st.floats(-5, 5, allow_nan=False, allow_subnormal=False)


@st.composite
def models(draw, *, value=decimals, fields=True):
    size = draw(st.integers(1, 9))
    every = [(i, j) for i in range(size) for j in range(i + 1, size)]
    pairs = sorted(draw(st.lists(st.sampled_from(every), unique=True))) if every else []
    linear = [draw(value) if fields else 0.0 for _ in range(size)]
    return IsingModel.from_qubo(
        np.array(linear),
        np.array(pairs, dtype=np.int32).reshape(-1, 2),
        np.array([draw(value) for _ in pairs], dtype=np.float64),
        draw(value),
    )


@st.composite
def cuts(draw, value):
    """A model without fields: minus the cut of a weighted graph."""
    size = draw(st.integers(2, 9))
    every = [(i, j) for i in range(size) for j in range(i + 1, size)]
    pairs = sorted(draw(st.lists(st.sampled_from(every), unique=True, min_size=1)))
    weights = np.array([draw(value) for _ in pairs])
    return np.array(pairs, dtype=np.int32), weights, cut_model(size, np.array(pairs, dtype=np.int32), weights)


def cut_model(size, pairs, weights):
    kept = weights != 0
    return IsingModel(
        linear=np.zeros(size),
        pairs=pairs[kept],
        couplings=weights[kept] / 2,
        offset=-float(weights.sum()) / 2,
    )


def random_model(size, density, seed, *, fields):
    random = np.random.default_rng(seed)
    pairs = np.stack(np.triu_indices(size, k=1), axis=1).astype(np.int32)
    pairs = pairs[random.random(len(pairs)) < density]
    linear = random.integers(-9, 10, size) * 1.0 if fields else np.zeros(size)
    return IsingModel(
        linear=linear, pairs=pairs, couplings=random.choice([-3.0, -1.0, 1.0, 2.0], len(pairs)), offset=0.5
    )


@settings(deadline=None, max_examples=40)
@given(st.one_of(models(), models(fields=False), models(value=reals)), st.integers(0, 5))
def test_relaxation_bounds_the_minimum_and_rounds_to_assignments(model, seed):
    found = semidefinite.relaxation_vectors(model, seed)
    lowest = model.diagonal.min()
    assert semidefinite.lower_bound(model, found) <= lowest + 1e-9
    rows = semidefinite.hyperplane_roundings(model, found, seed, count=5)
    assert rows.shape == (5, model.size)
    assert (energies(model, rows) >= lowest - 1e-9).all()


def test_the_bound_is_tight_where_nothing_is_frustrated():
    ring = from_networkx(nx.cycle_graph(30))
    model = cut_model(30, ring.edges, ring.weights)
    found = semidefinite.relaxation_vectors(model, 1)
    assert semidefinite.lower_bound(model, found) == pytest.approx(-30, abs=0.5)
    assert round_bound_to_step(model, semidefinite.lower_bound(model, found)) == -30


def test_the_relaxation_of_the_pentagon_has_its_known_value():
    """Goemans and Williamson: 5/2 (1 - cos(4 pi / 5)) = 4.5225 against a cut of 4."""
    ring = from_networkx(nx.cycle_graph(5))
    model = cut_model(5, ring.edges, ring.weights)
    bound = semidefinite.lower_bound(model, semidefinite.relaxation_vectors(model, 3))
    assert bound == pytest.approx(-2.5 * (1 - np.cos(0.8 * np.pi)), abs=1e-3)


@settings(deadline=None, max_examples=40)
@given(st.one_of(models(), models(fields=False)), st.integers(0, 5))
def test_cp_sat_proves_the_minimum(model, seed):
    proof = cp_sat.prove_optimum(model, np.zeros(model.size, dtype=np.uint8), seed)
    if not len(model.pairs):
        assert proof is None
        return
    lowest = model.diagonal.min()
    assert proof.optimal
    assert energies(model, proof.assignment[None])[0] == pytest.approx(lowest, abs=1e-9)
    assert proof.lower_bound == pytest.approx(lowest, abs=1e-9)


def test_cp_sat_declines_what_it_cannot_prove():
    irrational = random_model(6, 1.0, 1, fields=True)
    irrational = IsingModel(
        linear=irrational.linear, pairs=irrational.pairs, couplings=irrational.couplings * np.pi, offset=0.0
    )
    assert cp_sat.prove_optimum(irrational, np.zeros(6, dtype=np.uint8), 1) is None
    dense = random_model(80, 1.0, 1, fields=False)
    assert cp_sat.prove_optimum(dense, np.zeros(80, dtype=np.uint8), 1) is None


@pytest.mark.parametrize("graph", [nx.petersen_graph(), nx.complete_graph(6), nx.grid_2d_graph(3, 4), nx.path_graph(5)])
def test_short_cycles_are_cycles_and_cover_every_edge_that_is_on_one(graph):
    graph = nx.convert_node_labels_to_integers(graph)
    edges = sorted(tuple(sorted(edge)) for edge in graph.edges)
    cycles = cp_sat.short_cycles(edges)
    covered = set()
    for cycle in cycles:
        around = {tuple(sorted(pair)) for pair in zip(cycle, [*cycle[1:], cycle[0]], strict=True)}
        assert len(around) == len(cycle) == len(set(cycle))
        assert around <= set(edges)
        covered |= around
    bridges = {tuple(sorted(edge)) for edge in nx.bridges(graph)}
    assert covered == set(edges) - bridges
    assert sum(len(cycle) == 3 for cycle in cycles) == sum(nx.triangles(graph).values()) // 3


@settings(deadline=None, max_examples=200)
@given(st.one_of(cuts(st.integers(-3, 3).map(float)), cuts(reals)))
def test_dominating_edges_keep_a_maximum_cut(case):
    pairs, weights, model = case
    kept = weights != 0
    found = dominating_edges(model.size, pairs[kept], weights[kept])
    assert len({step.variable for step in found}) == len(found)
    variables = follow_substitutions(VariableMap.identity(model.size), found)
    words = np.arange(2**variables.size, dtype=np.uint64)
    rows = np.broadcast_to(variables.value, (len(words), model.size)).copy()
    copied = variables.root >= 0
    rows[:, copied] ^= unpack(words, variables.size)[:, variables.root[copied]]
    assert energies(model, rows).min() == pytest.approx(model.diagonal.min(), abs=1e-9)


def test_dominating_edges_solve_trees_and_rings_and_leave_cubic_graphs_alone():
    for graph in (nx.balanced_tree(3, 6), nx.cycle_graph(501), nx.star_graph(2000)):
        whole = from_networkx(graph)
        assert len(dominating_edges(whole.size, whole.edges, whole.weights)) == whole.size
    cubic = from_networkx(nx.random_regular_graph(3, 30, seed=1))
    assert dominating_edges(cubic.size, cubic.edges, cubic.weights) == ()


CANCELLING = IsingModel(
    linear=np.array([-1.88207809e-12, -1.88207809e-12, 0.0, -0.5]),
    pairs=np.array([[0, 1]], dtype=np.int32),
    couplings=np.array([1.88207809e-12]),
    offset=0.500000000001882,
)


@settings(deadline=None, max_examples=60)
@given(models(value=reals), st.integers(0, 5))
@example(CANCELLING, 0)
def test_search_is_never_worse_than_its_start(model, seed):
    start = greedy_placement(model, seed)
    found = tabu_search(model, start, seed, steps=50)
    first, last = energies(model, np.stack([start, found]))
    assert last <= first + 1e-9
    np.testing.assert_array_equal(found, tabu_search(model, start, seed, steps=50))
    # Terms may cancel to nothing, so what rounding leaves is measured by the terms, not by their sum.
    terms = np.abs(model.linear).sum() + np.abs(model.couplings).sum() + abs(model.offset)
    assert abs(first - model.assignment_energies(start[None])[0]) <= 64 * np.finfo(np.float64).eps * terms


@settings(deadline=None, max_examples=60)
@given(models())
def test_energies_are_multiples_of_the_step_and_bounds_are_sharpened_to_one(model):
    step = energy_step(model)
    lowest = model.diagonal.min()
    offset = model.to_qubo()[3]
    multiples = (model.diagonal - offset) / step
    np.testing.assert_allclose(multiples, np.rint(multiples), atol=1e-6)
    assert round_bound_to_step(model, lowest - step / 3) == pytest.approx(lowest, abs=1e-9)


@pytest.mark.parametrize("fields", [True, False])
@pytest.mark.parametrize(("size", "density"), [(22, 0.15), (22, 0.5)])
def test_minimise_finds_and_proves_what_enumeration_finds(size, density, fields):
    model = random_model(size, density, 5, fields=fields)
    answer = ising.minimise(model, 3)
    lowest = model.diagonal.min()
    assert energies(model, answer.assignment[None])[0] == lowest
    assert answer.optimal
    assert answer.lower_bound == lowest


def test_minimise_is_deterministic_and_bounds_what_it_cannot_prove():
    model = random_model(90, 0.9, 2, fields=True)
    first, second = ising.minimise(model, 3), ising.minimise(model, 3)
    np.testing.assert_array_equal(first.assignment, second.assignment)
    assert first.lower_bound == second.lower_bound
    assert not first.optimal
    assert first.lower_bound < energies(model, first.assignment[None])[0]


def test_small_and_empty_models_are_enumerated():
    for size in (0, 1, 3):
        model = random_model(size, 1.0, 1, fields=True)
        answer = ising.minimise(model, 0)
        assert answer.optimal
        assert (answer.assignment.shape, answer.lower_bound) == ((size,), exhaustive.find_minimum(model)[1])


def test_a_model_too_large_for_the_relaxation_is_searched_from_greedy():
    graph = from_networkx(nx.random_regular_graph(4, semidefinite.MAX_SPINS + 2, seed=1))
    model = cut_model(graph.size, graph.edges, graph.weights)
    answer = ising.minimise(model, 1)
    assert answer.lower_bound == -len(graph.edges)
    assert energies(model, answer.assignment[None])[0] < -0.75 * len(graph.edges)
