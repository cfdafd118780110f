"""A circuit as researchers have it, a PennyLane QNode or a function of several arguments, as a Qiskit circuit with named inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.text.spelling import closest_match
from qhybrid_pipelines.quantum.pennylane_recorder import inputs, queued_gates, written_gates

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


@dataclass(frozen=True, slots=True)
class RecordedCircuit:
    """A circuit that a function made.

    Attributes:
        circuit: with an input per angle; every qubit is measured.
        wires: what the function calls each qubit, in their order; None where it made a Qiskit circuit.
    """

    circuit: QuantumCircuit
    wires: tuple[Hashable, ...] | None


def circuit_from_function(
    function: Callable[..., Any],
    *,
    angles: Mapping[str, int] | None = None,
    nodes: Sequence[Hashable] | None = None,
) -> RecordedCircuit:
    """Return what a function or QNode does, recorded once with symbols for numbers.

    An argument is one angle in radians, and becomes the input of that name; an argument that ``angles`` gives a size is an
    array, and becomes the inputs ``NAME_0``, ``NAME_1``, ...; one that has a default keeps it. Inputs are swept in the order of their
    names.

    Args:
        function: queues PennyLane's gates, or returns a Qiskit circuit. What a QNode measures does not count: every qubit is
            measured at the end.
        angles: how many numbers an argument holds, by its name.
        nodes: of the graph that it is for, in the order of the qubits. Where the wires have names of nodes, each is its node's
            qubit; else wire i is the i-th. Without them, qubits are the wires of the QNode's device, else those that are
            used, which must be 0, 1, ... then.

    Raises:
        InvalidInput: an argument has no size, ``angles`` names an unknown one, or the circuit cannot be recorded.
    """
    from qiskit import QuantumCircuit

    plain = getattr(function, "func", function) if is_qnode(function) else function
    given = _arguments(plain, angles or {})
    try:
        gates, returned = queued_gates(lambda: plain(**given))
    except InvalidInput as error:
        if _treats_an_angle_as_an_array(error):
            raise InvalidInput(
                error.problem,
                remedy="Say how many angles an argument holds that is an array, for example angles={'gammas': 2}.",
                field="angles",
            ) from None
        raise
    if isinstance(returned, QuantumCircuit):
        return RecordedCircuit(returned, None)
    if not gates:
        raise InvalidInput(
            f"the function {plain.__name__!r} queues no gate and returns no circuit",
            remedy="Call PennyLane's gates in it, or return a Qiskit circuit.",
            field="circuit",
        )
    wires = _wires(function, gates, nodes)
    return RecordedCircuit(written_gates(gates, wires=wires), tuple(wires))


def is_qnode(value: Any) -> bool:
    """Tell whether a value is a PennyLane QNode, without importing PennyLane for it."""
    return any(kind.__name__ == "QNode" and kind.__module__.startswith("pennylane") for kind in type(value).__mro__)


def _arguments(function: Callable[..., Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    from qiskit.circuit import Parameter

    given: dict[str, Any] = {}
    parameters = inspect.signature(function).parameters
    unknown = [name for name in sizes if name not in parameters]
    if unknown:
        raise InvalidInput(
            f"the circuit function has no argument {unknown[0]!r}",
            remedy=" ".join(
                filter(
                    None, [closest_match(unknown[0], list(parameters)), f"It has {', '.join(parameters) or 'none'}."]
                )
            ),
            field="angles",
        )
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise InvalidInput(
                f"the circuit function takes {parameter}, which has no fixed angles",
                remedy="Give every angle, or every array of angles, an argument with a name.",
                field="circuit",
            )
        if name in sizes:
            if type(sizes[name]) is not int or sizes[name] < 1:
                raise InvalidInput(
                    f"the argument {name!r} cannot hold {sizes[name]!r} angles",
                    remedy="Give a number from 1.",
                    field="angles",
                )
            given[name] = inputs(name, sizes[name])
        elif parameter.default is parameter.empty:
            given[name] = Parameter(name)
    return given


def _treats_an_angle_as_an_array(error: InvalidInput) -> bool:
    return any(word in error.problem for word in ("subscriptable", "iterable", "has no len", "out of bounds"))


def _wires(function: Any, gates: Sequence[Any], nodes: Sequence[Hashable] | None) -> Sequence[Hashable]:
    used = {wire for gate in gates for wire in gate.wires.tolist()}
    if nodes is not None:
        return list(nodes) if used <= set(nodes) else range(len(nodes))
    of_device = getattr(getattr(function, "device", None), "wires", None)
    if of_device:
        return list(of_device.tolist())
    if not all(type(wire) is int and wire >= 0 for wire in used):
        raise InvalidInput(
            f"it is not said in which order the wires {', '.join(sorted(map(str, used)))} are qubits",
            remedy="Give the problem as a graph whose nodes have these names, or number the wires from 0.",
            field="circuit",
        )
    return range(max(used) + 1)
