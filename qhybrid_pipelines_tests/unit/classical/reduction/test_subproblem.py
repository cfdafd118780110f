"""The subproblem: the right size, connected, cheap to flip, reproducible, and with something to exchange."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from qhybrid_pipelines.classical.local_search import one_flip_descent
from qhybrid_pipelines.classical.reduction.subproblem import Surroundings, flip_costs
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines_tests.support.small_ising_models import make_model


def cut_model(graph):
    return make_model(np.zeros(len(graph)), {tuple(sorted(edge)): 0.5 for edge in graph.edges})


@pytest.fixture(scope="module")
def regular():
    model = cut_model(nx.random_regular_graph(3, 60, seed=5))
    start = np.random.default_rng(1).integers(0, 2, size=(1, 60), dtype=np.uint8)
    return model, one_flip_descent(model, start)[0]


def subproblem(regular, seed, size=16, *, keep_cardinality=False):
    model, assignment = regular
    return Surroundings(model, assignment).draw(size=size, rng=generator(seed), keep_cardinality=keep_cardinality)


def test_flip_costs_are_energy_differences(regular):
    model, assignment = regular
    flipped = np.tile(assignment, (60, 1)) ^ np.eye(60, dtype=np.uint8)
    assert np.allclose(
        flip_costs(model, assignment),
        model.assignment_energies(flipped) - model.assignment_energies(assignment[None, :]),
    )


def test_size_order_and_connection(regular):
    chosen = subproblem(regular, 1)
    assert len(chosen) == 16
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    graph = nx.Graph(regular[0].pairs.tolist()).subgraph(chosen.tolist())
    assert nx.is_connected(graph)


def test_it_prefers_cheap_flips(regular):
    costs = flip_costs(*regular)
    inside = [costs[subproblem(regular, seed)].mean() for seed in range(10)]
    assert np.mean(inside) < costs.mean()


def test_the_same_seed_gives_the_same_window_and_another_seed_another_one(regular):
    assert np.array_equal(subproblem(regular, 4), subproblem(regular, 4))
    assert len({tuple(subproblem(regular, seed)) for seed in range(8)}) > 4


def test_a_window_goes_on_elsewhere_when_its_part_is_used_up():
    islands = nx.disjoint_union_all([nx.complete_graph(4) for _ in range(5)])
    model = cut_model(islands)
    chosen = Surroundings(model, np.zeros(20, dtype=np.uint8)).draw(size=10, rng=generator(0), keep_cardinality=False)
    assert len(chosen) == 10


@pytest.mark.parametrize("ones", [1, 2, 10, 29, 30])
def test_ones_and_zeros_where_their_number_is_fixed(ones):
    model = cut_model(nx.complete_graph(31))
    assignment = np.zeros(31, dtype=np.uint8)
    assignment[:ones] = 1
    chosen = Surroundings(model, assignment).draw(size=12, rng=generator(2), keep_cardinality=True)
    assert len(chosen) == 12
    held = int(assignment[chosen].sum())
    assert held >= min(ones, 4)
    assert 12 - held >= min(31 - ones, 4)


@pytest.mark.parametrize("seed", range(6))
def test_the_energy_of_a_window_is_that_of_the_model_up_to_a_constant(seed):
    rng = np.random.default_rng(seed)
    couplings = {(i, j): float(rng.normal()) for i in range(9) for j in range(i + 1, 9) if rng.random() < 0.6}
    model = make_model(rng.normal(size=9), couplings)
    assignment = rng.integers(0, 2, size=9, dtype=np.uint8)
    inside = np.sort(rng.choice(9, size=4, replace=False)).astype(np.int32)
    window = Surroundings(model, assignment).window(inside)
    rows = np.tile(assignment, (16, 1))
    rows[:, inside] = (np.arange(16)[:, None] >> np.arange(4)) & 1
    apart = model.assignment_energies(rows) - window.diagonal
    assert np.allclose(apart, apart[0])
    assert window.pairs.tolist() == sorted(window.pairs.tolist())
