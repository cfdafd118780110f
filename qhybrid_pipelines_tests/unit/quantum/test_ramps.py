"""Ramps: the scale of the cost, and the approximation ratios they are known to reach."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.quantum.ramps import cost_scale, ramp
from qhybrid_pipelines.quantum.simulation.diagonal_qaoa import probabilities
from qhybrid_pipelines.quantum.simulation.qaoa_phases import Phases
from qhybrid_pipelines.quantum.simulation.x_mixer import XMixer
from qhybrid_pipelines_tests.support.instance_files import named
from qhybrid_pipelines_tests.support.reduced_models import ising, maxcut, read_maxcut


def regular(degree: int, n: int = 16) -> IsingModel:
    import networkx as nx

    return maxcut(n, nx.random_regular_graph(degree, n, seed=1).edges)


@pytest.mark.parametrize("degree", [3, 4, 8, 13])
def test_unweighted_regular_graphs_scale_by_degree(degree):
    assert cost_scale(regular(degree)) == pytest.approx(np.sqrt(3 / degree))


@given(st.floats(1e-6, 1e6))
def test_the_product_of_gamma_and_energy_does_not_depend_on_the_unit(unit):
    model = ising([0.5, -0.2, 0.1], {(0, 1): 1.0, (1, 2): -0.4})
    scaled = IsingModel(
        linear=model.linear * unit, pairs=model.pairs, couplings=model.couplings * unit, offset=model.offset
    )
    assert cost_scale(scaled) * unit == pytest.approx(cost_scale(model))


@settings(deadline=None)
@given(st.floats(-50, 50), st.integers(0, 6), st.integers(0, 1000))
def test_a_cardinality_penalty_does_not_change_the_scale_where_the_ones_are_constant(weight, ones, seed):
    rng = np.random.default_rng(seed)
    pairs = np.array([(i, j) for i in range(6) for j in range(i + 1, 6)], dtype=np.int32)
    linear, quadratic = rng.normal(size=6), rng.normal(size=15)
    bare = IsingModel.from_qubo(linear, pairs, quadratic, 0.0)
    penalised_model = IsingModel.from_qubo(
        linear + weight * (1 - 2 * ones), pairs, quadratic + 2 * weight, weight * ones**2
    )
    assert cost_scale(penalised_model, constant_ones=True) == pytest.approx(
        cost_scale(bare, constant_ones=True), rel=1e-6
    )


def test_a_model_without_fields_has_scale_one():
    assert cost_scale(ising([0, 0], {})) == 1.0
    assert cost_scale(ising([], {})) == 1.0
    assert cost_scale(ising([1.0, 1.0], {(0, 1): 3.0}), constant_ones=True) == 1.0


@pytest.mark.parametrize(("layers", "ratio"), [(1, 0.748), (2, 0.767), (3, 0.801), (4, 0.829)])
def test_ratios_on_a_cubic_graph(layers, ratio):
    model = read_maxcut(named("mc_016_003_000").path)
    [row] = probabilities(XMixer(Phases(model.diagonal - model.offset)), ramp(layers, scale=cost_scale(model))[None])
    assert float(row @ model.diagonal) / -21 == pytest.approx(ratio, abs=0.0006)
