"""What happens after a verdict: accept the quantum answer, go on with a next round, or fall back to a classical one.

The current answer is always the best that any source knows; `accept` says that the quantum answer is that one, or
as good. A verdict alone does not accept: an answer within the margin of a better one is still the worse answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.vocabulary.verdicts import DecisionKind, Verdict
from qhybrid_pipelines.problems.evaluation import is_better
from qhybrid_pipelines.problems.family import Family
from qhybrid_pipelines.problems.final_answer import CandidateAnswer, best_quantum_answer, final_answer, incumbent_answer
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.next_round import NextRound, plan_next_round
from qhybrid_pipelines.problems.point_scores import best_point
from qhybrid_pipelines.problems.source_sense import is_negated, stated
from qhybrid_pipelines.problems.table_columns import Columns, to_columns, to_rows
from qhybrid_pipelines.problems.verdict import format_number


def decide(
    family: Family,
    instance: Instance,
    spec: ExperimentSpec,
    *,
    experiment: str,
    backend: str,
    reduced_model_row: Mapping[str, Any],
    comparison_row: Mapping[str, Any],
    angles: Mapping[int, Sequence[float]],
    point_scores: Columns,
    scored_solutions: Columns,
    baselines: Columns,
) -> dict[str, Any]:
    """Return the row of the table `decisions`, without experiment and backend.

    Args:
        family: of the instance.
        instance: the original one.
        spec: of this round.
        experiment: its key.
        backend: the backend decided on.
        reduced_model_row: row of `reduced_models`.
        comparison_row: row of `baseline_comparisons`.
        angles: of every point that was run, radians.
        point_scores: rows of `point_scores`; none where nothing was measured.
        scored_solutions: rows of `scored_solutions`.
        baselines: rows of `baselines`.
    """
    measured = best_quantum_answer(family, to_rows(scored_solutions))
    before = incumbent_answer(family, instance, reduced_model_row)
    final = final_answer(family, measured, before, to_rows(baselines))
    as_good = (
        measured is not None
        and measured.solution_value[1]
        and not is_better(family, final.solution_value, measured.solution_value)
    )
    next_round: NextRound | None = None
    reason = _reason_to_accept(final, comparison_row, as_good=as_good)
    if reason is None and measured is not None:
        improved = is_better(family, measured.solution_value, before.solution_value)
        next_round = plan_next_round(
            spec,
            experiment=experiment,
            backend=backend,
            incumbent=(measured if improved else before).assignment,
            improved=improved,
            reduced_model_row=reduced_model_row,
            comparison_row=comparison_row,
            best_angles=_best_angles(angles, point_scores),
        )
    decision, reason = _choose_decision(reason, next_round, measured, final, comparison_row, as_good=as_good)
    return {
        "instance": instance.name,
        "decision": str(decision),
        "reason": reason,
        "round": spec.lineage.round,
        "next_experiment": next_round.key if next_round else None,
        "next_specification": next_round.specification if next_round else None,
        "adjusted": next_round.adjusted if next_round else None,
        "final_source": final.source,
        "final_objective": final.solution_value[0],
        "final_feasible": final.solution_value[1],
        "final_assignment": final.assignment,
    }


def _reason_to_accept(final: CandidateAnswer, comparison_row: Mapping[str, Any], *, as_good: bool) -> str | None:
    """Return why the answer is accepted whatever rounds are left, None if it is not.

    Args:
        final: the best answer of any source.
        comparison_row: row of `baseline_comparisons`.
        as_good: the best quantum answer is feasible and no worse than that.
    """
    verdict, value = comparison_row["verdict"], _say(final.solution_value[0], comparison_row)
    if verdict == Verdict.SOLVED_BY_REDUCTION:
        return f"Reduction proved the optimum {value}."
    if not as_good:
        return None
    had = "" if final.is_quantum else f"; {final.source} had it without a circuit"
    if comparison_row["optimum"] is not None:
        # Nothing is better than a proved optimum, and the final answer is at least as good as what reached it.
        return f"The quantum answer {value} is the proved optimum{had}."
    if verdict in (Verdict.QUANTUM_BETTER, Verdict.TIE):
        return f"No answer is better than the quantum answer {value}, and the verdict is {verdict}{had}."
    return None


def _choose_decision(
    accepted: str | None,
    next_round: NextRound | None,
    measured: CandidateAnswer | None,
    final: CandidateAnswer,
    comparison_row: Mapping[str, Any],
    *,
    as_good: bool,
) -> tuple[DecisionKind, str]:
    value = _say(final.solution_value[0], comparison_row)
    if accepted is not None:
        return DecisionKind.ACCEPT, accepted
    if next_round is not None:
        known = (
            ""
            if comparison_row["optimum"] is None
            else f"; the proved optimum is {_say(comparison_row['optimum'], comparison_row)}"
        )
        return (
            DecisionKind.CONTINUE,
            f"Verdict {comparison_row['verdict']}{known}; a round with other parameters is left.",
        )
    if as_good:
        had = "" if final.is_quantum else f" {final.source} had it without a circuit."
        best = f"No answer is better than the quantum answer {value}, and no round is left to try."
        return DecisionKind.ACCEPT, f"{best}{had}"
    if measured is None:
        stands = f"Nothing was measured; the answer of {final.source}, {value}, stands."
        return DecisionKind.FALL_BACK, f"{stands} {comparison_row['reason']}"
    return DecisionKind.FALL_BACK, (
        f"The quantum answer {_say(measured.solution_value[0], comparison_row)} is not as good as {value} of {final.source}, which stands."
    )


def _say(objective: float, comparison_row: Mapping[str, Any]) -> str:
    """Return an objective as people write it, and as its source means it."""
    return format_number(stated(objective, negated=is_negated(comparison_row)))


def _best_angles(angles: Mapping[int, Sequence[float]], point_scores: Columns) -> list[float] | None:
    best = best_point(to_columns(point_scores))
    return None if best is None else list(angles[best])
