"""The kernel by circuits of pairs: its circuits against the exact kernel, its entries against the binomial law, its machine against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.svm import SVC

from qhybrid_pipelines.execution.engines.aer import prepare_circuit
from qhybrid_pipelines.execution.engines.aer_exact import exact_probabilities
from qhybrid_pipelines.learning.circuits.kernel_feature_map import embedded_states, fidelity_kernel
from qhybrid_pipelines.learning.measurement.circuit_batches import sampling_seeds
from qhybrid_pipelines.learning.measurement.kernel_batches import (
    KernelSize,
    entries_from_counts,
    kernel_batch,
    standard_errors,
)
from qhybrid_pipelines.learning.models.measured_kernel import MeasuredKernelSvm

RNG = np.random.default_rng(17)
SAMPLES, QUERIES, SHOTS = 9, 4, 200
SIZE = KernelSize(samples=SAMPLES, queries=QUERIES)
CASES = [("angle", 2), ("iqp", 1), ("iqp", 2), ("iqp", 3), ("amplitude", 2)]


def make_batch(encoding, layers, n_features=3, shots=SHOTS):
    samples, queries = (RNG.uniform(-1.5, 1.5, (rows, n_features)) for rows in (SAMPLES, QUERIES))
    where = {"experiment": "x", "backend": "local:auto", "shots": shots}
    choice = {"encoding": encoding, "layers": layers, "bandwidth": 0.8}
    seeds = sampling_seeds(7, "kernel", points=SIZE.circuits)
    fitted, crossed = (embedded_states(rows, **choice) for rows in (samples, queries))
    exact = fidelity_kernel(fitted, fitted), fidelity_kernel(crossed, fitted)
    return kernel_batch(samples, queries, seeds=seeds, **choice, **where), exact


def exact_zeros(batch):
    """Return the probability of all zeros of every point, by the engine that batches are sampled from."""
    ready, _ = prepare_circuit(batch.template, keep_measurements=False)
    return np.array([probabilities[0] for probabilities in exact_probabilities(batch, ready)])


def counts(zeros, shots):
    """Return counts in which so many shots of every point came back to zero; the others are in outcome 5."""
    point = np.repeat(np.arange(len(zeros)), 2)
    number = np.stack([zeros, shots - zeros], axis=1).ravel()
    bits = np.tile(np.array([0, 5], dtype=np.uint64), len(zeros))
    kept = number > 0
    columns = {"point": point[kept], "repetition": np.zeros(kept.sum(), dtype=np.int64), "bits": bits[kept]}
    return pa.table({**columns, "count": number[kept]})


@pytest.mark.parametrize(("encoding", "layers"), CASES)
@pytest.mark.parametrize("n_features", [2, 3, 5])
def test_a_circuit_comes_back_to_zero_as_often_as_the_exact_kernel_says(encoding, layers, n_features):
    batch, (fitted, crossed) = make_batch(encoding, layers, n_features)
    assert batch.points == SIZE.circuits == SAMPLES * (SAMPLES - 1) // 2 + SAMPLES * QUERIES
    measured = SIZE.matrices(exact_zeros(batch))
    np.testing.assert_allclose(measured[0], fitted, atol=1e-9)
    np.testing.assert_allclose(measured[1], crossed, atol=1e-9)
    assert np.array_equal(np.diag(measured[0]), np.ones(SAMPLES))


def test_where_two_embeddings_meet_there_is_one_gate_for_each_angle():
    gates = make_batch("iqp", 2)[0].template.text.count("\nrzz(")
    assert gates == 3 * 3, "three pairs in the layer of one, the shared one and the layer of the other"
    assert "\nrzz(" not in make_batch("angle", 2)[0].template.text


def test_entries_are_shares_of_zeros_and_miss_the_exact_ones_by_their_standard_error():
    batch, _ = make_batch("iqp", 2)
    probability = exact_zeros(batch)
    entries = np.stack(
        [entries_from_counts(counts(RNG.binomial(SHOTS, probability), SHOTS), batch) for _ in range(200)]
    )
    np.testing.assert_allclose(entries * SHOTS, np.round(entries * SHOTS), atol=1e-9)
    missed = (entries - probability) / standard_errors(entries, SHOTS)
    assert np.sqrt(np.mean(missed**2)) == pytest.approx(1.0, abs=0.05)
    assert (standard_errors(np.array([0.0, 1.0]), SHOTS) > 0).all(), "no shot at zero does not prove zero"


def test_eigenvalues_below_zero_are_cut_and_other_rows_are_projected_alike():
    batch, (fitted, crossed) = make_batch("iqp", 2, shots=20)
    labels = np.arange(SAMPLES) % 2
    noisy, rows = SIZE.matrices(RNG.binomial(20, exact_zeros(batch)) / 20)
    machine = MeasuredKernelSvm(C=2.0).fit(noisy, labels)
    values, vectors = np.linalg.eigh(noisy)
    assert machine.smallest_eigenvalue_ == pytest.approx(values[0])
    assert values[0] < -1e-3
    np.testing.assert_allclose(machine.projected_, (vectors * np.maximum(values, 0)) @ vectors.T, atol=1e-12)
    assert np.linalg.eigvalsh(machine.projected_)[0] > -1e-12
    judge = SVC(kernel="precomputed", C=2.0).fit(machine.projected_, labels)
    projected = rows @ np.linalg.pinv(noisy) @ machine.projected_
    np.testing.assert_allclose(machine.decision_function(rows), judge.decision_function(projected), atol=1e-8)
    assert np.array_equal(machine.predict(rows), judge.predict(projected))
    # A matrix that is a kernel stays as it is.
    exact = MeasuredKernelSvm(C=2.0).fit(fitted, labels)
    assert exact.projected_ is fitted
    plain = SVC(kernel="precomputed", C=2.0).fit(fitted, labels)
    assert np.array_equal(exact.decision_function(crossed), plain.decision_function(crossed))
    with pytest.raises(AttributeError, match="single sample"):
        _ = MeasuredKernelSvm(C=2.0).fit(fitted, np.array([1, *[0] * (SAMPLES - 1)])).predict_proba
