"""Readout errors taken out term by term, against the inverse of the whole confusion matrix."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.classical.shot_means import mean_over_shots
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.quantum.mitigation.readout_inverse import (
    LEAST_CONTRAST,
    correctable,
    corrected_energies,
    widest_difference,
)


def model_of(generator, n):
    pairs = np.array([(i, j) for i in range(n) for j in range(i + 1, n)], dtype=np.int32).reshape(-1, 2)
    kept = generator.random(len(pairs)) < 0.6
    return IsingModel(
        linear=generator.normal(size=n),
        pairs=pairs[kept],
        couplings=generator.normal(size=int(kept.sum())),
        offset=float(generator.normal()),
    )


def errors_of(generator, n, most=0.3):
    return ReadoutErrors(zero_as_one=generator.uniform(0, most, n), one_as_zero=generator.uniform(0, most, n))


def confusion(errors):
    """The matrix that turns probabilities of states into those of outcomes, ``2**n`` by ``2**n``, bit 0 least significant."""
    singles = [np.array([[1 - e, f], [e, 1 - f]]) for e, f in zip(errors.zero_as_one, errors.one_as_zero, strict=True)]
    return reduce(np.kron, reversed(singles))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6))
def test_it_is_the_inverse_of_the_whole_confusion_matrix(seed, n):
    generator = np.random.default_rng(seed)
    model, errors = model_of(generator, n), errors_of(generator, n)
    outcomes = np.arange(2**n, dtype=np.uint64)
    # For any distribution of outcomes, physical or not: the cost of what the inverse matrix makes of it.
    expected = model.diagonal @ np.linalg.inv(confusion(errors))
    np.testing.assert_allclose(corrected_energies(model, outcomes, errors), expected, atol=1e-9)
    bound = widest_difference(model, errors)
    assert expected.max() - expected.min() <= bound * (1 + 1e-12) + 1e-12


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 7))
def test_an_exact_distribution_that_was_read_wrongly_gives_back_its_energy(seed, n):
    generator = np.random.default_rng(seed)
    model, errors = model_of(generator, n), errors_of(generator, n)
    state = generator.dirichlet(np.ones(2**n))
    read = confusion(errors) @ state
    outcomes = np.arange(2**n, dtype=np.uint64)
    assert read @ corrected_energies(model, outcomes, errors) == pytest.approx(state @ model.diagonal, abs=1e-9)


def test_without_errors_it_is_the_energy_also_above_64_variables():
    generator = np.random.default_rng(3)
    model = model_of(generator, 70)
    words = generator.integers(0, 2**63, size=(50, 2)).astype(np.uint64)
    words[:, 1] &= np.uint64(2**6 - 1)
    np.testing.assert_allclose(
        corrected_energies(model, words, ReadoutErrors.none(70)), model.energies(words), atol=1e-9
    )


def test_bits_that_say_nothing_cannot_be_corrected():
    half = ReadoutErrors(zero_as_one=np.array([0.1, 0.5]), one_as_zero=np.array([0.1, 0.5 - LEAST_CONTRAST / 2]))
    assert not correctable(half)
    assert correctable(errors_of(np.random.default_rng(0), 5))


def test_intervals_cover_the_value_before_reading_and_the_plain_mean_does_not():
    generator = np.random.default_rng(11)
    n, shots, repeats = 6, 2000, 1000
    model, errors = model_of(generator, n), errors_of(generator, n, most=0.1)
    state = np.exp(-model.diagonal)  # of low energy, which wrong bits raise
    state /= state.sum()
    truth = float(state @ model.diagonal)
    read = confusion(errors) @ state
    outcomes = np.arange(2**n, dtype=np.uint64)
    values, plain = corrected_energies(model, outcomes, errors), model.diagonal
    counts = generator.multinomial(shots, read, size=repeats)
    runs = np.zeros(2**n)
    found = [mean_over_shots(values, row, runs, widest=widest_difference(model, errors)) for row in counts]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    uncorrected = [mean_over_shots(plain, row, runs, widest=widest_difference(model)) for row in counts]
    # Of 1,000 repeats at 95 %, fewer than 928 happen once in a thousand.
    assert covered >= 0.928
    assert np.mean([one.low <= truth <= one.high for one in uncorrected]) < 0.5
    spread = np.std([one.mean for one in found])
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.08)
