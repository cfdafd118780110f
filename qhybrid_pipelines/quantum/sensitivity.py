r"""How much the mean energy depends on each angle, before a shot is paid for.

Gradient and curvature are exact, from the state vector. A neighbour is the point with one angle moved by :data:`STEP` of its unit;
it is told from the point by the difference of two sample means. With standard deviations :math:`\sigma` and :math:`\sigma'` and the
difference :math:`\Delta` of the exact means, a two-sided test at the 5 % level sees it in 80 % of cases with

.. math:: m = (z_{0.975} + z_{0.8})^2\,\frac{\sigma^2 + \sigma'^2}{\Delta^2}

shots at each of both. Fewer shots cannot tell whether that angle is well set, and more precision of the angle buys nothing.

Source: the sample size of a comparison of two means, G. Snedecor, W. Cochran, Statistical Methods, 8th edition (1989), section 6.14.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.jobs.circuit_jobs import Mixer
from qhybrid_pipelines.quantum.exact_state import QaoaState
from qhybrid_pipelines.quantum.ramps import cost_scale

#: By how much a neighbour's angle is moved: radians for betas, and for gammas that times the cost's scale.
STEP = 0.1
#: Half the distance over which a gradient is differentiated, in the same units.
_DIFFERENCE = 1e-4
#: Quantiles of the normal distribution at 97.5 % and at 80 %, added and squared.
_QUANTILES_SQUARED = (1.959963984540054 + 0.8416212335729143) ** 2
#: Two means that differ by less than this share of the energies' spread are equal: no number of shots tells them apart.
_EQUAL = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class AngleSensitivity:
    """What one angle does to the mean energy.

    Attributes:
        angle: its name, ``gamma 1`` the first.
        value: radians.
        gradient: of the mean energy, in the model's units per radian.
        curvature: second derivative, in the model's units per square radian.
        step: how far the neighbour is, radians.
        difference: mean energy of the neighbour less that of the point, in the model's units.
        shots_to_tell: at each of both; None where no number of shots would.
    """

    angle: str
    value: float
    gradient: float
    curvature: float
    step: float
    difference: float
    shots_to_tell: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSensitivity:
    """One point of a sweep without noise.

    Attributes:
        expectation: mean energy of its shots, in the model's units.
        deviation: standard deviation of one shot, same units.
        random_expectation: mean energy of evenly random outcomes that the mixer can reach.
        angles: one for each, gammas first.
    """

    expectation: float
    deviation: float
    random_expectation: float
    angles: tuple[AngleSensitivity, ...]

    def expectation_with_errors(self, two_qubit_error: float, two_qubit_gates: int) -> tuple[float, float]:
        """Return the share of shots without an error of a two-qubit gate, and the mean energy if the others are random."""
        survival = (1 - two_qubit_error) ** two_qubit_gates
        return survival, survival * self.expectation + (1 - survival) * self.random_expectation


def point_sensitivity(model: ReducedModel, mixer: Mixer, angles: F64) -> PointSensitivity:
    """Return what every angle of a point does to the mean energy.

    Args:
        model: with at least one variable; its state is held in memory.
        mixer: its name.
        angles: shape ``(2 layers,)``, gammas first, radians.
    """
    state = QaoaState(model, mixer)
    energies, gradient = state.energies, state.mean_energy
    layers = len(angles) // 2
    units = np.repeat([cost_scale(model.model, constant_ones=mixer == "xy"), 1.0], layers)
    expectation, slopes = gradient(angles)
    deviation = _deviation(energies, gradient.probabilities(angles), expectation)
    found = []
    for index, unit in enumerate(units.tolist()):
        direction = unit * np.eye(2 * layers)[index]
        above, below = (gradient(angles + sign * _DIFFERENCE * direction)[1][index] for sign in (1, -1))
        neighbour = angles + STEP * direction
        mean = gradient(neighbour)[0]
        spread = deviation**2 + _deviation(energies, gradient.probabilities(neighbour), mean) ** 2
        difference = mean - expectation
        equal = abs(difference) <= _EQUAL * (float(np.ptp(energies)) or 1.0)
        found.append(
            AngleSensitivity(
                angle=f"gamma {index + 1}" if index < layers else f"beta {index - layers + 1}",
                value=float(angles[index]),
                gradient=float(slopes[index]),
                curvature=float(above - below) / (2 * _DIFFERENCE * unit),
                step=STEP * unit,
                difference=difference,
                shots_to_tell=None if equal else max(1, int(np.ceil(_QUANTILES_SQUARED * spread / difference**2))),
            )
        )
    return PointSensitivity(
        expectation=expectation,
        deviation=deviation,
        random_expectation=float(energies.mean()),
        angles=tuple(found),
    )


def _deviation(energies: F64, probabilities: F64, mean: float) -> float:
    return float(np.sqrt(np.sum(probabilities * np.square(energies - mean))))
