"""When a loop through a backend ends: the written rule.

1. after as many steps as were asked for;
2. when the optimiser has nothing more to ask: COBYLA's trust region has shrunk to its last radius;
3. when the last `patience` steps found no point that is better than the best before them by more than two standard errors of the
   difference. Further steps would be paid for and could not be told from noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhybrid_pipelines.quantum.optimisers.search import MeasuredStep

#: Standard errors of a difference that count as better.
SIGNIFICANT = 2.0

ALL_STEPS = "all steps are done"
CONVERGED = "the optimiser has converged"


def patience(angles: int) -> int:
    """Return how many steps may bring nothing: twice what a first look along every angle takes."""
    return 2 * (angles + 1)


def stop_reason(history: Sequence[MeasuredStep], *, steps: int, angles: int) -> str | None:
    """Return why no further step is to be made, None where one is.

    Args:
        history: the measured steps.
        steps: at most.
        angles: of a point.
    """
    if len(history) >= steps:
        return ALL_STEPS
    waited = patience(angles)
    if len(history) <= waited:
        return None
    (before, error_before), (since, error_since) = map(_best, (history[:-waited], history[-waited:]))
    if before - since > SIGNIFICANT * float(np.hypot(error_before, error_since)):
        return None
    return (
        f"the last {waited} steps found nothing better than {before:.6g} by more than {SIGNIFICANT:g} standard errors"
    )


def _best(history: Sequence[MeasuredStep]) -> tuple[float, float]:
    """Return the lowest value of some steps and its standard error."""
    values = np.concatenate([step.values for step in history])
    number = int(np.argmin(values))
    return float(values[number]), float(np.concatenate([step.errors for step in history])[number])
