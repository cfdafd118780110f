r"""Ideal simulation of a circuit in the interface's JSON gate list, as a state vector.

Angles of the gate set ``qis`` are radians: ``rx(t)`` is :math:`e^{-i t X/2}` and ``zz(t)`` is :math:`e^{-i t ZZ/2}`.
Angles of the gate set ``native`` are turns (1 is a full circle), as published with the native gates. Qubit 0 is the
least significant bit of a state's number. ``z`` with a rotation is the phase gate, which the vendor's client sends
for ``p`` and ``cp``. The gate set ``chip`` is that of superconducting chips in the words of ``qis``: there ``rz`` is a change of
frame, which takes no time and has no error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.complex128]
State = NDArray[np.complex128]

_PAULI: Mapping[str, Matrix] = MappingProxyType(
    {
        "I": np.eye(2, dtype=complex),
        "X": np.array([[0, 1], [1, 0]], dtype=complex),
        "Y": np.array([[0, -1j], [1j, 0]], dtype=complex),
        "Z": np.diag([1, -1]).astype(complex),
    }
)
_HADAMARD: Matrix = np.array([[1, 1], [1, -1]], dtype=complex) / np.sqrt(2)
_SQRT_X: Matrix = np.array([[0.5 + 0.5j, 0.5 - 0.5j], [0.5 - 0.5j, 0.5 + 0.5j]], dtype=complex)


def _phase(angle: float) -> Matrix:
    """Phase ``angle`` radians on the state 1."""
    return np.diag([1, np.exp(1j * angle)]).astype(complex)


def _rotation(pauli: Matrix, angle: float) -> Matrix:
    """``exp(-i angle P / 2)`` for an operator whose square is the identity."""
    identity = np.eye(len(pauli), dtype=complex)
    return np.asarray(np.cos(angle / 2) * identity - 1j * np.sin(angle / 2) * pauli)


def _angle(gate: Mapping[str, Any], key: str = "rotation", default: float = 0.0) -> float:
    """An angle of a gate, as it was sent."""
    return float(gate.get(key, default))


def _twice(pauli: str) -> Matrix:
    """The Pauli on two qubits."""
    return np.asarray(np.kron(_PAULI[pauli], _PAULI[pauli]), dtype=complex)


def _gpi(phase: float) -> Matrix:
    """Half a turn about an axis of the equator at ``phase`` turns."""
    return np.array([[0, np.exp(-2j * np.pi * phase)], [np.exp(2j * np.pi * phase), 0]], dtype=complex)


def _ms(gate: Mapping[str, Any]) -> Matrix:
    """Partial Mølmer-Sørensen gate: ``exp(-i pi angle GPI(phase 0) GPI(phase 1))``; first target is the lower bit."""
    first, second = (float(phase) for phase in gate["phases"])
    return _rotation(
        np.asarray(np.kron(_gpi(second), _gpi(first)), dtype=complex), 2 * np.pi * _angle(gate, "angle", 0.25)
    )


_QIS: Mapping[str, Callable[[Mapping[str, Any]], Matrix]] = MappingProxyType(
    {
        "x": lambda _: _PAULI["X"],
        "not": lambda _: _PAULI["X"],
        "cnot": lambda _: _PAULI["X"],
        "y": lambda _: _PAULI["Y"],
        "z": lambda gate: _phase(_angle(gate)) if "rotation" in gate else _PAULI["Z"],
        "h": lambda _: _HADAMARD,
        "s": lambda _: _phase(np.pi / 2),
        "si": lambda _: _phase(-np.pi / 2),
        "t": lambda _: _phase(np.pi / 4),
        "ti": lambda _: _phase(-np.pi / 4),
        "v": lambda _: _SQRT_X,
        "vi": lambda _: _SQRT_X.conj().T,
        "rx": lambda gate: _rotation(_PAULI["X"], _angle(gate)),
        "ry": lambda gate: _rotation(_PAULI["Y"], _angle(gate)),
        "rz": lambda gate: _rotation(_PAULI["Z"], _angle(gate)),
        "xx": lambda gate: _rotation(_twice("X"), _angle(gate)),
        "yy": lambda gate: _rotation(_twice("Y"), _angle(gate)),
        "zz": lambda gate: _rotation(_twice("Z"), _angle(gate)),
        "swap": lambda _: np.eye(4, dtype=complex)[[0, 2, 1, 3]],
    }
)
_NATIVE: Mapping[str, Callable[[Mapping[str, Any]], Matrix]] = MappingProxyType(
    {
        "gpi": lambda gate: _gpi(_angle(gate, "phase")),
        "gpi2": lambda gate: _rotation(_gpi(_angle(gate, "phase")), np.pi / 2),
        "ms": _ms,
        "zz": lambda gate: _rotation(_twice("Z"), 2 * np.pi * _angle(gate, "angle", 0.25)),
        "nop": lambda _: _PAULI["I"],
    }
)
QIS_GATES = frozenset(_QIS) | {"pauliexp"}
NATIVE_GATES = frozenset(_NATIVE)
_PAIRS = frozenset({"xx", "yy", "zz", "swap", "ms"})
ARITY: Mapping[str, int] = MappingProxyType({name: 2 if name in _PAIRS else 1 for name in (*_QIS, *_NATIVE)})
"""How many targets a gate has, controls not counted; ``pauliexp`` has any number."""


def gate_qubits(gate: Mapping[str, Any]) -> tuple[Sequence[int], Sequence[int]]:
    """Return targets and controls of a gate, whichever of the interface's spellings it uses."""
    targets = gate["targets"] if "targets" in gate else [gate["target"]] if "target" in gate else []
    controls = gate["controls"] if "controls" in gate else [gate["control"]] if "control" in gate else []
    return targets, controls


def is_virtual(gate: Mapping[str, Any], gateset: str) -> bool:
    """Tell whether a gate is only a change of frame: it takes no time and has no error."""
    return gateset == "chip" and gate["gate"] == "rz"


def touched_qubits(gates: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the qubits that some gate acts on, ascending."""
    return sorted({qubit for gate in gates for side in gate_qubits(gate) for qubit in side})


def probabilities(gates: Sequence[Mapping[str, Any]], gateset: str) -> tuple[list[int], NDArray[np.float64]]:
    """Simulate a circuit from all zeros.

    Returns:
        The touched qubits, ascending, and the probabilities of their joint states, shape ``(2**len(touched),)``:
        the first touched qubit is the least significant bit. Untouched qubits stay 0.
    """
    touched = touched_qubits(gates)
    place = {qubit: index for index, qubit in enumerate(touched)}
    state: State = np.zeros(2 ** len(touched), dtype=complex)
    state[0] = 1.0
    state = state.reshape((2,) * len(touched))
    for gate in gates:
        state = apply_gate(state, gate, gateset, place)
    weights = np.abs(state.reshape(-1)) ** 2
    return touched, weights / weights.sum()


def apply_gate(state: State, gate: Mapping[str, Any], gateset: str, place: Mapping[int, int]) -> State:
    """Return a state after a gate, which may change the given one in place.

    Args:
        state: one axis of length 2 per qubit, the last one for the qubit in place 0; axes before them are other states.
        gate: in the interface's form.
        gateset: of that gate.
        place: by qubit, its place.
    """
    targets, controls = ([place[qubit] for qubit in side] for side in gate_qubits(gate))
    if gate["gate"] == "pauliexp":
        return _exponential(state, gate, targets)
    table = _NATIVE if gateset == "native" else _QIS
    _apply(state, table[str(gate["gate"])](gate), targets, controls)
    return state


def _apply(state: State, matrix: Matrix, targets: Sequence[int], controls: Sequence[int]) -> None:
    """Apply a matrix in place; its first target is the least significant bit of its index."""
    last = state.ndim - 1
    parts = []
    for value in range(len(matrix)):
        index: list[slice | int] = [slice(None)] * state.ndim
        for control in controls:
            index[last - control] = 1
        for bit, target in enumerate(targets):
            index[last - target] = (value >> bit) & 1
        parts.append(tuple(index))
    if not np.any(matrix - np.diag(np.diagonal(matrix))):
        for factor, part in zip(np.diagonal(matrix), parts, strict=True):
            if factor != 1:
                state[part] *= factor
        return
    before = [state[part].copy() for part in parts]
    for row, part in zip(matrix, parts, strict=True):
        first, *rest = np.flatnonzero(row)
        changed = row[first] * before[first]
        for column in rest:
            changed += row[column] * before[column]
        state[part] = changed


def _exponential(state: State, gate: Mapping[str, Any], targets: Sequence[int]) -> State:
    """Apply ``exp(-i time sum_k c_k P_k)`` for commuting Pauli strings, leftmost letter on the last target."""
    time = _angle(gate, "time")
    for term, coefficient in zip(gate.get("terms", ()), gate.get("coefficients", ()), strict=True):
        turned = state.copy()
        for letter, target in zip(reversed(str(term)), targets, strict=True):
            _apply(turned, _PAULI[letter], [target], [])
        angle = time * float(coefficient)
        state = np.cos(angle) * state - 1j * np.sin(angle) * turned
    return state
