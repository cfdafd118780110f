"""One line per execution: who won, how large it was, how long it took."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.core.learning_specification import LearningSpec
from qhybrid_pipelines.core.sampling_specification import SamplingSpec
from qhybrid_pipelines.core.specification import ExperimentSpec
from qhybrid_pipelines.steps.learning.verdict_summary import learning_verdicts
from qhybrid_pipelines.steps.sampling.verdict_summary import count_verdicts, sampling_verdicts
from qhybrid_pipelines.steps.values_from_rows import LEARNING_FAMILY, SAMPLING_FAMILY, Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.label_store import LabelStore, read_labels
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.specifications import Specifications

_COMPARISON_COLUMNS = (
    "instance",
    "family",
    "n_variables",
    "n_qubits",
    "best_quantum",
    "best_quantum_raw",
    "random_corrected_ratio",
    "shots_to_target_99",
    "random_shots_to_target_99",
    "target_reached",
    "noise_like",
    "best_classical",
    "best_solver",
    "reference",
    "ratio",
    "verdict",
    "reason",
)


#: Stands for the verdict of an experiment of which a file is damaged.
UNREADABLE = "cannot be read"


def verdicts(
    keys: Iterable[str], lake: Lake, specifications: Specifications, damage: Damage | None = None
) -> list[Row]:
    """Return the verdicts of some optimisations, those without one left out, and those that cannot be read.

    ``seconds`` is reduction, all baselines, and the job from intent to stored result.
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
        rows.append(
            {
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
        )
    return rows


def registered(
    lake: Lake, specifications: Specifications, labels: LabelStore, *, tag: str | None = None, archived: bool = False
) -> list[Row]:
    """Return one line per registered experiment and backend, with the verdict where there is one.

    Args:
        lake: holds the verdicts.
        specifications: the register.
        labels: owner and tags, which have columns of their own where any experiment has some.
        tag: only experiments that have it.
        archived: those that were archived as well.
    """
    labelled = {key: read_labels(labels.home, key) for key in specifications}
    chosen = [
        key
        for key, found in labelled.items()
        if (archived or not found.archived) and (tag is None or tag in found.tags)
    ]
    rows = _registered_rows(chosen, lake, specifications)
    if any(labelled[key].owner or labelled[key].tags for key in chosen):
        for row in rows:
            found = labelled[row["experiment"]]
            row |= {"owner": found.owner, "tags": ", ".join(found.tags)}
    return rows


def _registered_rows(chosen: list[str], lake: Lake, specifications: Specifications) -> list[Row]:
    damage = Damage()
    decided = {(row["experiment"], row["backend"]): row for row in verdicts(chosen, lake, specifications, damage)}
    learnt = learning_verdicts(chosen, lake, specifications, damage)
    sampled = sampling_verdicts(chosen, lake, specifications, damage)
    readable = dict(load_readable(specifications, chosen, damage))
    rows: list[Row] = []
    for key in chosen:
        if key in damage.problems:
            rows.append(
                {
                    "experiment": key,
                    "backend": "",
                    "family": "",
                    "round": None,
                    "verdict": f"{UNREADABLE}: {damage.problems[key]}",
                    "decision": None,
                }
            )
            continue
        spec = readable[key]
        if isinstance(spec, LearningSpec):
            words = sorted({row["verdict"] for row in learnt if row["experiment"] == key})
            rows.append(
                {
                    "experiment": key,
                    "backend": ", ".join(spec.backends) or "exact",
                    "family": LEARNING_FAMILY,
                    "round": 1,
                    "verdict": ", ".join(words) or "not decided",
                    "decision": None,
                }
            )
            continue
        for backend in spec.backends:
            if isinstance(spec, SamplingSpec):
                own = [row for row in sampled if (row["experiment"], row["backend"]) == (key, backend)]
                rows.append(
                    {
                        "experiment": key,
                        "backend": backend,
                        "family": SAMPLING_FAMILY,
                        "round": 1,
                        "verdict": count_verdicts(own) or "not decided",
                        "decision": None,
                    }
                )
                continue
            row = decided.get((key, backend), {})
            rows.append(
                {
                    "experiment": key,
                    "backend": backend,
                    "family": spec.problem.family,
                    "round": spec.lineage.round,
                    "verdict": row.get("verdict", "not decided"),
                    "decision": row.get("decision"),
                }
            )
    return rows
