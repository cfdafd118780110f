"""Gradients along random directions from exact expectations: what training with two circuits for each row comes to without noise.

All weights are turned at once, forward and back along a direction of signs, and the slope along it is taken for the gradient (J. C. Spall,
IEEE Trans. Aerosp. Electron. Syst. 34, 817 (1998)). The readout is classical, and its gradient the mean of both sides.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.learning.circuits.adjoint_engine import AdjointEngine
from qhybrid_pipelines.learning.circuits.class_scores import (
    I64,
    TrainedCircuit,
    backpropagate_readout,
    circuit_from_parameters,
)
from qhybrid_pipelines.learning.circuits.own_circuit_engine import OwnCircuitEngine

#: How far SPSA turns every weight, radians: far enough to stand out of the noise of a few hundred shots.
SPSA_DISTANCE = 0.2
#: Parameters are told apart by so many decimals, so that a last bit does not draw another direction.
DECIMALS = 10


class SpsaEngine:
    """Loss and slopes along random directions of one circuit; the direction follows from parameters and samples."""

    def __init__(self, engine: AdjointEngine | OwnCircuitEngine) -> None:
        """Keep the engine that computes expectations."""
        self._engine, self.name = engine, "spsa"

    def loss_and_gradient(self, parameters: F64, features: F64, targets: I64) -> tuple[float, F64]:
        """Return the mean loss of both sides and the gradient, in the order of ``parameters``."""
        circuit = circuit_from_parameters(parameters, self._engine.shape)
        stream = sha256_hex(
            np.round(parameters, DECIMALS).astype("<f8").tobytes() + np.round(features, DECIMALS).tobytes()
        )
        signs = 2.0 * generator(0, "learning", "spsa", stream).integers(0, 2, circuit.shape.n_weights) - 1
        shift = np.asarray(SPSA_DISTANCE * signs, dtype=np.float64)
        ahead, behind = (
            self._engine.expectations(features, circuit.weights + side * shift.reshape(circuit.weights.shape))
            for side in (1, -1)
        )
        return spsa_gradient(circuit, ahead, behind, targets, shift)


def spsa_gradient(circuit: TrainedCircuit, ahead: F64, behind: F64, targets: I64, shift: F64) -> tuple[float, F64]:
    """Return the mean loss of both sides, and the slope along the direction with the mean gradient of the readout.

    Args:
        circuit: at the point between both sides.
        ahead: <Z> with the weights turned by ``shift``, shape ``(samples, n_qubits)``.
        behind: the same turned back.
        targets: class indices, shape ``(samples,)``.
        shift: of every weight, radians, shape ``(n_weights,)``.
    """
    (loss_ahead, readout_ahead, _), (loss_behind, readout_behind, _) = (
        backpropagate_readout(circuit, side, targets) for side in (ahead, behind)
    )
    slopes = (loss_ahead - loss_behind) / (2 * shift)
    return (loss_ahead + loss_behind) / 2, np.concatenate([slopes, (readout_ahead + readout_behind) / 2])
