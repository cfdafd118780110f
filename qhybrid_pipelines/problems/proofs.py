"""What may be called proved: how far rounding can move an objective, and that no answer beats a proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhybrid_pipelines.classical.exact import integers_as_written
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import BrokenProof

_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveRounding:
    """How well float64 tells the objectives of an instance apart.

    Attributes:
        error: no computed objective is farther than this from the true one, in the family's unit.
        step: two different objectives differ by at least this; 0 where nothing is known.
    """

    error: float
    step: float = 0.0

    def allows_proof(self, tolerance: float) -> bool:
        """Return whether the best of computed objectives may be called the optimum.

        Either rounding cannot swap two different objectives, or it moves none by more than ``tolerance``, up to which
        objectives are equal.
        """
        return self.error < self.step / 4 or self.error <= tolerance


def rounding_of_sums(weights: F64, *, other_terms: float = 0.0) -> ObjectiveRounding:
    """Return the rounding of objectives that are sums of some of ``weights``.

    Args:
        weights: shape ``(m,)``, read as the decimals that they were written as.
        other_terms: sum of the sizes of penalty terms that are added to them where sums are compared.
    """
    written = integers_as_written(weights.tolist())
    if not other_terms and written.sums_are_exact():
        return ObjectiveRounding(error=0.0, step=float(written.unit))
    # Each of m additions, and each weight, is off by half a unit in the last place of at most the sum of all sizes.
    error = 2 * _EPSILON * (len(weights) + 1) * (float(np.abs(weights).sum()) + other_terms)
    return ObjectiveRounding(error=error, step=float(written.unit))


def check_that_no_answer_beats_a_proof(
    rounding: ObjectiveRounding,
    sign: int,
    *,
    proofs: Iterable[tuple[str, float]],
    bounds: Iterable[tuple[str, float]],
    answers: Sequence[tuple[str, float]],
) -> None:
    """Hold every feasible answer against everything that is called proved.

    Args:
        rounding: of the instance's objectives.
        sign: +1 where a larger objective is better, -1 where a smaller one is.
        proofs: who proved it, and the objective that nothing is better than.
        bounds: who proved it, and the number that no objective is better than.
        answers: who found it, and the objective of a feasible answer.

    Raises:
        BrokenProof: an answer is better than a proof by more than rounding: an error of this program.
    """
    if not answers:
        return
    who, best = max(answers, key=lambda answer: sign * answer[1])
    limits = [(prover, value, 2 * rounding.error) for prover, value in proofs]
    # A bound is a float64 nearest to what was proved, an optimum is the objective of an assignment.
    limits += [
        (prover, value, 2 * rounding.error + 8 * _EPSILON * max(abs(value), abs(best))) for prover, value in bounds
    ]
    for prover, value, slack in limits:
        if sign * (best - value) > slack:
            raise BrokenProof(proved=value, by=prover, found=best, found_by=who)


def stated_bounds(baselines: Mapping[str, Sequence[Any]]) -> list[tuple[str, float]]:
    """Return the bounds in rows of the table `baselines`, with who proved them."""
    rows = zip(baselines["solver"], baselines.get("bound", [None] * len(baselines["solver"])), strict=True)
    return [(solver, bound) for solver, bound in rows if bound is not None]
