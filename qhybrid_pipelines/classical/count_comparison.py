"""Whether two sets of counts can come from one distribution, with a stated error.

Shots of one circuit are independent, so that under "nothing differs" every way to deal the pooled shots out to the two sides is
equally likely. Two figures are compared with those of such deals, over all points together: the squared differences of frequencies, weighted
as in Pearson's test, which sees small changes of rare outcomes, and the change of the mean energy, which sees many small
changes in one direction. Total variation distance, which is what people read, is compared with its own deals at each point. Sources: P. Good, Permutation, Parametric, and Bootstrap Tests of Hypotheses (2005), chapter 3;
B. Phipson and G. Smyth, Statistical Applications in Genetics and Molecular Biology 9, 39 (2010), for the 1 that is added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import generator

I64 = npt.NDArray[np.int64]

#: Share of comparisons of the same thing that are called different.
FALSE_ALARMS = 0.05
RESAMPLES = 1000
#: Numbers that are held in memory at once.
_BLOCK_NUMBERS = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PointCounts:
    """What two executions measured at one point, over a common list of outcomes.

    Attributes:
        before: shots per outcome, shape ``(k,)``.
        after: the same of the other execution.
        energies: of the outcomes, shape ``(k,)``.
    """

    before: I64
    after: I64
    energies: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class PointDifference:
    """How far two sets of counts are apart at one point.

    Attributes:
        total_variation: half the sum of the differences of frequencies, 0 to 1.
        low: lower end of what 95 % of deals of the pooled shots give.
        high: upper end of the same.
        energy_change: mean energy after, less that before.
        energy_low: lower end of the 95 % bootstrap interval of that change.
        energy_high: upper end of the same.
    """

    total_variation: float
    low: float
    high: float
    energy_change: float
    energy_low: float
    energy_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CountDifference:
    """Two sets of counts, compared at all points.

    Attributes:
        points: one entry per point.
        p_value: how often counts of one distribution lie as far apart, by frequencies or by energy; corrected for the two.
        identical: every count is the same.
    """

    points: tuple[PointDifference, ...]
    p_value: float
    identical: bool

    @property
    def is_beyond_shot_noise(self) -> bool:
        """Whether the counts differ more than chance explains, wrongly so in `FALSE_ALARMS` of all cases."""
        return self.p_value <= FALSE_ALARMS


def compare_counts(points: Sequence[PointCounts], *, seed: int = 0, resamples: int = RESAMPLES) -> CountDifference:
    """Hold two sets of counts against each other.

    Args:
        points: at least one, each with at least one shot on both sides.
        seed: of the deals and bootstrap samples; the same counts always give the same answer.
        resamples: deals per point.

    Raises:
        ValueError: there is no point, or one without shots.
    """
    if not points or any(not (point.before.sum() and point.after.sum()) for point in points):
        raise ValueError("counts can be compared where both sides have shots")
    random = generator(seed, "compare counts", len(points))
    differences: list[PointDifference] = []
    frequencies: list[F64] = []
    energies: list[F64] = []
    for point in points:
        observed = _figures(point, point.before[None, :])
        dealt = _dealt(point, random, resamples)
        differences.append(_difference(point, observed, dealt, random, resamples))
        frequencies.append(np.concatenate([observed.weighted_squares, dealt.weighted_squares]))
        energies.append(np.concatenate([observed.energy_change, dealt.energy_change]))
    p_values = (_p_value(_standardised(frequencies).sum(axis=0)), _p_value((_standardised(energies) ** 2).sum(axis=0)))
    return CountDifference(
        points=tuple(differences),
        p_value=min(1.0, len(p_values) * min(p_values)),
        identical=all(np.array_equal(point.before, point.after) for point in points),
    )


@dataclass(frozen=True, slots=True)
class _Figures:
    """The figures of the deals, one entry per deal."""

    total_variation: F64
    weighted_squares: F64
    energy_change: F64


def _figures(point: PointCounts, before: I64) -> _Figures:
    """Return the figures of rows of ``before``, the rest of the pool being ``after``."""
    pooled = point.before + point.after
    change = (pooled - before) / point.after.sum() - before / point.before.sum()
    return _Figures(
        total_variation=0.5 * np.abs(change).sum(axis=1),
        weighted_squares=(change**2 / np.maximum(pooled, 1)).sum(axis=1),
        energy_change=change @ point.energies,
    )


def _dealt(point: PointCounts, random: np.random.Generator, resamples: int) -> _Figures:
    pooled, shots = point.before + point.after, int(point.before.sum())
    blocks = [
        _figures(point, random.multivariate_hypergeometric(pooled, shots, size=size, method="marginals"))
        for size in _blocks(resamples, len(pooled))
    ]
    return _Figures(*(np.concatenate([getattr(block, f.name) for block in blocks]) for f in fields(_Figures)))


def _difference(
    point: PointCounts,
    observed: _Figures,
    dealt: _Figures,
    random: np.random.Generator,
    resamples: int,
) -> PointDifference:
    low, high = np.quantile(dealt.total_variation, [0.025, 0.975])
    changes = _bootstrap_means(point.after, point.energies, random, resamples) - _bootstrap_means(
        point.before, point.energies, random, resamples
    )
    energy_low, energy_high = np.quantile(changes, [0.025, 0.975])
    return PointDifference(
        total_variation=float(observed.total_variation[0]),
        low=float(low),
        high=float(high),
        energy_change=float(observed.energy_change[0]),
        energy_low=float(energy_low),
        energy_high=float(energy_high),
    )


def _bootstrap_means(counts: I64, energies: F64, random: np.random.Generator, resamples: int) -> F64:
    """Return mean energies of samples of the same size, drawn from the counts themselves."""
    shots = int(counts.sum())
    blocks = [
        random.multinomial(shots, counts / shots, size=size) @ energies for size in _blocks(resamples, len(counts))
    ]
    return np.concatenate(blocks) / shots


def _blocks(resamples: int, width: int) -> Iterator[int]:
    """Yield sizes that add up to ``resamples``, so small that a block of that many rows fits the memory."""
    most = max(1, _BLOCK_NUMBERS // max(1, width))
    while resamples > 0:
        yield min(most, resamples)
        resamples -= most


def _standardised(rows: Sequence[F64]) -> F64:
    """Return each point's figures, the observed one first, in standard deviations of the dealt ones around their mean."""
    figures = np.array(rows)
    spread = figures[:, 1:].std(axis=1, keepdims=True)
    centred = figures - figures[:, 1:].mean(axis=1, keepdims=True)
    # A point whose shots are all alike says nothing, but for rounding.
    return np.where(spread > 1e-12, centred / np.maximum(spread, 1e-12), 0.0)


def _p_value(figures: F64) -> float:
    """Return the share of figures that are as large as the first one, which is counted with the dealt ones."""
    return float((figures >= figures[0] - 1e-9).mean())
