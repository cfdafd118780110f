"""How near measured outcomes come to a reference, each score with its 95 % interval and the value that uniform outcomes have.

| score | 1 is | source |
| --- | --- | --- |
| `hellinger_fidelity` | the reference | ``(sum(sqrt(p q))) ** 2``, as Qiskit computes it |
| `normalised_fidelity` | the reference, 0 uniform | T. Lubinski et al., arXiv:2110.03137, section III |
| `total_variation` | nothing in common, 0 the reference | half the sum of ``abs(p - q)`` |
| `heavy_output` | all outcomes are heavy | S. Aaronson and L. Chen, arXiv:1612.05903 |
| `polarisation` | the reference mixed with nothing, 0 uniform | linear cross-entropy, normalised: Y. Rinott et al., arXiv:2011.04938 |
| `expected_outcome` | the one outcome in every shot | share of shots |

``p`` is measured, ``q`` the reference. `polarisation` is ``(sum(p q) - 1/D) / (sum(q q) - 1/D)`` with ``D`` outcomes: what is left of
the reference if the rest is uniform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.sampling.counts import Aligned
from qhybrid_pipelines.sampling.cross_fit import cross_fit
from qhybrid_pipelines.sampling.intervals import Z, mean_interval, share_interval
from qhybrid_pipelines.sampling.reference import Reference

SCORES = (
    "hellinger_fidelity",
    "normalised_fidelity",
    "total_variation",
    "heavy_output",
    "polarisation",
    "expected_outcome",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One score, with the bounds of its 95 % interval."""

    name: str
    value: float
    low: float
    high: float


def measured_scores(aligned: Aligned) -> list[Score]:
    """Return the scores that a reference has, of measured counts.

    Fidelity and total variation are those of the measured frequencies, which few shots make worse than what is measured: their
    intervals reach to the better side only.
    """
    reference = aligned.reference
    exact = exact_scores(reference, aligned.counts[: len(reference.outcomes)] / aligned.shots)
    bounds = _certain_bounds(aligned) if reference.is_certain else _bounds(aligned, exact)
    return [
        Score(name=name, value=value, low=min(bounds[name][0], value), high=max(bounds[name][1], value))
        for name, value in exact.items()
    ]


def exact_scores(reference: Reference, distribution: F64) -> dict[str, float]:
    """Return the scores of a distribution, by name in the order of `SCORES`; those that the reference does not have are missing.

    Args:
        reference: what should come out.
        distribution: probabilities of the reference's outcomes, shape ``(outcomes,)``; the rest of their sum lies elsewhere.
    """
    q = reference.probabilities
    fidelity = min(float(np.sqrt(q * distribution).sum()) ** 2, 1.0)
    found = {
        "hellinger_fidelity": fidelity,
        "normalised_fidelity": normalise_fidelity(fidelity, reference),
        "total_variation": float(np.abs(q - distribution).sum() + max(1 - distribution.sum(), 0.0)) / 2,
        "heavy_output": float(distribution[reference.heavy].sum()),
        "polarisation": _polarisation(float(q @ distribution), reference),
        "expected_outcome": float(distribution.max()),
    }
    missing = set()
    if reference.is_uniform:
        missing |= {"normalised_fidelity", "polarisation", "heavy_output"}
    if not reference.is_certain:
        missing.add("expected_outcome")
    return {name: value for name, value in found.items() if name not in missing}


def uniform_scores(reference: Reference) -> dict[str, float]:
    """Return the scores of uniform outcomes."""
    return exact_scores(reference, np.full(len(reference.outcomes), 1 / reference.size))


def normalise_fidelity(fidelity: float, reference: Reference) -> float:
    """Return a fidelity on the scale where uniform outcomes have 0, as nothing less is told apart."""
    uniform = float(np.sqrt(reference.probabilities / reference.size).sum()) ** 2
    return max((fidelity - uniform) / (1 - uniform), 0.0) if uniform < 1 else 0.0


def _polarisation(agreement: float, reference: Reference) -> float:
    uniform = 1 / reference.size
    return (agreement - uniform) / (reference.purity - uniform) if not reference.is_uniform else 0.0


def _certain_bounds(aligned: Aligned) -> dict[str, tuple[float, float]]:
    """Return the bounds where one outcome is expected: all scores follow from its share."""
    low, high = share_interval(aligned.counts[0] / aligned.spread, aligned.effective_shots)
    [at_low, at_high] = [exact_scores(aligned.reference, np.array([share])) for share in (low, high)]
    return {name: (min(at_low[name], at_high[name]), max(at_low[name], at_high[name])) for name in at_low}


def _bounds(aligned: Aligned, exact: dict[str, float]) -> dict[str, tuple[float, float]]:
    reference, shots, spread = aligned.reference, aligned.shots, aligned.spread
    fitted = cross_fit(aligned)
    overlap, distance = math.sqrt(exact["hellinger_fidelity"]), exact["total_variation"]
    low = overlap - Z * math.sqrt(spread * (max(1 - overlap**2, 0.0) + Z**2 / shots) / (4 * shots))
    fidelity = max(low, 0.0) ** 2, fitted.overlap_high**2
    above = float(aligned.counts[aligned.counts > aligned.probabilities * shots].sum()) / shots
    far = distance + Z * math.sqrt(spread * (above * (1 - above) + Z**2 / (4 * shots)) / shots)
    inside = aligned.counts[: len(reference.outcomes)]
    heavy = float(inside[reference.heavy].sum())
    return {
        "hellinger_fidelity": fidelity,
        "normalised_fidelity": (
            normalise_fidelity(fidelity[0], reference),
            normalise_fidelity(fidelity[1], reference),
        ),
        "total_variation": (fitted.distance_low, min(far, 1.0)),
        "heavy_output": share_interval(heavy / spread, aligned.effective_shots),
        "polarisation": _polarisation_bounds(aligned),
    }


def _polarisation_bounds(aligned: Aligned) -> tuple[float, float]:
    reference, shots = aligned.reference, aligned.shots
    inside = aligned.counts[: len(reference.outcomes)]
    q, largest = reference.probabilities, float(reference.probabilities.max())
    if reference.is_flat:
        share = share_interval(float(inside.sum()) / aligned.spread, aligned.effective_shots)
        low, high = share[0] * largest, share[1] * largest
    else:
        mean, square = float(q @ inside) / shots, float(q**2 @ inside) / shots
        low, high = mean_interval(mean, square, aligned.effective_shots, largest)
    return _polarisation(low, reference), _polarisation(high, reference)
