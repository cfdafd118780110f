"""Training on a backend: loss and gradient from measured counts, one batch of circuits per iteration.

The sampling seeds follow from what is measured, so an iteration that is repeated after a crash asks for the very same batch:
whoever keeps results by `CircuitBatch.payload_sha256` does not pay for it again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.learning.circuits.class_scores import I64, circuit_from_parameters
from qhybrid_pipelines.learning.circuits.own_circuit import AnyCircuitShape
from qhybrid_pipelines.learning.measurement.circuit_batches import (
    circuits_per_sample,
    gradient_batch,
    gradient_from_counts,
    sampling_seeds,
)

#: Runs a batch and returns its counts; columns as in `batches.expectations_from_counts`.
RunBatch = Callable[[CircuitBatch], pa.Table]


class ParameterShiftEngine:
    """Loss and gradient of one circuit shape by the parameter-shift rule, for `Trainer`."""

    def __init__(
        self, shape: AnyCircuitShape, run: RunBatch, *, experiment: str, backend: str, shots: int, seed: int
    ) -> None:
        """Keep how circuits are run.

        Args:
            shape: the circuit.
            run: submits a batch and waits for its counts.
            experiment: what the batches belong to.
            backend: where they run.
            shots: per circuit.
            seed: root of the sampling seeds.
        """
        self.shape, self._run = shape, run
        self._experiment, self._backend, self._shots, self._seed = experiment, backend, shots, seed
        self.name = f"parameter shift, {backend}, {shots} shots, seed {seed}"

    def loss_and_gradient(self, parameters: F64, features: F64, targets: I64) -> tuple[float, F64]:
        """Return the measured loss and its gradient, in the order of ``parameters``.

        Raises:
            Exception: what ``run`` raised.
        """
        batch = self.batch(parameters, features)
        return gradient_from_counts(self._run(batch), batch, circuit_from_parameters(parameters, self.shape), targets)

    def batch(self, parameters: F64, features: F64) -> CircuitBatch:
        """Return the batch that an iteration with these parameters and samples submits."""
        stream = sha256_hex(np.asarray(parameters, "<f8").tobytes() + np.ascontiguousarray(features, "<f8").tobytes())
        points = len(features) * circuits_per_sample(self.shape)
        return gradient_batch(
            circuit_from_parameters(parameters, self.shape),
            features,
            experiment=self._experiment,
            backend=self._backend,
            shots=self._shots,
            seeds=sampling_seeds(self._seed, "gradient", stream, points=points),
        )
