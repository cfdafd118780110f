"""One step of training with shots: what the trainings of all folds ask for next, as one batch, and what its counts say.

Their circuits share a template and differ in its inputs. ``adam`` has gradients by parameter shift (see `circuit_batches`).
``spsa`` turns all weights of a sample at once, forward and back along a random direction, and takes the slope along it for
the gradient: two circuits for each sample, however many weights there are (J. C. Spall, IEEE Trans. Aerosp. Electron. Syst.
34, 817 (1998)). Both take Adam's steps, which suits gradients of SPSA (M. Wiedmann et al., arXiv:2305.00224). The readout
is classical, and its gradient follows from the same expectations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specifications.training_specification import OptimiserName
from qhybrid_pipelines.learning.circuits.class_scores import (
    I64,
    TrainedCircuit,
    circuit_from_parameters,
)
from qhybrid_pipelines.learning.circuits.own_circuit import AnyCircuitShape
from qhybrid_pipelines.learning.circuits.spsa_engine import SPSA_DISTANCE, spsa_gradient
from qhybrid_pipelines.learning.measurement.circuit_batches import (
    circuits_per_sample,
    gradient_from_expectations,
    parameter_shifts,
    shifted_batch,
    with_a_weight_for_each_rotation,
)
from qhybrid_pipelines.learning.training.trainer import Trainer

#: Parameters are measured with so many decimals: a sum that another processor rounds differently in its last bit then asks for
#: the same circuits, which may have been paid for.
DECIMALS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldStep:
    """What one training asks for next.

    Attributes:
        optimiser: how its gradient is found.
        circuit: with the parameters at which it is.
        features: of the samples, shape ``(samples, n_features)``, radians.
        targets: class indices, shape ``(samples,)``.
        shifts: what each circuit of a sample has its weights turned by, shape ``(circuits, n_weights)``, radians; for ``adam`` its
            rotations, see :func:`.circuit_batches.parameter_shifts`.
    """

    optimiser: OptimiserName
    circuit: TrainedCircuit
    features: F64
    targets: I64
    shifts: F64

    @property
    def circuits(self) -> int:
        """Circuits of all its samples."""
        return len(self.features) * len(self.shifts)


def circuits_per_row(shape: AnyCircuitShape, optimiser: OptimiserName) -> int:
    """Return how many circuits a step takes for each of its samples."""
    return circuits_per_sample(shape) if optimiser == "adam" else 2


def plan_step(trainer: Trainer, optimiser: OptimiserName, *, seed: int, labels: Sequence[str | int]) -> FoldStep:
    """Return what a training asks for next; the same whenever it is asked.

    Args:
        trainer: of the fold, running.
        optimiser: how the gradient is found.
        seed: of the experiment.
        labels: name the random direction of this training and iteration.
    """
    features, targets = trainer.mini_batch()
    parameters = np.round(trainer.circuit.parameters, DECIMALS)
    circuit = circuit_from_parameters(parameters, trainer.shape)
    if optimiser == "adam":
        shifts = parameter_shifts(trainer.shape)
    else:
        signs = 2.0 * generator(seed, "learning", "spsa", *labels).integers(0, 2, trainer.shape.n_weights) - 1
        shifts = SPSA_DISTANCE * np.stack([signs, -signs])
    return FoldStep(optimiser=optimiser, circuit=circuit, features=features, targets=targets, shifts=shifts)


def step_batch(steps: Sequence[FoldStep], *, experiment: str, backend: str, shots: int, seeds: U64) -> CircuitBatch:
    """Return the circuits of all trainings of one model as one batch, training after training.

    Args:
        steps: of one circuit shape, at least one.
        experiment: what the batch belongs to.
        backend: where it shall run.
        shots: per circuit.
        seeds: shape ``(sum of circuits, 1)``.

    Raises:
        UnusableInput: features are not angles, or not as many as the circuit takes.
    """
    ends = np.cumsum([step.circuits for step in steps])
    pieces = [
        shifted_batch(
            with_a_weight_for_each_rotation(step.circuit) if step.optimiser == "adam" else step.circuit,
            step.features,
            step.shifts,
            experiment=experiment,
            backend=backend,
            shots=shots,
            seeds=part,
        )
        for step, part in zip(steps, np.split(seeds, ends[:-1]), strict=True)
    ]
    return replace(pieces[0], bindings=np.concatenate([piece.bindings for piece in pieces]), seeds=seeds)


def step_gradients(expectations: F64, steps: Sequence[FoldStep]) -> list[tuple[float, F64]]:
    """Return loss and gradient of every training, in the order of `TrainedCircuit.parameters`.

    Args:
        expectations: <Z> of every point of the batch, shape ``(points, n_qubits)``.
        steps: those that :func:`step_batch` was given.
    """
    parts = np.split(expectations, np.cumsum([step.circuits for step in steps])[:-1])
    return [
        gradient_from_expectations(part, step.circuit, step.targets)
        if step.optimiser == "adam"
        else _spsa_gradient(part, step)
        for part, step in zip(parts, steps, strict=True)
    ]


def _spsa_gradient(expectations: F64, step: FoldStep) -> tuple[float, F64]:
    """Return the mean loss of both sides, and the slope along the direction; the readout's gradient is the mean of both."""
    sides = expectations.reshape(len(step.targets), 2, -1)
    return spsa_gradient(step.circuit, sides[:, 0], sides[:, 1], step.targets, step.shifts[0])
