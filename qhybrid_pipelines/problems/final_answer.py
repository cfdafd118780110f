"""The current answer: the best that any source knows, in the name of who needed least for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.core.binary_models.bits import assignment_array
from qhybrid_pipelines.problems.evaluation import SolutionValue, is_better
from qhybrid_pipelines.problems.family import Family
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.solutions import QUANTUM, QUANTUM_LOCAL_SEARCH, QUANTUM_REPAIR

Rows = Sequence[Mapping[str, Any]]

#: The less was done after measuring, the earlier.
_SOURCES = (QUANTUM, QUANTUM_REPAIR, QUANTUM_LOCAL_SEARCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateAnswer:
    """An assignment as text, what it is worth, and who found it."""

    source: str
    solution_value: SolutionValue
    assignment: str

    @property
    def is_quantum(self) -> bool:
        """Whether it came out of measured counts."""
        return self.source in _SOURCES


def best_quantum_answer(family: Family, solutions: Rows) -> CandidateAnswer | None:
    """Return the best measured answer; None without any."""
    return _best(family, _quantum_candidates(solutions))


def incumbent_answer(family: Family, instance: Instance, reduced_model_row: Mapping[str, Any]) -> CandidateAnswer:
    """Return the answer that was known before anything quantum."""
    row = assignment_array(reduced_model_row["incumbent"])[None, :]
    solution_value = (float(family.objective(instance, row)[0]), bool(family.feasible(instance, row)[0]))
    return CandidateAnswer(
        source=reduced_model_row["incumbent_source"],
        solution_value=solution_value,
        assignment=reduced_model_row["incumbent"],
    )


def final_answer(
    family: Family, measured: CandidateAnswer | None, before: CandidateAnswer, baselines: Rows
) -> CandidateAnswer:
    """Return the best answer of all; equal ones in the order known before, baselines, measured.

    A value that somebody had without a circuit is not credited to one.
    """

    def candidates() -> Iterator[CandidateAnswer]:
        yield before
        for row in baselines:
            if row["objective"] is not None:
                yield CandidateAnswer(
                    source=row["solver"],
                    solution_value=(row["objective"], row["feasible"]),
                    assignment=row["assignment"],
                )
        if measured is not None:
            yield measured

    best = _best(family, candidates())
    assert best is not None
    return best


def _quantum_candidates(solutions: Rows) -> Iterator[CandidateAnswer]:
    for source in _SOURCES:
        for row in solutions:
            if row["source"] == source:
                yield CandidateAnswer(
                    source=source, solution_value=(row["objective"], row["feasible"]), assignment=row["assignment"]
                )


def _best(family: Family, answers: Iterator[CandidateAnswer]) -> CandidateAnswer | None:
    best = next(answers, None)
    for answer in answers:
        assert best is not None
        if is_better(family, answer.solution_value, best.solution_value):
            best = answer
    return best
