"""The quantum kernel on a backend: overlaps of samples with the support vectors as one circuit batch.

A circuit embeds one sample and then takes another one's embedding back; the share of outcomes that are all zeros is the
overlap (V. Havlíček et al., Nature 567, 209 (2019)). A prediction needs the support vectors only, so ``samples * support``
circuits; measuring the whole kernel of the fitted samples would take ``fitted * (fitted - 1) / 2``.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.bits import U64
from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.jobs import CircuitBatch, Template
from qhybrid_pipelines.learning.circuits.circuit_templates import template_from_gates
from qhybrid_pipelines.learning.circuits.input_checks import check_angles, check_columns
from qhybrid_pipelines.learning.circuits.kernel_feature_map import apply_embedding, embedding_angles
from qhybrid_pipelines.learning.measurement.circuit_batches import counts_by_run
from qhybrid_pipelines.learning.models.quantum_kernel import QuantumKernelClassifier


@cache
def overlap_template(n_features: int, layers: int) -> Template:
    """Return the circuit of an overlap: ``a_i`` are the angles of one sample, ``b_i`` those of the other one, negated."""
    import pennylane as qml
    from qiskit.circuit import Parameter

    count = n_features * (n_features + 1) // 2
    record = qml.tape.make_qscript(apply_embedding)
    there, back = (
        record(
            np.array([Parameter(f"{letter}_{place}") for place in range(count)], dtype=object),
            n_qubits=n_features,
            layers=layers,
        ).operations
        for letter in "ab"
    )
    # Hadamard is its own inverse, and the other gates are turned back by their negated angle.
    return template_from_gates([*there, *reversed(back)], n_features)


def overlap_batch(
    model: QuantumKernelClassifier, features: F64, *, experiment: str, backend: str, shots: int, seeds: U64
) -> CircuitBatch:
    """Return the batch that measures what a prediction needs: sample after sample, each with every support vector.

    Args:
        model: fitted.
        features: shape ``(samples, n_features)``, radians in [-pi/2, pi/2].
        experiment: what the batch belongs to.
        backend: where it shall run.
        shots: per overlap and repetition.
        seeds: shape ``(samples * support vectors, repetitions)``, see `batches.sampling_seeds`.

    Raises:
        UnusableInput: features are not angles, or not as many as the model was fitted on.
    """
    check_columns(features, model.samples_.shape[1])
    check_angles(features)
    support = model.samples_[model.svc_.support_]
    one, other = (embedding_angles(samples, bandwidth=model.bandwidth) for samples in (features, support))
    template = overlap_template(features.shape[1], model.layers)
    pairs = np.concatenate([np.repeat(one, len(other), axis=0), -np.tile(other, (len(one), 1))], axis=1)
    names = [f"{letter}_{place}" for letter in "ab" for place in range(one.shape[1])]
    column = {name: index for index, name in enumerate(names)}
    return CircuitBatch(
        experiment=experiment,
        backend=backend,
        template=template,
        bindings=pairs[:, [column[name] for name in template.parameters]],
        shots=shots,
        seeds=seeds,
    )


def kernel_from_counts(counts: pa.Table, batch: CircuitBatch, model: QuantumKernelClassifier) -> F64:
    """Return the measured kernel, shape ``(samples, fitted samples)``, for ``model.svc_``.

    All repetitions are pooled; columns of samples that are not support vectors are 0, the machine does not read them.

    Raises:
        CorruptResult: a circuit of the batch has no counts.
    """
    run, bits, count, totals = counts_by_run(counts, batch)
    zeros = np.bincount(run[bits == 0], weights=count[bits == 0], minlength=len(totals))
    overlaps = (zeros / totals).reshape(batch.points, batch.repetitions).mean(axis=1)
    support = model.svc_.support_
    kernel = np.zeros((batch.points // len(support), len(model.samples_)))
    kernel[:, support] = overlaps.reshape(-1, len(support))
    return kernel
