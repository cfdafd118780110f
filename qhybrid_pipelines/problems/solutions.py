"""The best assignments of every run: as measured, after repair, and after the local search that random samples get too."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U8, assignment_text, high_bits, low_word
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.problems.evaluation import (
    Evaluation,
    Problem,
    distinct_rows,
    evaluate,
    evaluate_distinct,
    is_better,
    reevaluate,
)
from qhybrid_pipelines.problems.measured_counts import (
    I64,
    MeasuredCounts,
    RunOutcomes,
    group_sorted_rows,
    outcomes_by_run,
)
from qhybrid_pipelines.problems.post_processing import improve, repair

QUANTUM = "quantum"
QUANTUM_REPAIR = "quantum+repair"
QUANTUM_LOCAL_SEARCH = "quantum+local_search"

#: Distinct assignments kept per run and source.
SOLUTIONS_PER_RUN = 3


def best_solutions(
    problem: Problem, reduced_model: ReducedModel, measured: MeasuredCounts, raw: Evaluation, *, incumbent: U8
) -> dict[str, Any]:
    """Return the columns of the table `scored_solutions` from ``source`` on.

    Args:
        problem: the original instance.
        reduced_model: what was sent.
        measured: what came back.
        raw: what its distinct outcomes are worth as measured.
        incumbent: shape ``(n,)``, the assignment known before.
    """
    rows = reduced_model.expand(measured.distinct_outcomes)
    repaired = repair(problem, rows)
    improved = improve(problem, repaired, np.flatnonzero(reduced_model.root >= 0))
    runs = outcomes_by_run(measured)
    source: list[str] = []
    chosen, rank, top_assignments = [], [], []
    for name, assignments, worth in (
        (QUANTUM, rows, raw),
        (QUANTUM_REPAIR, repaired, reevaluate(problem, raw, old=rows, new=repaired)),
        (QUANTUM_LOCAL_SEARCH, improved, evaluate_distinct(problem, improved)),
    ):
        top, place = _best_rows_by_run(runs, assignments, worth)
        source += [name] * len(top)
        chosen.append(top)
        rank.append(place)
        top_assignments.append(assignments[runs.outcome[top]])
    top = np.concatenate(chosen)
    return {
        "source": source,
        "repetition": runs.repetition[top],
        "rank": np.concatenate(rank),
        "point": runs.point[top],
        "bits": low_word(measured.distinct_outcomes[runs.outcome[top]]),
        "high_bits": high_bits(measured.distinct_outcomes[runs.outcome[top]]),
        "count": runs.count[top],
        **_objective_columns(problem, np.concatenate(top_assignments), incumbent),
    }


def _best_rows_by_run(runs: RunOutcomes, assignments: U8, worth: Evaluation) -> tuple[I64, I64]:
    """Return rows of ``runs`` with the best distinct assignments of each run, and their ranks from 1.

    Args:
        runs: outcomes of each run.
        assignments: what each distinct outcome leads to, shape ``(number of distinct outcomes, n)``.
        worth: what those assignments are worth.

    Of several outcomes that lead to the same assignment the most frequent one stands for it.
    """
    first, identity = distinct_rows(assignments)
    _, begins = group_sorted_rows(runs.repetition)
    chosen, rank = [], []
    for begin, end in pairwise([*begins, len(runs.outcome)]):
        outcome, count = runs.outcome[begin:end], runs.count[begin:end]
        distinct = _most_frequent(identity[outcome], count, number=len(first))
        found = worth.rows(outcome[distinct])
        contenders = distinct[found.best_mask(SOLUTIONS_PER_RUN)]
        best = worth.rows(outcome[contenders]).ranking(outcome[contenders])[:SOLUTIONS_PER_RUN]
        chosen.append(begin + contenders[best])
        rank.append(np.arange(1, len(best) + 1))
    return _concatenate(chosen), _concatenate(rank)


def _most_frequent(assignment: I64, count: I64, *, number: int) -> I64:
    """Return for each assignment that occurs the row where it was measured most often, the first of several.

    Args:
        assignment: of each row, below ``number``.
        count: of each row, in shots, at least 1.
        number: of assignments.
    """
    most = np.zeros(number, dtype=np.int64)
    np.maximum.at(most, assignment, count)
    rows = np.flatnonzero(count == most[assignment])[::-1]
    first = np.full(number, -1, dtype=np.int64)
    first[assignment[rows]] = rows  # of rows with the same assignment the last one written stays, which is the first
    return first[first >= 0]


def _concatenate(parts: list[I64]) -> I64:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _objective_columns(problem: Problem, assignments: U8, incumbent: U8) -> dict[str, Any]:
    """Return the columns that are recomputed from the assignments themselves on the original instance."""
    family, instance = problem.family, problem.instance
    known = evaluate(problem, incumbent[None, :])
    before = (float(known.objective[0]), bool(known.feasible[0]))
    found = evaluate(problem, assignments)
    worths = list(zip(found.objective.tolist(), found.feasible.tolist(), strict=True))
    return {
        "objective": found.objective,
        "feasible": found.feasible,
        "violation": [
            "" if feasible else family.violation(instance, row)
            for row, feasible in zip(assignments, found.feasible.tolist(), strict=True)
        ],
        "assignment": [assignment_text(row) for row in assignments],
        "improves_incumbent": [worth[1] and is_better(family, worth, before) for worth in worths],
    }
