"""The warm start: its relaxation against a general optimiser and all outcomes, its states against dense matrices and the written circuit."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import QaoaStructure
from qhybrid_pipelines.execution.engines.aer import prepare_circuit
from qhybrid_pipelines.execution.engines.aer_exact import exact_probabilities as of_circuit
from qhybrid_pipelines.execution.engines.diagonal_qaoa import WARM_BYTES_PER_OUTCOME
from qhybrid_pipelines.quantum.angle_search import optimise_angles
from qhybrid_pipelines.quantum.circuits import batch_from_row, batch_to_row, build_batch
from qhybrid_pipelines.quantum.exact_state import QaoaState
from qhybrid_pipelines.quantum.mixers import choose_mixer
from qhybrid_pipelines.quantum.simulation.diagonal_qaoa import exact_probabilities
from qhybrid_pipelines.quantum.simulation.warm_start import (
    LARGEST_SPIN,
    MARGIN,
    WarmMixer,
    relaxed_spins,
    warm_start_turns,
)
from qhybrid_pipelines_tests.support.reduced_models import dense_qaoa, make_reduced_model, make_spec


def model(n, seed, *, fields=True):
    rng = np.random.default_rng(seed)
    pairs = np.array([(i, j) for i in range(n) for j in range(i + 1, n)], dtype=np.int32).reshape(-1, 2)
    linear = rng.normal(size=n) if fields else np.zeros(n)
    return IsingModel(linear=linear, pairs=pairs, couplings=rng.normal(size=len(pairs)), offset=0.5)


@given(n=st.integers(1, 6), seed=st.integers(0, 2**32 - 1), fields=st.booleans())
@settings(deadline=None, max_examples=30)
def test_the_relaxed_minimum_is_that_of_a_general_optimiser_and_below_every_outcome(n, seed, fields):
    ising = model(n, seed, fields=fields)
    found = relaxed_spins(ising)
    assert np.all(np.abs(found) <= 1)
    if not fields:
        assert found[-1] == 1.0
    couplings = np.zeros((n, n))
    couplings[ising.pairs[:, 0], ising.pairs[:, 1]] = ising.couplings
    couplings += couplings.T
    free = n - (not fields)
    inner, field = couplings[:free, :free], ising.linear if fields else couplings[-1, :-1]
    lowest = np.linalg.eigvalsh(inner)[0] if free else 0.0
    shift = MARGIN * (np.abs(inner).sum() + np.abs(field).sum()) - lowest

    def energy(spins):
        whole = np.append(spins, np.ones(n - free))
        return ising.linear @ whole + whole @ couplings @ whole / 2 + shift / 2 * (spins @ spins - free)

    assert energy(found[:free]) <= ising.diagonal.min() - ising.offset + 1e-9
    if free:
        other = minimize(energy, np.zeros(free), bounds=[(-1, 1)] * free, method="L-BFGS-B", options={"ftol": 1e-15})
        assert energy(found[:free]) <= other.fun + 1e-7


@given(n=st.integers(1, 5), layers=st.integers(1, 3), seed=st.integers(0, 2**32 - 1), fields=st.booleans())
@settings(deadline=None, max_examples=15)
def test_engine_state_and_written_circuit_have_the_probabilities_of_the_definition(n, layers, seed, fields):
    ising = model(n, seed, fields=fields)
    angles = np.random.default_rng(seed).uniform(-1.5, 1.5, 2 * layers)
    expected = dense_qaoa(ising, angles, "warm_start", None)
    structure = QaoaStructure(model=ising, mixer="warm_start", cardinality=None, angles=angles[None])
    outcomes, [row] = exact_probabilities(structure)
    assert outcomes is None
    np.testing.assert_allclose(row, expected, atol=1e-9)
    state = QaoaState(make_reduced_model(ising), "warm_start")
    np.testing.assert_allclose(state.mean_energy.probabilities(angles), expected, atol=1e-9)
    planned = build_batch(
        make_reduced_model(ising),
        angles[None],
        make_spec(mixer="warm_start", layers=layers),
        experiment="e",
        backend="local:auto",
    )
    batch = batch_from_row(batch_to_row(planned))
    assert (planned.mixer, batch.payload_sha256) == ("warm_start", planned.batch.payload_sha256)
    ready, _ = prepare_circuit(batch.template, keep_measurements=False)
    [written] = of_circuit(batch, ready)
    np.testing.assert_allclose(written, expected, atol=1e-9)


def test_a_wide_state_has_the_probabilities_of_the_engine():
    ising, angles = model(13, 5), np.array([0.02, 0.05, -0.6, -0.3])
    structure = QaoaStructure(model=ising, mixer="warm_start", cardinality=None, angles=angles[None])
    [row] = exact_probabilities(structure)[1]
    assert row.sum() == pytest.approx(1)
    state = QaoaState(make_reduced_model(ising), "warm_start")
    np.testing.assert_allclose(state.mean_energy.probabilities(angles), row, atol=1e-10)


def test_the_gradient_is_that_of_differences():
    state = QaoaState(make_reduced_model(model(5, 4)), "warm_start")
    angles = np.array([0.3, -0.7, 0.4, -0.2])
    value, slope = state.mean_energy(angles)
    np.testing.assert_allclose(
        slope, approx_fprime(angles, lambda point: state.mean_energy(point)[0], 1e-6), atol=1e-4 * abs(value)
    )


def test_without_a_relaxation_to_begin_from_it_is_the_x_mixer():
    # The origin is the relaxed minimum of all spins but the held one, which nothing is coupled to.
    ising = IsingModel(linear=np.zeros(3), pairs=np.array([[0, 1]], dtype=np.int32), couplings=np.ones(1), offset=0.0)
    turns = warm_start_turns(ising)
    np.testing.assert_allclose(turns, [np.pi / 2, np.pi / 2, np.arccos(LARGEST_SPIN)], atol=1e-9)


def test_one_layer_finds_the_optimum_of_all_outcomes_more_often_than_from_the_middle():
    warm, plain = [], []
    for seed in range(8):
        problem = make_reduced_model(model(5, seed))
        for mixer, found in (("warm_start", warm), ("x", plain)):
            angles = optimise_angles(problem, mixer, 1, objective="cvar").angles
            chances = dense_qaoa(problem.model, angles, mixer, None)
            found.append(chances[problem.model.diagonal.argmin()])
    assert np.median(np.array(warm) / plain) > 1.5


def test_products_of_more_variables_are_refused_with_the_remedy():
    ising = IsingModel.from_spin_terms(3, np.array([[0, 1, 2]]), np.ones(1))
    with pytest.raises(InvalidInput, match="a warm start relaxes products of two variables") as caught:
        choose_mixer(make_reduced_model(ising), make_spec(mixer="warm_start"))
    assert caught.value.remedy == "Use mixer: x, or auto."
    assert choose_mixer(make_reduced_model(model(3, 1)), make_spec(mixer="warm_start")) == "warm_start"


def test_a_thread_takes_no_more_memory_than_the_engine_counts_on():
    n = 18
    energies, turns, angles = np.zeros(1 << n), np.full(n, 1.2), np.full((1, 4), 0.1)
    tracemalloc.start()
    try:
        WarmMixer(energies, turns)(angles)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= WARM_BYTES_PER_OUTCOME << n
