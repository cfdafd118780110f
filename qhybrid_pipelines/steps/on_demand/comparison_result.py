"""The result of comparing two executions, of whichever kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from qhybrid_pipelines.classical.count_comparison import CountDifference
from qhybrid_pipelines.problems.execution_differences import ChangedFact, describe_difference
from qhybrid_pipelines.steps.values_from_rows import Row

AnyExecution = TypeVar("AnyExecution")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two executions compared.

    Attributes:
        before: key and backend of the first.
        after: key and backend of the second.
        changes: recorded facts that differ.
        figures: one row per figure: ``figure``, ``before``, ``after``.
        points: points that were compared: the same of both, or the best of each.
        counts: what the counts say; None where they cannot be compared.
        conclusion: in a sentence.
        quantity: what the counts' ``energy_change`` is the change of.
    """

    before: str
    after: str
    changes: tuple[ChangedFact, ...]
    figures: tuple[Row, ...]
    points: tuple[tuple[int, int], ...]
    counts: CountDifference | None
    conclusion: str
    quantity: str = "energy"


def pair_by_backend(experiments: Sequence[Mapping[str, AnyExecution]]) -> Iterator[tuple[AnyExecution, AnyExecution]]:
    """Yield the first experiment's executions with those of each other, on every backend that both have; else the first of each."""
    first, *others = experiments
    for other in others:
        for before, after in [(b, b) for b in first if b in other] or [(next(iter(first)), next(iter(other)))]:
            yield first[before], other[after]


def conclude(changes: Sequence[ChangedFact], counts: CountDifference | None, *, reason: str | None) -> str:
    """Return the outcome of a comparison in one sentence; ``reason`` says why its counts are missing, if they are."""
    if counts is None:
        return f"The counts cannot be compared: {reason}. What can be compared is above."
    return describe_difference(
        changes, beyond_shot_noise=counts.is_beyond_shot_noise, identical=counts.identical, p_value=counts.p_value
    )
