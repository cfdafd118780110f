"""From expectations to scores, probabilities and the loss; written for NumPy and for what differentiates like it.

``score = readout @ <Z> + bias``. Two classes share one score, the log-odds of the second class; more classes have
one score each. The loss is the mean cross-entropy in nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.learning.circuits.own_circuit import AnyCircuitShape

I64 = npt.NDArray[np.int64]


def output_count(n_classes: int) -> int:
    """Return how many scores a sample has."""
    return 1 if n_classes == 2 else n_classes


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedCircuit:
    """Circuit, weights and readout: all that a prediction needs.

    Attributes:
        weights: shape ``shape.weights_shape``, radians.
        readout: shape ``(outputs, n_qubits)``.
        bias: shape ``(outputs,)``.
    """

    shape: AnyCircuitShape
    weights: F64
    readout: F64
    bias: F64

    @property
    def parameters(self) -> F64:
        """All trainable numbers in one row: weights, readout, bias."""
        return np.concatenate([self.weights.ravel(), self.readout.ravel(), self.bias])

    def scores(self, expectations: F64) -> F64:
        """Return the ``(samples, outputs)`` scores of ``(samples, n_qubits)`` expectations of Z."""
        return expectations @ self.readout.T + self.bias


def squeeze_binary_scores(scores: F64) -> F64:
    """Return scores as scikit-learn wants them: shape ``(samples,)`` for two classes, unchanged for more."""
    return scores[:, 0] if scores.shape[1] == 1 else scores


def split_parameters(parameters: Any, shape: AnyCircuitShape) -> tuple[Any, Any, Any]:
    """Return weights, readout and bias of a row of parameters, in their shapes."""
    outputs = (len(parameters) - shape.n_weights) // (shape.n_qubits + 1)
    end = shape.n_weights + outputs * shape.n_qubits
    return (
        parameters[: shape.n_weights].reshape(shape.weights_shape),
        parameters[shape.n_weights : end].reshape(outputs, shape.n_qubits),
        parameters[end:],
    )


def circuit_from_parameters(parameters: F64, shape: AnyCircuitShape) -> TrainedCircuit:
    """Return the circuit of a row of parameters."""
    weights, readout, bias = split_parameters(parameters.copy(), shape)
    return TrainedCircuit(shape=shape, weights=weights, readout=readout, bias=bias)


def mean_loss(scores: Any, targets: I64, xp: Any = np) -> Any:
    """Return the mean cross-entropy of ``(samples, outputs)`` scores against class indices.

    Args:
        scores: see the module.
        targets: shape ``(samples,)``, class index.
        xp: NumPy, or the NumPy of the library that differentiates.
    """
    if scores.shape[1] == 1:
        odds = scores[:, 0]
        return xp.mean(xp.logaddexp(0.0, odds) - targets * odds)
    top = xp.max(scores, axis=1, keepdims=True)
    total = xp.log(xp.sum(xp.exp(scores - top), axis=1)) + top[:, 0]
    return xp.mean(total - scores[xp.arange(len(targets)), targets])


def probabilities(scores: F64) -> F64:
    """Return the ``(samples, classes)`` probabilities of ``(samples, outputs)`` scores."""
    if scores.shape[1] == 1:
        second = np.exp(-np.logaddexp(0.0, -scores[:, 0]))
        return np.stack([1 - second, second], axis=1)
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)


def score_gradient(scores: F64, targets: I64) -> F64:
    """Return the gradient of the mean loss with respect to the scores, shape ``(samples, outputs)``."""
    if scores.shape[1] == 1:
        wrong = probabilities(scores)[:, 1:] - targets[:, None]
    else:
        wrong = probabilities(scores)
        wrong[np.arange(len(targets)), targets] -= 1
    return np.asarray(wrong / len(targets), dtype=np.float64)


def backpropagate_readout(circuit: TrainedCircuit, expectations: F64, targets: I64) -> tuple[float, F64, F64]:
    """Return loss, gradient for readout and bias in one row, and gradient for the expectations.

    The last has the shape of ``expectations``, ``(samples, n_qubits)``; whoever knows the circuit carries it on to the
    weights.
    """
    scores = circuit.scores(expectations)
    wrong = score_gradient(scores, targets)
    readout_gradient = np.concatenate([(wrong.T @ expectations).ravel(), wrong.sum(axis=0)])
    return float(mean_loss(scores, targets)), readout_gradient, wrong @ circuit.readout
