"""A quantum kernel on a backend: a circuit for each pair of samples, and what their counts say.

Of the samples of a fit only the pairs above the diagonal are measured: the matrix is symmetric, and 1 on its diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.specifications.features_specification import EncodingName
from qhybrid_pipelines.learning.circuits.kernel_overlap import overlap_angles, overlap_template
from qhybrid_pipelines.learning.measurement.circuit_batches import counts_by_run
from qhybrid_pipelines.learning.measurement.training_steps import DECIMALS


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSize:
    """How many samples there are.

    Attributes:
        samples: of the fit.
        queries: that are compared with each of them.
    """

    samples: int
    queries: int

    @property
    def pairs(self) -> int:
        """Pairs among the samples of the fit."""
        return self.samples * (self.samples - 1) // 2

    @property
    def circuits(self) -> int:
        """Circuits of both matrices."""
        return self.pairs + self.queries * self.samples

    def matrices(self, entries: F64, *, diagonal: float = 1.0) -> tuple[F64, F64]:
        """Return what is known of each pair as matrices, shapes ``(samples, samples)`` and ``(queries, samples)``.

        Args:
            entries: in the order of the circuits, shape ``(circuits,)``.
            diagonal: of the first matrix.
        """
        fitted = np.full((self.samples, self.samples), diagonal)
        one, other = np.triu_indices(self.samples, 1)
        fitted[one, other] = fitted[other, one] = entries[: self.pairs]
        return fitted, entries[self.pairs :].reshape(self.queries, self.samples)


def kernel_batch(
    samples: F64,
    queries: F64,
    *,
    encoding: EncodingName,
    layers: int,
    bandwidth: float,
    experiment: str,
    backend: str,
    shots: int,
    seeds: U64,
) -> CircuitBatch:
    """Return the batch of one kernel: the pairs above the diagonal row by row, then each query with each sample.

    Args:
        samples: of the fit, shape ``(samples, n_features)``, radians.
        queries: to be compared with them, shape ``(queries, n_features)``.
        encoding: of the feature map, and so are the two that follow.
        layers: repetitions.
        bandwidth: factor of every feature.
        experiment: what the batch belongs to.
        backend: where it shall run.
        shots: per circuit.
        seeds: shape ``(circuits, 1)``.
    """
    one, other = np.triu_indices(len(samples), 1)
    angles = overlap_angles(
        np.concatenate([samples[one], np.repeat(queries, len(samples), axis=0)]),
        np.concatenate([samples[other], np.tile(samples, (len(queries), 1))]),
        encoding=encoding,
        layers=layers,
        bandwidth=bandwidth,
    )
    return CircuitBatch(
        experiment=experiment,
        backend=backend,
        template=overlap_template(samples.shape[1], encoding=encoding, layers=layers),
        # + 0.0: zero has one sign.
        bindings=np.round(angles, DECIMALS) + 0.0,
        shots=shots,
        seeds=seeds,
    )


def entries_from_counts(counts: pa.Table, batch: CircuitBatch) -> F64:
    """Return the share of shots of each circuit that came back to all zeros, shape ``(circuits,)``.

    Raises:
        CorruptResult: a circuit has no counts.
    """
    run, bits, count, totals = counts_by_run(counts, batch)
    return np.asarray(np.bincount(run, weights=count * (bits == 0), minlength=len(totals)) / totals)


def standard_errors(entries: F64, shots: int) -> F64:
    """Return the standard error of measured entries: the deviation of the beta distribution that a share of so many shots leaves.

    With ``k`` of ``n`` shots and a uniform prior that is Beta(k + 1, n - k + 1). Unlike that of the share itself it is never 0: no shot at zero
    does not prove that none ever would be.
    """
    mean = (entries * shots + 1) / (shots + 2)
    return np.sqrt(mean * (1 - mean) / (shots + 3))
