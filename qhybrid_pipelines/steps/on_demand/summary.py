"""One line per execution: who won, how large it was, how long it took."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.problems.source_sense import as_stated, is_negated
from qhybrid_pipelines.steps.on_demand.run_table import FIGURES
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.values_from_rows import Row
    from qhybrid_pipelines.storage.specifications import Specifications

_COMPARISON_COLUMNS = (
    "instance",
    "family",
    "sense",
    "n_variables",
    "n_qubits",
    "best_quantum",
    *FIGURES,
    "target_reached",
    "noise_like",
    "best_classical",
    "best_solver",
    "reference",
    "ratio",
    "verdict",
    "reason",
)


def verdicts(
    keys: Iterable[str], lake: Lake, specifications: Specifications, damage: Damage | None = None
) -> list[Row]:
    """Return the verdicts of some optimisations, those without one left out, and those that cannot be read.

    Objectives are as their source means them. ``seconds`` is reduction, all baselines, and the job from intent to stored result.
    """
    rows: list[Row] = []
    damage = damage or Damage()
    for key, spec in load_readable(specifications, keys, damage):
        if isinstance(spec, ExperimentSpec):
            with damage.of(key):
                rows += _verdict_rows(key, spec, lake)
    return rows


def _verdict_rows(key: str, spec: ExperimentSpec, lake: Lake) -> list[Row]:
    rows: list[Row] = []
    for backend in spec.backends:
        execution = PartitionKey(experiment=key, backend=backend)
        if not lake.exists(schemas.DECISIONS, execution):
            continue
        comparison = lake.read(schemas.BASELINE_COMPARISONS, execution).to_pylist()[0]
        decision = lake.read(schemas.DECISIONS, execution).to_pylist()[0]
        prepared = PartitionKey(experiment=key)
        seconds = (
            (pc.sum(lake.read(schemas.REDUCED_MODELS, prepared).column("reduction_seconds")).as_py() or 0.0)
            + (pc.sum(lake.read(schemas.BASELINES, prepared).column("seconds")).as_py() or 0.0)
            + (comparison["quantum_seconds"] or 0.0)
        )
        row = {
            "experiment": key,
            "backend": backend,
            "round": spec.lineage.round,
            **{name: comparison[name] for name in _COMPARISON_COLUMNS},
            "decision": decision["decision"],
            "next_experiment": decision["next_experiment"],
            "final_objective": decision["final_objective"],
            "final_source": decision["final_source"],
            "seconds": seconds,
        }
        rows.append(as_stated(row, negated=is_negated(comparison)))
    return rows
