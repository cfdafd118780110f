"""Powers of gates against powers of their matrices, which a second implementation takes from their eigenvalues."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.angles import Angle
from qhybrid_pipelines.quantum.user_circuits.gates import PHASES, Unit
from qhybrid_pipelines.quantum.user_circuits.powers import FIXED, matrix, raise_to_power

ANGLES = (0.3, -1.1, math.pi / 2, 2.9)
UNITS = [
    *(Unit(name, ()) for name in (*FIXED, *PHASES)),
    *(Unit(name, (angle,)) for name in ("p", "rx", "ry", "rz") for angle in ANGLES),
    *(Unit("u", (theta, 0.4, -0.9, 0.2)) for theta in ANGLES),
]
ONE, X, Y, Z = np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])


def label(unit: Unit) -> str:
    return f"{unit.name}{unit.angles}"


def expected_matrix(unit: Unit) -> np.ndarray:
    """Return the matrix of a unit as the language defines it, written out with Pauli matrices."""
    if unit.name in ("rx", "ry", "rz"):
        half = float(unit.angles[0]) / 2
        return math.cos(half) * ONE - 1j * math.sin(half) * {"rx": X, "ry": Y, "rz": Z}[unit.name]
    phases = {"z": math.pi, "s": math.pi / 2, "sdg": -math.pi / 2, "t": math.pi / 4, "tdg": -math.pi / 4}
    if unit.name == "p" or unit.name in phases:
        return np.diag([1, cmath.exp(1j * float(unit.angles[0] if unit.angles else phases[unit.name]))])
    if unit.name == "u":
        theta, phi, lamda, gamma = map(float, unit.angles)
        cos, sin = math.cos(theta / 2), math.sin(theta / 2)
        rows = [[cos, -cmath.exp(1j * lamda) * sin], [cmath.exp(1j * phi) * sin, cmath.exp(1j * (phi + lamda)) * cos]]
        return cmath.exp(1j * gamma) * np.array(rows)
    root = (1 + 1j) / 2 * (ONE - 1j * X)
    return {"x": X, "y": Y, "h": (X + Z) / math.sqrt(2), "sx": root, "sxdg": root.conj().T}[unit.name]


def principal_power(of: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eig(of)
    phases = [cmath.phase(value) for value in values]
    phases = [math.pi if abs(phase + math.pi) < 1e-9 else phase for phase in phases]
    return vectors @ np.diag([cmath.exp(1j * phase * exponent) for phase in phases]) @ np.linalg.inv(vectors)


@pytest.mark.parametrize("unit", UNITS, ids=label)
def test_a_matrix_is_the_one_of_the_language(unit: Unit) -> None:
    np.testing.assert_allclose(matrix(unit), expected_matrix(unit), atol=1e-12)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 1 / 3, 2.5])
@pytest.mark.parametrize("unit", UNITS, ids=label)
def test_a_power_is_the_one_of_the_matrix(unit: Unit, exponent: float) -> None:
    [power] = raise_to_power(unit, exponent, line=1)
    np.testing.assert_allclose(matrix(power), principal_power(expected_matrix(unit), exponent), atol=1e-9)


@pytest.mark.parametrize("phase", [0.3, -0.3, math.pi, 3.5, -3.5, 7.0])
def test_a_broken_power_of_a_global_phase_is_that_of_the_phase_on_the_circle(phase: float) -> None:
    [whole] = raise_to_power(Unit("gphase", (phase,)), 3, line=1)
    assert cmath.exp(1j * whole.angles[0]) == pytest.approx(cmath.exp(3j * phase))
    [root] = raise_to_power(Unit("gphase", (phase,)), 0.5, line=1)
    value = cmath.exp(1j * phase)
    assert cmath.exp(1j * root.angles[0]) == pytest.approx(value**0.5)


@pytest.mark.parametrize("exponent", [-3, -2, -1, 0, 1, 2, 5])
def test_swap_is_its_own_inverse(exponent: int) -> None:
    swap = Unit("swap", ())
    assert raise_to_power(swap, exponent, line=1) == ([swap] if exponent % 2 else [])


@pytest.mark.parametrize("exponent", [0.5, 2, -1])
def test_the_identity_stays_what_it_is(exponent: float) -> None:
    assert raise_to_power(Unit("id", ()), exponent, line=1) == [Unit("id", ())]


@pytest.mark.parametrize(
    "unit",
    [Unit("swap", ()), Unit("rx", (Angle(0.0, ((0, 1.0),)),)), Unit("gphase", (Angle(0.0, ((0, 1.0),)),))],
    ids=label,
)
def test_what_has_no_closed_form_is_refused_with_its_line(unit: Unit) -> None:
    with pytest.raises(InvalidInput, match="no simple form") as refusal:
        raise_to_power(unit, 0.5, line=7)
    assert "7" in str(refusal.value)
    assert "Write out what it should do." in str(refusal.value)


@pytest.mark.parametrize("exponent", [-2, 0, 1, 3])
@pytest.mark.parametrize("name", ["gphase", "p", "rx", "ry", "rz"])
def test_a_whole_power_of_a_rotation_turns_so_many_times_as_far_whatever_moves_it(name: str, exponent: int) -> None:
    [numbers] = raise_to_power(Unit(name, (0.3,)), exponent, line=1)
    assert (numbers.name, numbers.angles) == (name, (0.3 * exponent,))
    [moved] = raise_to_power(Unit(name, (Angle(0.25, ((0, 2.0),)),)), exponent, line=1)
    assert moved == Unit(name, (Angle(0.25 * exponent, ((0, 2.0 * exponent),) if exponent else ()),))
