"""What follows from one attempt to deliver: when the next one is due, and when an endpoint has failed for too long.

Pure: time and chance are given.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds between two attempts, from the first failure on: a restart of the receiver costs seconds, an outage no flood.
DELAYS_SECONDS = (1, 2, 5, 15, 60, 300, 1800, 7200, 18_000, 36_000, 36_000)
#: An attempt is moved by up to this share, so that receivers that failed together are not asked together.
JITTER = 0.2
#: An endpoint that took nothing for so long is disabled.
DISABLE_AFTER_SECONDS = 5 * 86_400
#: A receiver may ask for a longer pause, up to here.
LONGEST_PAUSE_SECONDS = 86_400
_GONE = 410


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt.

    Attributes:
        delivered: the receiver has acknowledged.
        status: of its answer; None where there was none.
        problem: why it was not delivered, one sentence without anything that the receiver wrote.
        retry_after_seconds: when it asked to come back.
    """

    delivered: bool
    status: int | None = None
    problem: str = ""
    retry_after_seconds: float | None = None


def pause_seconds(failures: int, chance: float, retry_after_seconds: float | None = None) -> float:
    """Return how long to wait after so many failures in a row.

    Args:
        failures: at least 1.
        chance: between 0 and 1.
        retry_after_seconds: what the receiver has asked for; a longer time than ours is kept.
    """
    ours = DELAYS_SECONDS[min(failures, len(DELAYS_SECONDS)) - 1] * (1 + JITTER * (2 * chance - 1))
    return max(ours, min(retry_after_seconds or 0.0, LONGEST_PAUSE_SECONDS))


def is_given_up(failures: int) -> bool:
    """Tell whether a message that was tried so often is set aside, so that what comes after it has its turn."""
    return failures > len(DELAYS_SECONDS)


def disabled_because(attempt: Attempt, *, failing_seconds: float) -> str | None:
    """Return why an endpoint is disabled after an attempt; None where it is not.

    Args:
        attempt: the last one.
        failing_seconds: since the first failure after the last success.
    """
    if attempt.delivered:
        return None
    if attempt.status == _GONE:
        return "The receiver says that it is gone (410)."
    if failing_seconds >= DISABLE_AFTER_SECONDS:
        return f"It took nothing for {DISABLE_AFTER_SECONDS // 86_400} days."
    return None


def longest_pause_seconds() -> float:
    """Return what no pause is longer than."""
    return max(DELAYS_SECONDS[-1] * (1 + JITTER), LONGEST_PAUSE_SECONDS)
