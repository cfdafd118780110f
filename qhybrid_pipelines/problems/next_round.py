"""The specification of a next round: another subproblem, or the same reduced model with one layer more or a closer sweep.

The subproblem follows from the seed and the incumbent. A round that looks elsewhere gets a new seed; one that looks closer
keeps seed and incumbent, and with them the reduced model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.seeds import derive_seed_31bit
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.experiment_specification import (
    MAX_LAYERS,
    ExperimentSpec,
    Lineage,
    SweepSpec,
)
from qhybrid_pipelines.core.vocabulary.verdicts import Verdict
from qhybrid_pipelines.problems.evaluation import objective_tolerance
from qhybrid_pipelines.problems.reduction import is_proved
from qhybrid_pipelines.quantum.angle_search import stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRound:
    """A next round: its specification, and what it changes in one sentence."""

    spec: ExperimentSpec
    adjusted: str

    @property
    def key(self) -> str:
        """Key of the next experiment."""
        return experiment_key(self.spec)

    @property
    def specification(self) -> str:
        """The specification as canonical JSON."""
        return canonical_json(self.spec.model_dump(mode="json"))


def plan_next_round(
    spec: ExperimentSpec,
    *,
    experiment: str,
    backend: str,
    incumbent: str,
    improved: bool,
    reduced_model_row: Mapping[str, Any],
    comparison_row: Mapping[str, Any],
    best_angles: Sequence[float] | None,
) -> NextRound | None:
    """Return the next round, or None where none is left or no adjustment promises anything.

    Args:
        spec: of the round that was decided on.
        experiment: its key.
        backend: the backend it ran on; rounds of different backends go their own ways.
        incumbent: best assignment that this line of rounds knows, first variable first. Baselines do not count: a
            quantum answer that only repeats theirs would add nothing.
        improved: the measured answers are better than the incumbent of this round.
        reduced_model_row: row of `reduced_models`.
        comparison_row: row of `baseline_comparisons`.
        best_angles: angles of the best point of the sweep, in radians.
    """
    if spec.lineage.round >= spec.rounds.max:
        return None
    lineage = Lineage(
        round=spec.lineage.round + 1,
        parent=experiment,
        root=spec.lineage.root or experiment,
        incumbent=incumbent,
    )
    has_subproblem = any(step["step_name"] == "subproblem" for step in reduced_model_row["reduction_steps"])
    at_ceiling = comparison_row["verdict"] == Verdict.REDUCED_MODEL_CEILING or _has_no_room(
        reduced_model_row, comparison_row
    )
    # A circuit from a file was written for its reduced model, and would mean nothing on another one.
    if has_subproblem and (improved or at_ceiling) and spec.problem.circuit is None:
        changed = {
            "lineage": lineage,
            "backends": (backend,),
            "seed": derive_seed_31bit(spec.seed, "round", lineage.round),
        }
        if spec.sweep.strategy == "refine":
            # The centre belongs to the reduced model that is left behind.
            changed["sweep"] = SweepSpec(strategy="fixed_angles", points=spec.sweep.points)
        elif spec.sweep.is_loop:
            changed["sweep"] = spec.sweep.model_copy(update={"center": None})
        start = "the improved assignment" if improved else "the same assignment"
        return NextRound(
            spec=_change_specification(spec, changed), adjusted=f"Another subproblem around {start}, with a new seed."
        )
    # With another depth a recursion would eliminate other variables: that is not a closer look at the same reduced model.
    if comparison_row["reduced_model_optimum_reached"] or spec.ansatz.kind == "recursive_qaoa":
        return None
    if spec.sweep.strategy == "auto" and spec.ansatz.layers != "auto" and spec.ansatz.layers < MAX_LAYERS:
        # The angles are the best of this depth already; looking around them again would buy the same shots twice.
        ansatz = spec.ansatz.model_copy(update={"layers": spec.ansatz.layers + 1})
        changed = {"lineage": lineage, "backends": (backend,), "ansatz": ansatz}
        adjusted = f"The same reduced model with {ansatz.layers} layers instead of {spec.ansatz.layers}."
        return NextRound(spec=_change_specification(spec, changed), adjusted=adjusted)
    if best_angles and spec.sweep.strategy != "auto":
        return _refined_round(spec, lineage, backend, best_angles)
    return None


def _refined_round(spec: ExperimentSpec, lineage: Lineage, backend: str, best_angles: Sequence[float]) -> NextRound:
    """Return the round that goes on from the best angles, on the same reduced model."""
    if spec.sweep.is_loop:
        return _deeper_loop(spec, lineage, backend, best_angles)
    spread = spec.sweep.spread / 2 if spec.sweep.strategy == "refine" else SweepSpec().spread
    sweep = SweepSpec(strategy="refine", points=spec.sweep.points, center=tuple(map(float, best_angles)), spread=spread)
    changed = {"lineage": lineage, "backends": (backend,), "sweep": sweep}
    adjusted = f"The same reduced model, {sweep.points} points within {spread:g} of the best angles."
    return NextRound(spec=_change_specification(spec, changed), adjusted=adjusted)


def _deeper_loop(spec: ExperimentSpec, lineage: Lineage, backend: str, best_angles: Sequence[float]) -> NextRound:
    """Return the loop that goes on from the best angles: of QAOA with one layer more, as these are near the best of their depth."""
    center = np.array(best_angles)
    changed: dict[str, Any] = {"lineage": lineage, "backends": (backend,)}
    adjusted = "The same reduced model; the loop starts at the best angles of this one."
    if spec.problem.circuit is None and spec.ansatz.is_qaoa and spec.ansatz.depth < MAX_LAYERS:
        ansatz = spec.ansatz.model_copy(update={"layers": spec.ansatz.depth + 1})
        center, changed["ansatz"] = stretch(center), ansatz
        adjusted = f"The same reduced model with {ansatz.layers} layers instead of {spec.ansatz.layers}, from the best angles stretched."
    changed["sweep"] = spec.sweep.model_copy(update={"center": tuple(center.tolist())})
    return NextRound(spec=_change_specification(spec, changed), adjusted=adjusted)


def _has_no_room(reduced_model_row: Mapping[str, Any], comparison_row: Mapping[str, Any]) -> bool:
    """Return whether the reduced model, being only a part, has nothing above the incumbent, whatever word the verdict is."""
    optimum, incumbent = comparison_row["reduced_model_optimum"], comparison_row["incumbent_objective"]
    gain = (1 if comparison_row["sense"] == "max" else -1) * (optimum - incumbent)
    return (
        is_proved(reduced_model_row)
        and not reduced_model_row["exact"]
        and gain <= objective_tolerance(optimum, incumbent)
    )


def _change_specification(spec: ExperimentSpec, changed: dict[str, Any]) -> ExperimentSpec:
    """Return the specification with some fields changed, validated like one that a person wrote."""
    return ExperimentSpec.model_validate_json(canonical_json(spec.model_copy(update=changed).model_dump(mode="json")))
