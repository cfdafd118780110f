"""The training loop: Adam on mini-batches, one iteration at a time, to be left and taken up again anywhere.

The caller drives it: every `TrainingStep` is yielded before the next one begins, and `Trainer.state` may be kept after any of them.
The same data, settings and seed give the same parameters bit by bit, in one go or in pieces.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import log

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.learning.circuits.class_scores import I64, TrainedCircuit, circuit_from_parameters, output_count
from qhybrid_pipelines.learning.circuits.gradient_engines import GradientEngine
from qhybrid_pipelines.learning.circuits.own_circuit import AnyCircuitShape
from qhybrid_pipelines.learning.training.stopping_rules import (
    check_better_than_guessing,
    check_divergence,
    has_constant_energy,
    not_converged_error,
)
from qhybrid_pipelines.learning.training.training_state import TrainingOutcome, TrainingState, TrainingStep

#: Adam's decay rates and guard against division by zero (D. Kingma and J. Ba, arXiv:1412.6980, section 2).
ADAM_DECAY_RATES = (0.9, 0.999)
ADAM_EPSILON = 1e-8
#: Weights start uniform in a turn, readout and bias at 1 / n_qubits and 0: no qubit is preferred.
HALF_TURN = np.pi


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How a circuit is trained.

    Attributes:
        learning_rate: Adam's step, radians for weights.
        batch_size: samples per iteration; all of them where there are fewer.
        max_iterations: training ends there at the latest.
        window: iterations over which the loss must be flat, see `stopping`.
        must_converge: whether it is an error to end before the loss is flat.
        seed: decides the first parameters and the samples of every iteration.
    """

    learning_rate: float
    batch_size: int
    max_iterations: int
    window: int
    must_converge: bool
    seed: int


def fingerprint(shape: AnyCircuitShape, config: TrainingConfig, engine: str, features: F64, targets: I64) -> str:
    """Return the SHA-256 of all that decides the parameters."""
    head = canonical_json(
        {"shape": asdict(shape), "config": asdict(config), "engine": engine, "samples": list(features.shape)}
    ).encode()
    numbers = np.ascontiguousarray(features, dtype="<f8").tobytes()
    return sha256_hex(head + numbers + np.ascontiguousarray(targets, dtype="<i8").tobytes())


def initial_parameters(shape: AnyCircuitShape, outputs: int, seed: int) -> F64:
    """Return the parameters before the first iteration, in the order of `TrainedCircuit.parameters`."""
    rng = generator(seed, "learning", "first parameters")
    weights = rng.uniform(-HALF_TURN, HALF_TURN, shape.n_weights)
    return np.concatenate([weights, np.full(outputs * shape.n_qubits, 1 / shape.n_qubits), np.zeros(outputs)])


def mini_batch_rows(iteration: int, *, samples: int, batch_size: int, seed: int) -> I64:
    """Return which samples an iteration takes, counted from 0.

    The samples pass in one random order after the other, and batches are cut from that stream, so all are equally large and
    every sample is seen once before any is seen again.
    """
    size = min(batch_size, samples)
    first, last = iteration * size // samples, (iteration * size + size - 1) // samples
    orders = [generator(seed, "learning", "order", turn).permutation(samples) for turn in range(first, last + 1)]
    begin = iteration * size - first * samples
    return np.concatenate(orders)[begin : begin + size]


class Trainer:
    """One training, from its first iteration or from a checkpoint."""

    def __init__(
        self,
        shape: AnyCircuitShape,
        config: TrainingConfig,
        features: F64,
        targets: I64,
        *,
        n_classes: int,
        engine: GradientEngine,
        checkpoint: bytes | None = None,
    ) -> None:
        """Prepare a training; nothing is computed yet.

        Args:
            shape: the circuit.
            config: how it is trained.
            features: shape ``(samples, n_features)``, radians.
            targets: shape ``(samples,)``, class indices.
            n_classes: number of classes.
            engine: computes or measures the gradients of this circuit.
            checkpoint: bytes of a `TrainingState` to go on from.

        Raises:
            InvalidInput: the checkpoint belongs to another training.
            CorruptFile: the checkpoint cannot be read.
        """
        self.shape, self.config = shape, config
        self._features, self._targets = features, targets
        self._guessing = log(n_classes)
        self._engine = engine
        self.fingerprint = fingerprint(shape, config, engine.name, features, targets)
        self._outcome: TrainingOutcome = "running"
        self._history: list[TrainingStep] = []
        if checkpoint is None:
            self._parameters = initial_parameters(shape, output_count(n_classes), config.seed)
            self._first_moment, self._second_moment = np.zeros_like(self._parameters), np.zeros_like(self._parameters)
        else:
            state = TrainingState.from_bytes(checkpoint, fingerprint=self.fingerprint)
            self._parameters, self._first_moment, self._second_moment = (
                state.parameters,
                state.first_moment,
                state.second_moment,
            )
            self._history, self._outcome = list(state.history), state.outcome
        self._losses = [step.loss for step in self._history]

    @property
    def state(self) -> TrainingState:
        """How far the training is; ``to_bytes()`` of it is a checkpoint."""
        return TrainingState(
            fingerprint=self.fingerprint,
            parameters=self._parameters.copy(),
            first_moment=self._first_moment.copy(),
            second_moment=self._second_moment.copy(),
            history=tuple(self._history),
            outcome=self._outcome,
        )

    @property
    def is_running(self) -> bool:
        """Whether another iteration follows."""
        return self._outcome == "running"

    @property
    def circuit(self) -> TrainedCircuit:
        """The circuit with the parameters so far."""
        return circuit_from_parameters(self._parameters, self.shape)

    def iterations(self) -> Iterator[TrainingStep]:
        """Train, and yield every iteration when it is done; ends when the state's outcome is no longer ``running``.

        Raises:
            Diverged: the loss runs away; see `stopping`.
            NotConverged: the iterations are used up, and ``must_converge`` is set.
        """
        while self.is_running:
            started = time.perf_counter()
            loss, gradient = self._engine.loss_and_gradient(self._parameters, *self.mini_batch())
            yield self.take_step(loss, gradient, seconds=time.perf_counter() - started)
        if self._outcome == "iteration_limit" and self.config.must_converge:
            raise not_converged_error(self._losses, self.config.window, learning_rate=self.config.learning_rate)

    def mini_batch(self) -> tuple[F64, I64]:
        """Return features and targets of the samples that the next iteration takes."""
        config = self.config
        rows = mini_batch_rows(
            len(self._losses), samples=len(self._features), batch_size=config.batch_size, seed=config.seed
        )
        return self._features[rows], self._targets[rows]

    def take_step(self, loss: float, gradient: F64, *, seconds: float) -> TrainingStep:
        """Go on by one iteration, whose loss and gradient are known; return what it did.

        Args:
            loss: of the samples of `mini_batch`, at the parameters so far.
            gradient: of that, in the order of `TrainedCircuit.parameters`.
            seconds: that it took to find them.

        Raises:
            Diverged: the loss runs away; see `stopping`.
        """
        config = self.config
        self._losses.append(loss)
        about = {"learning_rate": config.learning_rate, "guessing": self._guessing}
        check_divergence(self._losses, gradient, **about)
        self._adam_step(gradient)
        if has_constant_energy(self._losses, config.window):
            check_better_than_guessing(self._losses, config.window, **about)
            self._outcome = "converged"
        elif len(self._losses) >= config.max_iterations:
            self._outcome = "iteration_limit"
        step = TrainingStep(
            iteration=len(self._losses),
            loss=loss,
            gradient_norm=float(np.linalg.norm(gradient)),
            seconds=seconds,
        )
        self._history.append(step)
        return step

    def _adam_step(self, gradient: F64) -> None:
        """Take Adam's step number ``len(self._losses)``; the state's arrays are replaced, never changed in place."""
        number, (first_decay, second_decay) = len(self._losses), ADAM_DECAY_RATES
        self._first_moment = first_decay * self._first_moment + (1 - first_decay) * gradient
        self._second_moment = second_decay * self._second_moment + (1 - second_decay) * gradient**2
        mean, square = self._first_moment / (1 - first_decay**number), self._second_moment / (1 - second_decay**number)
        self._parameters = self._parameters - self.config.learning_rate * mean / (np.sqrt(square) + ADAM_EPSILON)
