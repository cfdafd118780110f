"""One bound of fidelity and one of total variation that no shortage of shots can turn into a wrong claim.

Both scores bend: of few shots the fidelity of measured frequencies is too low on average, and their total variation too high
(Jensen). That side of their interval is safe. The other side comes from the best straight line (or set) beyond the bend, chosen on
some of the shots and measured on the others: whatever was chosen, its mean lies on the safe side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.sampling.counts import I64, Aligned
from qhybrid_pipelines.sampling.intervals import Z

FOLDS = 5
#: Shots that the assumed shape is worth beside the measured ones; the best is chosen on the training shots.
WEIGHTS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
#: Share of the reference that is assumed at least and at most in what is measured.
SHARES = (0.02, 0.9999)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossFitted:
    """The bounds beyond the bend.

    Attributes:
        overlap_high: upper 97.5 % bound of the sum of square roots, ``sum(sqrt(p q))``.
        distance_low: lower 97.5 % bound of the total variation distance.
    """

    overlap_high: float
    distance_low: float


def cross_fit(aligned: Aligned) -> CrossFitted:
    """Return both bounds.

    For every positive ``r`` the overlap is at most ``sum(sqrt(q r)) / 2 + sum(sqrt(q / r) p) / 2``, with equality for ``r = p``, and for
    every set the distance is at least ``q(set) - p(set)``: both are linear in what is measured.
    """
    return CrossFitted(overlap_high=_overlap_bound(aligned), distance_low=_distance_bound(aligned))


def _overlap_bound(aligned: Aligned) -> float:
    """Return the upper bound of the overlap, the mean over folds: what they choose differs little, and matters to second order."""
    inside = aligned.probabilities > 0
    q, means, square, used = aligned.probabilities[inside], [], 0.0, 0
    for test in _drawn_parts(aligned.counts, FOLDS):
        train, shots = aligned.counts - test, int(test.sum())
        if not shots or not train.sum():
            continue
        assumed = _shrunk(aligned, train)[inside]
        slope = np.sqrt(q / assumed) / 2
        mean = float(slope @ test[inside]) / shots
        means.append(float(np.sqrt(q * assumed).sum()) / 2 + mean)
        square += float(slope**2 @ test[inside]) - shots * mean**2
        used += shots
    if not used:
        return 1.0
    margin = Z * math.sqrt(aligned.spread * (square / used + Z**2 / (4 * used)) / used)
    return min(float(np.mean(means)) + margin, 1.0)


def _distance_bound(aligned: Aligned) -> float:
    """Return the lower bound of the distance: a set chosen on one half of the shots, measured on the other.

    Not in turn: sets that are chosen by each other's shots move together, and their mean would claim too much.
    """
    train, test = _drawn_parts(aligned.counts, 2)
    shots = int(test.sum())
    if not train.sum():
        return 0.0
    below = _shrunk(aligned, train) < aligned.probabilities
    share = float(test[below].sum()) / shots
    margin = Z * math.sqrt(aligned.spread * (share * (1 - share) + Z**2 / (4 * shots)) / shots)
    return max(float(aligned.probabilities[below].sum()) - share - margin, 0.0)


def _drawn_parts(counts: I64, parts: int) -> list[I64]:
    """Return the shots in equal parts; which falls into which is drawn, the same for the same counts.

    Other counts have other draws: one draw for all would shift every estimate to the same side.
    """
    random = generator(0, "parts of shots", sha256_hex(counts.astype("<i8").tobytes()), parts)
    observed = np.flatnonzero(counts)
    left, found = counts[observed].copy(), []
    for part in range(parts):
        drawn = random.multivariate_hypergeometric(left, int(left.sum()) // (parts - part), method="marginals")
        left = left - drawn
        whole = np.zeros_like(counts)
        whole[observed] = drawn
        found.append(whole)
    return found


def _shrunk(aligned: Aligned, train: I64) -> F64:
    """Return frequencies of training shots, drawn towards a mixture of the reference and uniform outcomes.

    How far is chosen by what would have bounded the overlap best on a half of them that the other half has not seen.
    """
    q, shots = aligned.probabilities, float(train.sum())
    uniform, purity = 1 / aligned.reference.size, aligned.reference.purity
    share = 1.0
    if not aligned.reference.is_uniform:
        share = float(np.clip((float(q @ train) / shots - uniform) / (purity - uniform), *SHARES))
    shape = share * q + (1 - share) * uniform
    half = _half(train)
    other = train - half
    if not half.sum() or not other.sum():
        return (train + shape) / (shots + 1)
    inside = q > 0
    bounds = []
    for weight in WEIGHTS:
        assumed = (half + weight * shape) / (half.sum() + weight)
        slope = np.sqrt(q[inside] / assumed[inside])
        bounds.append(np.sqrt(q * assumed).sum() + float(slope @ other[inside]) / other.sum())
    # Half the shots chose it: all of them weigh twice as much against the same shape.
    weight = WEIGHTS[int(np.argmin(bounds))]
    return (train + weight * shape) / (shots + weight)


def _half(counts: I64) -> I64:
    """Return every second shot in the order of outcomes."""
    ends = np.cumsum(counts)
    half: I64 = ends // 2 - np.concatenate([[0], ends[:-1] // 2])
    return half
