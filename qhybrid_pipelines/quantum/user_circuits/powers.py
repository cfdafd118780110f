"""Whole and broken powers of standard gates; a broken one is the principal root, as the language says."""

from __future__ import annotations

import cmath
import math

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.angles import Angle, scale, to_angle
from qhybrid_pipelines.quantum.user_circuits.gates import PHASES, PI, Unit

_ROTATIONS = ("gphase", "p", "rx", "ry", "rz")
_HALF = 0.5**0.5
#: Matrices of gates without angles.
FIXED: dict[str, list[list[complex]]] = {
    "x": [[0, 1], [1, 0]],
    "y": [[0, -1j], [1j, 0]],
    "h": [[_HALF, _HALF], [_HALF, -_HALF]],
    "sx": [[0.5 + 0.5j, 0.5 - 0.5j], [0.5 - 0.5j, 0.5 + 0.5j]],
    "sxdg": [[0.5 - 0.5j, 0.5 + 0.5j], [0.5 + 0.5j, 0.5 - 0.5j]],
}


def raise_to_power(unit: Unit, exponent: float, *, line: int) -> list[Unit]:
    """Return the units that are the power of a unit; a fraction means the principal root.

    Raises:
        InvalidInput: there is no closed form in the inputs; names the line.
    """
    whole = float(exponent).is_integer()
    if unit.name == "id":
        return [unit]
    if unit.name in _ROTATIONS and whole:
        return [Unit(unit.name, tuple(scale(angle, exponent) for angle in unit.angles))]
    if unit.name == "swap" and whole:
        return [unit] if exponent % 2 else []
    if unit.name == "swap" or any(isinstance(angle, Angle) for angle in unit.angles):
        raise InvalidInput(
            f"a power is taken of {unit.name!r} that has no simple form",
            remedy="Write out what it should do.",
            line=line,
        )
    if unit.name == "gphase":
        return [Unit("gphase", (exponent * _principal(to_angle(unit.angles[0]).constant),))]
    return [_power_of_matrix(unit, exponent)]


def _principal(phase: float) -> float:
    """Return a phase in (-pi, pi]."""
    wrapped = math.remainder(phase, math.tau)
    return PI if wrapped <= -PI + 1e-9 else wrapped


def matrix(unit: Unit) -> list[list[complex]]:
    """Return the 2 x 2 matrix of a unit of one qubit whose angles are numbers."""
    if unit.name in FIXED:
        return FIXED[unit.name]
    if unit.name in PHASES:
        return [[1, 0], [0, cmath.exp(1j * PHASES[unit.name])]]
    # A unit has numbers here: the caller has refused what an input moves.
    angles = [to_angle(angle).constant for angle in unit.angles]
    theta, phi, lamda, gamma = {
        "p": (0.0, 0.0, angles[0], 0.0),
        "rz": (0.0, 0.0, angles[0], -angles[0] / 2),
        "ry": (angles[0], 0.0, 0.0, 0.0),
        "rx": (angles[0], -PI / 2, PI / 2, 0.0),
    }.get(unit.name) or angles
    cos, sin, phase = math.cos(theta / 2), math.sin(theta / 2), cmath.exp(1j * gamma)
    return [
        [phase * cos, -phase * cmath.exp(1j * lamda) * sin],
        [phase * cmath.exp(1j * phi) * sin, phase * cmath.exp(1j * (phi + lamda)) * cos],
    ]


def _power_of_matrix(unit: Unit, exponent: float) -> Unit:
    """Return the principal power of a unit of one qubit as the unit ``u``."""
    import numpy as np
    from scipy.linalg import schur

    values, vectors = schur(np.array(matrix(unit), dtype=complex), output="complex")
    phases = [_principal(cmath.phase(value)) * exponent for value in np.diag(values)]
    power = (vectors * np.exp(1j * np.array(phases))) @ vectors.conj().T
    theta = 2 * math.atan2(abs(power[1, 0]), abs(power[0, 0]))
    if abs(power[0, 0]) > abs(power[1, 0]):
        gamma = cmath.phase(power[0, 0])
        phi = cmath.phase(power[1, 0]) - gamma if abs(power[1, 0]) > 1e-15 else 0.0
        lamda = cmath.phase(power[1, 1]) - gamma - phi
    else:
        # The first column's upper entry may be zero: its phase is taken from the other diagonal.
        gamma = cmath.phase(power[0, 0]) if abs(power[0, 0]) > 1e-15 else 0.0
        phi = cmath.phase(power[1, 0]) - gamma
        lamda = cmath.phase(-power[0, 1]) - gamma
    return Unit("u", (theta, phi, lamda, gamma))
