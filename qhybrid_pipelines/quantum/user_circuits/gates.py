"""The standard gates of both languages with their exact phases, and their inverses.

A gate is a number of controls and a *unit*: a phase, or a gate without controls. Phases count as soon as a gate is
controlled, so they are those of OpenQASM 3, where ``U(theta, phi, lambda)`` is
``exp(i theta/2) P(phi) RY(theta) P(lambda)`` and ``stdgates.inc`` defines everything else by it. The unit ``u`` has four
angles and stands for ``exp(i gamma) P(phi) RY(theta) P(lambda)``. Version 2 has no way to control a gate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from qhybrid_pipelines.quantum.user_circuits.angles import Value, add, scale

PI = math.pi


class Unit(NamedTuple):
    """A gate without controls; its name is Qiskit's, or ``gphase`` or ``id``."""

    name: str
    angles: tuple[Value, ...] = ()


class Step(NamedTuple):
    """A standard gate or barrier of Qiskit on qubits, controls first."""

    name: str
    angles: tuple[Value, ...]
    qubits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StandardGate:
    """A gate of a library: its angles, controls and targets, and the unit that it makes of its angles."""

    n_angles: int
    n_controls: int
    n_targets: int
    unit: Callable[..., Unit]

    @property
    def n_qubits(self) -> int:
        """Width."""
        return self.n_controls + self.n_targets


def _plain(name: str, n_angles: int = 0, *, controls: int = 0, targets: int = 1) -> StandardGate:
    return StandardGate(n_angles, controls, targets, lambda *angles: Unit(name, angles))


def _half_sum(phi: Value, lamda: Value) -> Value:
    return scale(add(phi, lamda), -0.5)


_U = StandardGate(3, 0, 1, lambda t, p, l: Unit("u", (t, p, l, scale(t, 0.5))))  # noqa: E741  the language's letters
_SHARED = {
    **{name: _plain(name) for name in ("x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "id")},
    **{name: _plain(name, 1) for name in ("p", "rx", "ry", "rz")},
    **{f"c{name}": _plain(name, controls=1) for name in ("x", "y", "z", "h")},
    **{f"c{name}": _plain(name, 1, controls=1) for name in ("p", "rx", "ry", "rz")},
    "swap": _plain("swap", targets=2),
    "ccx": _plain("x", controls=2),
    "cswap": _plain("swap", controls=1, targets=2),
    "cu": _plain("u", 4, controls=1),
    "u1": _plain("p", 1),
}
#: Gates that are there without an include.
BUILTIN = {2: {"U": _U, "CX": _plain("x", controls=1)}, 3: {"U": _U, "gphase": _plain("gphase", 1, targets=0)}}
#: What the include makes known.
LIBRARY = {
    2: _SHARED
    | {
        "u0": StandardGate(1, 0, 1, lambda _: Unit("id")),
        "u2": StandardGate(2, 0, 1, lambda p, l: Unit("u", (PI / 2, p, l, 0.0))),  # noqa: E741
        "u3": StandardGate(3, 0, 1, lambda t, p, l: Unit("u", (t, p, l, 0.0))),  # noqa: E741
        "u": StandardGate(3, 0, 1, lambda t, p, l: Unit("u", (t, p, l, 0.0))),  # noqa: E741
        "sxdg": _plain("sxdg"),
        "csx": _plain("sx", controls=1),
        "cu1": _plain("p", 1, controls=1),
        "cu3": StandardGate(3, 1, 1, lambda t, p, l: Unit("u", (t, p, l, 0.0))),  # noqa: E741
        "rxx": _plain("rxx", 1, targets=2),
        "rzz": _plain("rzz", 1, targets=2),
        "rccx": _plain("rccx", targets=3),
        "rc3x": _plain("rcccx", targets=4),
        "c3x": _plain("x", controls=3),
        "c3sqrtx": _plain("sx", controls=3),
        "c4x": _plain("x", controls=4),
    },
    3: _SHARED
    | {
        "phase": _plain("p", 1),
        "cphase": _plain("p", 1, controls=1),
        "u2": StandardGate(2, 0, 1, lambda p, l: Unit("u", (PI / 2, p, l, _half_sum(p, l)))),  # noqa: E741
        "u3": StandardGate(3, 0, 1, lambda t, p, l: Unit("u", (t, p, l, _half_sum(p, l)))),  # noqa: E741
    },
}
#: The library of version 3 defines it as ``ctrl @ U(pi, 0, pi)``, which is not what the name says.
AMBIGUOUS = {
    3: {
        "CX": "in OpenQASM 3 the library's CX is ctrl @ U(pi, 0, pi), which is cx with an s on the control, and tools differ"
    }
}

#: Phases of the gates that are one, by their name.
PHASES = {"z": PI, "s": PI / 2, "sdg": -PI / 2, "t": PI / 4, "tdg": -PI / 4}
_INVERSE = {"s": "sdg", "t": "tdg", "sx": "sxdg"}
_INVERSE |= {inverse: name for name, inverse in _INVERSE.items()}


def invert(unit: Unit) -> Unit:
    """Return the inverse of a unit."""
    if unit.name == "u":
        theta, phi, lamda, gamma = (scale(angle, -1) for angle in unit.angles)
        return Unit("u", (theta, lamda, phi, gamma))
    return Unit(_INVERSE.get(unit.name, unit.name), tuple(scale(angle, -1) for angle in unit.angles))
