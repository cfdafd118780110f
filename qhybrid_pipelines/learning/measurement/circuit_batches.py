"""A trained circuit on a backend: inference and gradients as circuit batches, and what their counts say.

A gradient needs every circuit of a mini-batch at once: each sample as it is, because the loss is not linear in the
expectations, and with every weight turned by +-pi/2 (parameter-shift rule, exact for rotations: M. Schuld et al.,
Phys. Rev. A 99, 032331 (2019)). That is ``samples * (2 * weights + 1)`` circuits in one submission.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import U64, unpack
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.seeds import derive_seed
from qhybrid_pipelines.learning.circuits.circuit_templates import circuit_template, make_bindings
from qhybrid_pipelines.learning.circuits.class_scores import (
    I64,
    TrainedCircuit,
    backpropagate_readout,
)
from qhybrid_pipelines.learning.circuits.input_checks import check_angles, check_columns
from qhybrid_pipelines.learning.circuits.own_circuit import AnyCircuitShape, OwnCircuitShape

#: Half the distance between the two turned circuits, radians.
PARAMETER_SHIFT = np.pi / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochSize:
    """Cost of one training epoch on a backend.

    Attributes:
        submissions: batches, one per iteration.
        circuits: over all of them.
        shots: over all circuits.
    """

    submissions: int
    circuits: int
    shots: int


def sampling_seeds(seed: int, *labels: str | int, points: int, repetitions: int = 1) -> U64:
    """Return the seeds of a batch, shape ``(points, repetitions)``, on the stream that the labels name."""
    seeds = [[derive_seed(seed, "learning", *labels, p, r) for r in range(repetitions)] for p in range(points)]
    return np.array(seeds, dtype=np.uint64).reshape(points, repetitions)


def inference_batch(
    circuit: TrainedCircuit, features: F64, *, experiment: str, backend: str, shots: int, seeds: U64
) -> CircuitBatch:
    """Return the batch that measures every sample; point ``i`` is sample ``i``.

    Args:
        circuit: ``circuit_`` of a fitted model.
        features: shape ``(samples, n_features)``, radians in [-pi/2, pi/2].
        experiment: what the batch belongs to.
        backend: where it shall run.
        shots: per sample and repetition.
        seeds: shape ``(samples, repetitions)``, see :func:`sampling_seeds`.

    Raises:
        UnusableInput: features are not angles, or not as many as the circuit takes.
    """
    features = _check_features(circuit.shape, features)
    return CircuitBatch(
        experiment=experiment,
        backend=backend,
        template=circuit_template(circuit.shape),
        bindings=make_bindings(circuit.shape, features, circuit.weights),
        shots=shots,
        seeds=seeds,
    )


def gradient_batch(
    circuit: TrainedCircuit, features: F64, *, experiment: str, backend: str, shots: int, seeds: U64
) -> CircuitBatch:
    """Return the batch that measures loss and gradient at the circuit's weights.

    Sample after sample: as it is, then per weight, in the order of `TrainedCircuit.parameters`, turned forward and back.
    Arguments and errors are those of :func:`inference_batch`, with seeds of shape ``(circuits_per_sample * samples, ...)``.
    """
    shifts = parameter_shifts(circuit.shape)
    one_each = with_a_weight_for_each_rotation(circuit)
    return shifted_batch(one_each, features, shifts, experiment=experiment, backend=backend, shots=shots, seeds=seeds)


def with_a_weight_for_each_rotation(circuit: TrainedCircuit) -> TrainedCircuit:
    """Return the same circuit with a weight for each rotation that hangs on weights, which is what the rule turns.

    The built-in circuits have that already; in a circuit from a file a weight may turn several gates.
    """
    shape = circuit.shape
    if not isinstance(shape, OwnCircuitShape):
        return circuit
    return replace(circuit, shape=shape.unrolled(), weights=shape.rotation_angles(circuit.weights))


def parameter_shifts(shape: AnyCircuitShape) -> F64:
    """Return how far each circuit of a sample has its rotations turned, shape ``(circuits_per_sample, rotations)``, radians.

    A rotation is one that hangs on weights; the built-in circuits have one for each weight.
    """
    rotations = _rotations(shape)
    shifts = np.zeros((circuits_per_sample(shape), rotations))
    weight = np.arange(rotations)
    shifts[1 + 2 * weight, weight], shifts[2 + 2 * weight, weight] = PARAMETER_SHIFT, -PARAMETER_SHIFT
    return shifts


def shifted_batch(
    circuit: TrainedCircuit, features: F64, shifts: F64, *, experiment: str, backend: str, shots: int, seeds: U64
) -> CircuitBatch:
    """Return the batch that measures every sample once for each row of ``shifts``, its weights turned by that.

    Sample after sample, rows of ``shifts`` in their order; shape ``(circuits, n_weights)``, radians. Other arguments and
    errors are those of :func:`inference_batch`, with seeds of shape ``(circuits * samples, ...)``.
    """
    shape = circuit.shape
    features = _check_features(shape, features)
    shifted_weights = (circuit.weights.ravel() + shifts).reshape(len(shifts), *shape.weights_shape)
    weights = np.tile(shifted_weights, (len(features), *(1 for _ in shape.weights_shape)))
    return CircuitBatch(
        experiment=experiment,
        backend=backend,
        template=circuit_template(shape),
        bindings=make_bindings(shape, np.repeat(features, len(shifted_weights), axis=0), weights),
        shots=shots,
        seeds=seeds,
    )


def circuits_per_sample(shape: AnyCircuitShape) -> int:
    """Return how many circuits a gradient takes for each sample."""
    return 2 * _rotations(shape) + 1


def _rotations(shape: AnyCircuitShape) -> int:
    return len(shape.turned) if isinstance(shape, OwnCircuitShape) else shape.n_weights


def epoch_size(shape: AnyCircuitShape, *, samples: int, batch_size: int, shots: int) -> EpochSize:
    """Return what one pass over the samples is on a backend; multiply its parts by the backend's prices."""
    circuits = samples * circuits_per_sample(shape)
    return EpochSize(submissions=-(-samples // batch_size), circuits=circuits, shots=circuits * shots)


def expectations_from_counts(counts: pa.Table, batch: CircuitBatch) -> F64:
    """Return the measured <Z> of every qubit, shape ``(points, repetitions, n_qubits)``.

    Args:
        counts: columns ``point, repetition, bits, count``, as providers decode them.
        batch: what was run.

    Raises:
        CorruptResult: a point of the batch has no counts.
    """
    run, bits, count, totals = counts_by_run(counts, batch)
    ones = unpack(bits, batch.template.n_qubits)
    counted = [np.bincount(run, weights=count * column, minlength=len(totals)) for column in ones.T]
    shares = np.stack(counted, axis=1) / totals[:, None]
    return (1 - 2 * shares).reshape(batch.points, batch.repetitions, batch.template.n_qubits)


def counts_by_run(counts: pa.Table, batch: CircuitBatch) -> tuple[I64, U64, I64, F64]:
    """Return of every row its run (point and repetition in one index), outcome and count, and the shots of every run.

    Raises:
        CorruptResult: a run of the batch has no counts.
    """
    point, repetition, bits, count = (
        counts.column(name).to_numpy() for name in ("point", "repetition", "bits", "count")
    )
    run = point.astype(np.int64) * batch.repetitions + repetition
    runs = batch.points * batch.repetitions
    totals = np.bincount(run, weights=count, minlength=runs)
    if not totals.all():
        raise CorruptResult(f"{int((totals == 0).sum())} of {runs} circuits have no counts")
    return run, bits, count, totals.astype(np.float64)


def gradient_from_counts(
    counts: pa.Table, batch: CircuitBatch, circuit: TrainedCircuit, targets: I64
) -> tuple[float, F64]:
    """Return loss and gradient of a gradient batch, in the order of `TrainedCircuit.parameters`.

    Args:
        counts: see :func:`expectations_from_counts`.
        batch: what :func:`gradient_batch` gave.
        circuit: the circuit it was made for.
        targets: shape ``(samples,)``, class indices.
    """
    return gradient_from_expectations(expectations_from_counts(counts, batch).mean(axis=1), circuit, targets)


def gradient_from_expectations(expectations: F64, circuit: TrainedCircuit, targets: I64) -> tuple[float, F64]:
    """Return loss and gradient, given <Z> of every point of a gradient batch, shape ``(points, n_qubits)``."""
    measured = expectations.reshape(len(targets), -1, circuit.shape.n_qubits)
    loss, readout_gradient, expectation_gradient = backpropagate_readout(circuit, measured[:, 0], targets)
    slopes = (measured[:, 1::2] - measured[:, 2::2]) / 2
    gradient = np.einsum("sq,swq->w", expectation_gradient, slopes)
    if isinstance(circuit.shape, OwnCircuitShape):
        gradient = gradient @ circuit.shape.weight_matrix()
    return loss, np.concatenate([gradient, readout_gradient])


def _check_features(shape: AnyCircuitShape, features: F64) -> F64:
    check_columns(features, shape.n_features)
    check_angles(features)
    return features
