"""Standard gates under any number of controls, written in gates that Qiskit has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from qhybrid_pipelines.quantum.user_circuits.angles import Value, scale
from qhybrid_pipelines.quantum.user_circuits.gates import PHASES, PI, Step, Unit

#: Standard gates of Qiskit for a unit with one or two controls.
_CONTROLLED = {
    **{(1, name): f"c{name}" for name in ("x", "y", "z", "h", "s", "sdg", "sx", "p", "rx", "ry", "rz", "u", "swap")},
    (2, "x"): "ccx",
    (2, "z"): "ccz",
}


def controlled_steps(unit: Unit, controls: Sequence[int], targets: Sequence[int]) -> Iterator[Step]:
    """Yield the standard gates that are a unit under controls, up to a phase of the whole circuit."""
    name, angles, k = unit.name, unit.angles, len(controls)
    if name == "id" or (name == "gphase" and not k):
        return
    if not k:
        yield Step(name, angles[:3] if name == "u" else angles, tuple(targets))
    elif (k, name) in _CONTROLLED:
        yield Step(_CONTROLLED[k, name], angles, (*controls, *targets))
    else:
        yield from _CONTROL[name](unit, controls, targets)


def _rotation(unit: Unit, controls: Sequence[int], targets: Sequence[int]) -> Iterator[Step]:
    """Yield half the rotation, and the other half between two X: they add up where the controls are 1."""
    half = scale(unit.angles[0], 0.5)
    for angle in (half, scale(half, -1)):
        yield Step(unit.name, (angle,), tuple(targets))
        yield from _controlled_x(controls, targets[0])


def _swap(_: Unit, controls: Sequence[int], targets: Sequence[int]) -> Iterator[Step]:
    a, b = targets
    yield Step("cx", (), (b, a))
    yield from _controlled_x((*controls, a), b)
    yield Step("cx", (), (b, a))


def _general(unit: Unit, controls: Sequence[int], targets: Sequence[int]) -> Iterator[Step]:
    theta, phi, lamda, gamma = unit.angles
    yield from _controlled_phase(lamda, (*controls, *targets))
    yield from controlled_steps(Unit("ry", (theta,)), controls, targets)
    yield from _controlled_phase(phi, (*controls, *targets))
    yield from _controlled_phase(gamma, controls)


def _phase(unit: Unit, controls: Sequence[int], targets: Sequence[int]) -> Iterator[Step]:
    return _controlled_phase(unit.angles[0] if unit.angles else PHASES[unit.name], (*controls, *targets))


def _conjugated(unit: Unit, controls: Sequence[int], targets: Sequence[int]) -> Iterator[Step]:
    """Yield a unit that is another one between two gates which need no control."""
    (target,) = targets
    before, inner, after = {
        "y": (Step("sdg", (), (target,)), Unit("x"), Step("s", (), (target,))),
        "h": (Step("ry", (-PI / 4,), (target,)), Unit("z"), Step("ry", (PI / 4,), (target,))),
        "sx": (Step("h", (), (target,)), Unit("s"), Step("h", (), (target,))),
        "sxdg": (Step("h", (), (target,)), Unit("sdg"), Step("h", (), (target,))),
        "rx": (Step("h", (), (target,)), Unit("rz", unit.angles), Step("h", (), (target,))),
    }[unit.name]
    yield before
    yield from controlled_steps(inner, controls, (target,))
    yield after


def _controlled_phase(angle: Value, qubits: Sequence[int]) -> Iterator[Step]:
    """Yield a phase where all qubits are 1."""
    while len(qubits) > 2:
        *others, last = qubits
        yield from controlled_steps(Unit("rz", (angle,)), others, (last,))
        qubits, angle = others, scale(angle, 0.5)
    yield Step("cp" if len(qubits) == 2 else "p", (angle,), tuple(qubits))


def _controlled_x(controls: Sequence[int], target: int) -> Iterator[Step]:
    if len(controls) <= 2:
        yield Step(("cx", "ccx")[len(controls) - 1], (), (*controls, target))
        return
    qubits = (*controls, target)
    for name, angles, places in _many_controls(len(controls)):
        yield Step(name, angles, tuple(qubits[place] for place in places))


@lru_cache(maxsize=32)
def _many_controls(count: int) -> tuple[Step, ...]:
    """Return an X with many controls in gates of one and two qubits, after Qiskit's synthesis without ancillas."""
    from qiskit.circuit.library import MCXGate, get_standard_gate_name_mapping

    standard, found = get_standard_gate_name_mapping(), []
    gate = MCXGate(count)
    waiting = [(gate, tuple(range(count + 1)))]
    while waiting:
        operation, qubits = waiting.pop()
        if operation.num_qubits <= 2 and operation.name in standard:
            found.append(Step(operation.name, tuple(float(angle) for angle in operation.params), qubits))
            continue
        body = operation.definition
        waiting += [
            (inner.operation, tuple(qubits[body.find_bit(qubit).index] for qubit in inner.qubits))
            for inner in reversed(body.data)
        ]
    return tuple(found)


#: What stands for a unit under more controls than Qiskit has a gate for.
_CONTROL: dict[str, Callable[[Unit, Sequence[int], Sequence[int]], Iterator[Step]]] = {
    "x": lambda _, controls, targets: _controlled_x(controls, targets[0]),
    **dict.fromkeys(("gphase", "p", *PHASES), _phase),
    **dict.fromkeys(("y", "h", "sx", "sxdg", "rx"), _conjugated),
    **dict.fromkeys(("ry", "rz"), _rotation),
    "swap": _swap,
    "u": _general,
}
