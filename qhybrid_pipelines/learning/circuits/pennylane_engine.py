"""The same training through PennyLane itself: ``default.qubit``, all samples in one call, backpropagation.

With autograd it needs nothing beyond the base install; with jax (extra ``jax``) it is compiled on first use, which takes
seconds to half a minute, and is then faster by an order of magnitude.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from importlib import import_module
from typing import Any, Literal

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.learning.circuits.class_scores import I64, mean_loss, split_parameters
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape, apply_layers


class BackpropEngine:
    """Loss and gradient of one circuit shape, as PennyLane computes them."""

    def __init__(self, shape: CircuitShape, interface: Literal["autograd", "jax"]) -> None:
        self.shape = shape
        self.name: str = interface

    def loss_and_gradient(self, parameters: F64, features: F64, targets: I64) -> tuple[float, F64]:
        """Return the mean loss and its gradient, in the order of ``parameters``."""
        with self._double_precision():
            loss, gradient = self._loss_and_gradient(parameters, features, targets)
            return float(loss), np.array(gradient, dtype=np.float64)

    @cached_property
    def _circuit(self) -> Callable[[Any, Any], Any]:
        import pennylane as qml

        device = qml.device("default.qubit", wires=self.shape.n_qubits)

        @qml.qnode(device, interface=self.name, diff_method="backprop")  # type: ignore[untyped-decorator]
        def circuit(features: Any, weights: Any) -> Any:
            apply_layers(features, weights, self.shape)
            return [qml.expval(qml.Z(qubit)) for qubit in range(self.shape.n_qubits)]

        return circuit  # type: ignore[no-any-return]

    @cached_property
    def _loss_and_gradient(self) -> Callable[[F64, F64, I64], tuple[Any, Any]]:
        xp = import_module(f"{self.name}.numpy")

        def loss(parameters: Any, features: F64, targets: I64) -> Any:
            weights, readout, bias = split_parameters(parameters, self.shape)
            expectations = xp.stack(list(self._circuit(features, weights)), axis=1)
            return mean_loss(expectations @ readout.T + bias, targets, xp)

        library = import_module(self.name)
        loss_and_gradient_function: Callable[[F64, F64, I64], tuple[Any, Any]] = library.value_and_grad(loss)
        return library.jit(loss_and_gradient_function) if self.name == "jax" else loss_and_gradient_function

    def _double_precision(self) -> Any:
        """Return the context in which the engine counts in double precision, without changing it for others."""
        if self.name != "jax":
            return nullcontext()
        return import_module("jax").enable_x64(True)


def require_jax() -> None:
    """Check that jax can be used.

    Raises:
        InvalidInput: it is not installed.
    """
    from importlib.util import find_spec

    if find_spec("jax") is None:
        raise InvalidInput(
            "the engine jax needs the package jax, which is not installed",
            remedy="Install the extra: pip install 'qhybrid-pipelines[jax]', or choose the engine adjoint.",
            field="engine",
        )
