"""What a gradient engine offers, and which ones compute exactly; those give the same numbers up to rounding.

The one that measures on a backend is `measured`.
"""

from __future__ import annotations

from typing import Literal, Protocol

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.learning.circuits.adjoint_engine import AdjointEngine
from qhybrid_pipelines.learning.circuits.class_scores import I64
from qhybrid_pipelines.learning.circuits.own_circuit import AnyCircuitShape, OwnCircuitShape
from qhybrid_pipelines.learning.circuits.own_circuit_engine import OwnCircuitEngine
from qhybrid_pipelines.learning.circuits.pennylane_engine import BackpropEngine, require_jax
from qhybrid_pipelines.learning.circuits.spsa_engine import SpsaEngine

#: ``adjoint`` and ``spsa`` are NumPy, the latter with slopes along random directions; ``autograd`` and ``jax`` are PennyLane's backpropagation.
GradientEngineName = Literal["adjoint", "spsa", "autograd", "jax"]


class GradientEngine(Protocol):
    """Loss and gradient of one circuit shape.

    Attributes:
        name: tells engines apart whose numbers differ, if only in the last bits; a checkpoint can be resumed only by the
            engine that wrote it.
    """

    name: str

    def loss_and_gradient(self, parameters: F64, features: F64, targets: I64) -> tuple[float, F64]:
        """Return the mean loss and its gradient, in the order of ``parameters``."""


def exact_engine(shape: AnyCircuitShape) -> AdjointEngine | OwnCircuitEngine:
    """Return the engine that predicts, and trains where nothing else is asked for."""
    return OwnCircuitEngine(shape) if isinstance(shape, OwnCircuitShape) else AdjointEngine(shape)


def make_gradient_engine(name: GradientEngineName, shape: AnyCircuitShape) -> GradientEngine:
    """Return the engine of this name for a circuit.

    Raises:
        InvalidInput: the engine is unknown or cannot train this circuit, or jax is not installed.
    """
    match name:
        case "adjoint":
            return exact_engine(shape)
        case "spsa":
            return SpsaEngine(exact_engine(shape))
        case "autograd" | "jax" if isinstance(shape, OwnCircuitShape):
            raise InvalidInput(
                f"the engine {name!r} trains the re-uploading circuit only, with the encoding angle",
                remedy="Choose adjoint or spsa.",
                field="engine",
            )
        case "autograd":
            return BackpropEngine(shape, "autograd")
        case "jax":
            require_jax()
            return BackpropEngine(shape, "jax")
    raise InvalidInput(f"there is no engine {name!r}", remedy="Choose adjoint, spsa, autograd or jax.", field="engine")
