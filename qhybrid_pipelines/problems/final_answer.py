"""The answer that stands: the best that any source knows, the quantum one if several are equally good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.core.bits import assignment_array
from qhybrid_pipelines.problems.evaluation import Worth, is_better
from qhybrid_pipelines.problems.family import Family
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.solutions import QUANTUM, QUANTUM_LOCAL_SEARCH, QUANTUM_REPAIR

Rows = Sequence[Mapping[str, Any]]

#: The less was done after measuring, the earlier.
_SOURCES = (QUANTUM, QUANTUM_REPAIR, QUANTUM_LOCAL_SEARCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An assignment as text, what it is worth, and who found it."""

    source: str
    worth: Worth
    assignment: str

    @property
    def is_quantum(self) -> bool:
        """Whether it came out of measured counts."""
        return self.source in _SOURCES


def quantum_answer(family: Family, solutions: Rows) -> Answer | None:
    """Return the best measured answer; None without any."""
    return _best(family, _measured(solutions))


def known_before(family: Family, instance: Instance, kernel_row: Mapping[str, Any]) -> Answer:
    """Return the answer that was known before anything quantum."""
    row = assignment_array(kernel_row["incumbent"])[None, :]
    worth = (float(family.objective(instance, row)[0]), bool(family.feasible(instance, row)[0]))
    return Answer(source=kernel_row["incumbent_source"], worth=worth, assignment=kernel_row["incumbent"])


def final_answer(family: Family, measured: Answer | None, before: Answer, baselines: Rows) -> Answer:
    """Return the best answer of all; equal ones in the order measured, known before, baselines."""

    def candidates() -> Iterator[Answer]:
        if measured is not None:
            yield measured
        yield before
        for row in baselines:
            if row["objective"] is not None:
                yield Answer(
                    source=row["solver"], worth=(row["objective"], row["feasible"]), assignment=row["assignment"]
                )

    best = _best(family, candidates())
    assert best is not None
    return best


def _measured(solutions: Rows) -> Iterator[Answer]:
    for source in _SOURCES:
        for row in solutions:
            if row["source"] == source:
                yield Answer(source=source, worth=(row["objective"], row["feasible"]), assignment=row["assignment"])


def _best(family: Family, answers: Iterator[Answer]) -> Answer | None:
    best = next(answers, None)
    for answer in answers:
        assert best is not None
        if is_better(family, answer.worth, best.worth):
            best = answer
    return best
