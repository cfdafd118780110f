"""The result of comparing two executions, of whichever kind."""

from __future__ import annotations

from dataclasses import dataclass

from qhybrid_pipelines.classical.count_comparison import CountDifference
from qhybrid_pipelines.problems.execution_differences import ChangedFact
from qhybrid_pipelines.steps.values_from_rows import Row


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
