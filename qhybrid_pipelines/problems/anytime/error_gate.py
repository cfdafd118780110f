"""Whether what was claimed about upgrades holds: a test that may be looked at after every outcome, and closes the gate.

Three things are claimed about each candidate that was judged over scenarios. *Its error*: an upgrade turns out worse than what it
replaced with a probability of at most 1 minus the bound that was stated. *Its tail*: no gain lies below the 5 % quantile of the
scenarios more often than in 1 of 20 cases. *Its spread*: no gain lies outside the 5 % and 95 % quantiles more often than in 1 of 10;
where noise is larger than assumed, gains fall out on both sides, and the gate closes in half the number of outcomes. Against each
claim money is bet at the odds that it states: as long as claims hold, the stake grows to 20 times itself with a probability below
1/20, however often and whenever one looks (Ville's inequality). Stakes are spread over several alternatives, and the three games are
played with a third of the money each.

Source: A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, Statistical Science 38, 576 (2023), sections 2 and 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

#: Probability with which a gate is closed although every claim holds.
FALSE_ALARM = 0.05
#: How far above the claim the alternatives lie, as shares of what is left up to 1.
_ALTERNATIVES = (0.05, 0.1, 0.2, 0.4)
#: A claim of certainty could never be bet against with finite money, nor would any scenario count carry it.
_SMALLEST_CLAIM = 1e-3
_START = (0.0,) * len(_ALTERNATIVES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The gate of one subject.

    Attributes:
        judged: outcomes of candidates that were judged over scenarios.
        upgrades: of these, upgrades whose worth compared with the earlier answer is known.
        worse: upgrades that turned out worse than that answer.
        low: outcomes below the low quantile of their scenarios.
        outside: outcomes below the low or above the high quantile of their scenarios.
        error_stakes, tail_stakes, spread_stakes: logarithms of the money on each alternative, in the three games.
        closed: it was closed, and stays so.
    """

    judged: int = 0
    upgrades: int = 0
    worse: int = 0
    low: int = 0
    outside: int = 0
    error_stakes: tuple[float, ...] = _START
    tail_stakes: tuple[float, ...] = _START
    spread_stakes: tuple[float, ...] = _START
    closed: bool = False

    @property
    def evidence(self) -> float:
        """Money now, for 1 at the beginning."""
        mixed = (*self.error_stakes, *self.tail_stakes, *self.spread_stakes)
        return sum(math.exp(min(stake, 700.0)) for stake in mixed) / len(mixed)


def note_outcome(
    gate: Gate,
    *,
    gain: float,
    low_gain: float,
    high_gain: float | None,
    tail: float,
    claimed_error: float | None,
) -> Gate:
    """Return the gate after one more outcome.

    Args:
        gate: before it.
        gain: by which the candidate turned out better than the answer that it was judged against; negative where worse.
        low_gain: quantile ``tail`` of its gain over the scenarios.
        high_gain: quantile ``1 - tail``; None where an earlier release judged it and stored the low one alone.
        tail: share of the outcomes that may lie below the one, and above the other.
        claimed_error: stated upper bound of the probability of turning out worse; None if it was not an upgrade.
    """
    fell = gain < low_gain
    tail_stakes = _bet(gate.tail_stakes, tail, happened=fell)
    found = replace(gate, judged=gate.judged + 1, low=gate.low + fell, tail_stakes=tail_stakes)
    if high_gain is not None:
        outside = fell or gain > high_gain
        spread_stakes = _bet(gate.spread_stakes, 2 * tail, happened=outside)
        found = replace(found, outside=gate.outside + outside, spread_stakes=spread_stakes)
    if claimed_error is not None:
        worse = gain < 0
        found = replace(
            found,
            upgrades=gate.upgrades + 1,
            worse=gate.worse + worse,
            error_stakes=_bet(gate.error_stakes, claimed_error, happened=worse),
        )
    return replace(found, closed=gate.closed or found.evidence >= 1 / FALSE_ALARM)


def _bet(stakes: tuple[float, ...], claim: float, *, happened: bool) -> tuple[float, ...]:
    """Return the stakes after something happened, or did not, that was said to have a probability of at most ``claim``."""
    claim = min(max(claim, _SMALLEST_CLAIM), 1.0)
    if claim == 1.0:
        return stakes
    results = []
    for stake, share in zip(stakes, _ALTERNATIVES, strict=True):
        other = claim + share * (1 - claim)
        results.append(stake + math.log(other / claim if happened else (1 - other) / (1 - claim)))
    return tuple(results)
