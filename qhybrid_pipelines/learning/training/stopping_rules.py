"""When training ends: the loss is flat, or it runs away.

Flat: over the last ``window`` iterations the mean loss differs from that of the window before by no more than half its
standard error, ``|mean_2 - mean_1| <= std_2 / (2 sqrt(window))``. The rule of J. Bowles et al., arXiv:2403.07059 (in their
code: ``qml_benchmarks.model_utils.train``), with a window of 200 there.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, sqrt
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.errors import InvalidInput

if TYPE_CHECKING:
    from qhybrid_pipelines.core.binary_models.ising import F64

#: Training has run away when the mean loss of the last DIVERGENCE_WINDOW iterations exceeds GROWTH times the loss at its start,
#: or of guessing all classes alike, whichever is larger.
DIVERGENCE_RATIO = 2.0
DIVERGENCE_WINDOW = 20
#: A flat loss this much above guessing is not a minimum: steps are too long to get down.
GUESSING_LOSS_RATIO = 1.05


class Diverged(InvalidInput):
    """The loss is not finite, grows, or is flat above that of guessing: the learning rate is too large."""


class NotConverged(InvalidInput):
    """The loss was not flat when the iterations were used up, and convergence was demanded."""


def has_constant_energy(losses: Sequence[float], window: int) -> bool:
    """Tell whether the loss is flat over the last two windows; False while there are fewer iterations than that."""
    import numpy as np

    if len(losses) < 2 * window:
        return False
    last, before = np.array(losses[-window:]), np.array(losses[-2 * window : -window])
    return bool(abs(last.mean() - before.mean()) <= last.std() / (2 * sqrt(window)))


def check_divergence(losses: Sequence[float], gradient: F64, *, learning_rate: float, guessing: float) -> None:
    """Check the newest iteration.

    Args:
        losses: of all iterations so far, this one included.
        gradient: of this one.
        learning_rate: named in the error.
        guessing: loss of a model that gives every class the same probability.

    Raises:
        Diverged: the loss or its gradient is not finite, or the loss has grown as `DIVERGENCE_RATIO` says.
    """
    import numpy as np

    if not (isfinite(losses[-1]) and np.isfinite(gradient).all()):
        what = "loss or gradient are not finite"
    elif len(losses) > DIVERGENCE_WINDOW and np.mean(losses[-DIVERGENCE_WINDOW:]) > DIVERGENCE_RATIO * max(
        losses[0], guessing
    ):
        mean = np.mean(losses[-DIVERGENCE_WINDOW:])
        what = f"the mean loss of the last {DIVERGENCE_WINDOW} iterations is {mean:.3g}, it was {losses[0]:.3g} at the start"
    else:
        return
    raise _diverged_error(losses, learning_rate, what)


def check_better_than_guessing(losses: Sequence[float], window: int, *, learning_rate: float, guessing: float) -> None:
    """Check a loss that is flat; arguments are those of :func:`has_constant_energy` and :func:`check_divergence`.

    Raises:
        Diverged: it is flat above ``GUESSING_LOSS_RATIO`` times the loss of guessing, which a readout of zeros would reach.
    """
    import numpy as np

    mean = np.mean(losses[-window:])
    if mean > GUESSING_LOSS_RATIO * guessing:
        what = f"the loss is flat at {mean:.3g}, guessing all classes alike has {guessing:.3g}"
        raise _diverged_error(losses, learning_rate, what)


def _diverged_error(losses: Sequence[float], learning_rate: float, what: str) -> Diverged:
    return Diverged(
        f"training diverged at iteration {len(losses)} with learning rate {learning_rate:g}: {what}",
        remedy="Lower the learning rate, for example to a tenth.",
        field="training.learning_rate",
    )


def iteration_limit_message(losses: Sequence[float], window: int) -> str:
    """Return in words that a training used its iterations up before its loss was flat."""
    return f"the loss was not flat over {window} iterations when all {len(losses)} were used up; it ended at {losses[-1]:.4g}"


def not_converged_error(losses: Sequence[float], window: int, *, learning_rate: float) -> NotConverged:
    """Return the error of a training that had to converge and did not."""
    return NotConverged(
        iteration_limit_message(losses, window),
        remedy=(
            f"Allow more iterations (max_iterations, at least {2 * window}), change the learning rate (now {learning_rate:g}),"
            " or accept the last state (must_converge: false)."
        ),
        field="training.learning_rate",
    )
