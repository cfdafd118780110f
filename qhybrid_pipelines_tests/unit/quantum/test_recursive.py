"""Recursive QAOA: correlations of dense matrices, energies of the whole model, and the optimum where theory promises it."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from qhybrid_pipelines.classical.reduction.substitution import substitute
from qhybrid_pipelines.quantum.recursive import correlations, eliminate, strongest_correlation
from qhybrid_pipelines_tests.support.reduced_models import dense_qaoa, ising, make_reduced_model


def random_model(seed: int, size: int = 8, *, fields: bool = True):
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(size) for j in range(i + 1, size) if rng.random() < 0.6]
    return ising(rng.normal(size=size) * fields, dict(zip(pairs, rng.normal(size=len(pairs)), strict=True)))


def cut_model(graph):
    return ising(np.zeros(len(graph)), {tuple(sorted(edge)): 0.5 for edge in graph.edges})


@pytest.mark.parametrize("fields", [True, False])
def test_correlations_are_those_of_dense_matrices(fields):
    model, angles = random_model(1, 5, fields=fields), np.array([0.4, 0.7, -0.5, -0.2])
    probabilities = dense_qaoa(model, angles, "x", None)
    spins = 1.0 - 2.0 * ((np.arange(32)[:, None] >> np.arange(5)) & 1)
    pairs, means = correlations(make_reduced_model(model), angles)
    expected = [probabilities @ (spins[:, i] * spins[:, j]) for i, j in model.pairs.tolist()]
    np.testing.assert_allclose(pairs, expected, atol=1e-12)
    np.testing.assert_allclose(means, probabilities @ spins, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_left_has_the_energies_of_the_whole_and_is_no_better(seed):
    model = random_model(seed, fields=bool(seed % 2))
    variables, used = eliminate(model, 1, keep=3)
    left = substitute(model, variables)
    assert (left.size, len(used)) == (3, model.size - 3)
    words = np.arange(8)
    values = ((words[:, None] >> np.arange(3)) & 1).astype(np.uint8)
    copied = variables.root >= 0
    rows = np.where(copied, values[:, variables.root] ^ variables.value, variables.value).astype(np.uint8)
    np.testing.assert_allclose(left.diagonal, model.assignment_energies(rows))
    assert left.diagonal.min() >= model.diagonal.min() - 1e-9


@pytest.mark.parametrize("size", [6, 8, 10])
def test_one_layer_solves_the_ring_that_plain_qaoa_does_not(size):
    """The ring of disagrees: one layer cuts 3/4 of it, the recursion all (Bravyi et al., theorem on cycles)."""
    model = cut_model(nx.cycle_graph(size))
    variables, used = eliminate(model, 1, keep=2)
    assert model.diagonal.min() == pytest.approx(model.offset - size / 2)
    assert substitute(model, variables).diagonal.min() == pytest.approx(model.diagonal.min())
    assert used[0].value == pytest.approx(-0.5, abs=1e-4)


def test_it_comes_close_to_the_optimum_of_random_cuts():
    """Against enumeration; the reference reports ratios above 0.9 on 3-regular graphs already at one layer."""
    ratios = []
    for seed in range(6):
        graph = nx.random_regular_graph(3, 10, seed=seed)
        model = cut_model(graph)
        variables, _ = eliminate(model, 1, keep=3)
        edges = graph.number_of_edges()
        found, best = (edges / 2 + model.offset - each.diagonal.min() for each in (substitute(model, variables), model))
        ratios.append(found / best)
    assert min(ratios) >= 0.85
    assert np.median(ratios) >= 0.95


def test_a_field_that_outweighs_everything_makes_a_constant():
    model = ising([3.0, 0.1, 0.0], {(0, 1): 0.2, (1, 2): 0.2})
    found = strongest_correlation(model, 2)
    assert (found.variable, found.other) == (0, None)
    assert found.value < -0.5  # a positive field wants the spin down
    variables, _ = eliminate(model, 2, keep=2)
    assert (variables.root[0], variables.value[0]) == (-1, 1)


def test_a_model_without_terms_is_left_alone():
    assert eliminate(ising(np.zeros(4), {}), 1, keep=2)[0].size == 4
