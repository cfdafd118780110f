"""Replaying a bundle: every step from the problem to the decision is done again, on the answers that were kept.

No provider is asked, nothing is planned or sent, and nothing stays in the home: what is registered lies in a folder that is removed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, RawResult
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, FileSource
from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.problems.comparison import compare
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.quantum.depth import DepthChoice
from qhybrid_pipelines.steps.execute.circuit_batches import Embed, circuit_batches
from qhybrid_pipelines.steps.execute.qpu_result_sets import place_counts, sub_batch_for
from qhybrid_pipelines.steps.interpret.baseline_comparisons import about_sweep
from qhybrid_pipelines.steps.interpret.decisions import decisions
from qhybrid_pipelines.steps.interpret.scored_solutions import scores
from qhybrid_pipelines.steps.on_demand.bundles import unmeasured_row
from qhybrid_pipelines.steps.prepare.baselines import baselines
from qhybrid_pipelines.steps.prepare.experiments import experiments
from qhybrid_pipelines.steps.prepare.parameter_sweeps import parameter_sweeps
from qhybrid_pipelines.steps.prepare.problem_instances import problem_instances
from qhybrid_pipelines.steps.prepare.reduced_models import reduced_models
from qhybrid_pipelines.steps.values_from_rows import Row, get_row, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.bundle_files import SPECIFICATION, Bundle
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import empty, from_rows

#: Figures of another machine may differ in their last digits.
RELATIVE_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedExecution:
    """What came of an execution.

    Attributes:
        backend: where it ran.
        verdict: as it was bundled.
        replayed: as it comes out here.
        decision: as it comes out here.
        differences: columns of verdict and decision that differ, none where the replay is the same.
    """

    backend: str
    verdict: str
    replayed: str
    decision: str
    differences: tuple[str, ...]


def replay_bundle(bundle: Bundle, home: Home, control_plane: ControlPlane) -> list[ReplayedExecution]:
    """Do every step of a bundled experiment again, and compare verdicts and decisions.

    Args:
        bundle: with the answers.
        home: whose folder for unfinished files is used.
        control_plane: has the decoders of the providers.

    Raises:
        InvalidInput: the bundle is incomplete, its circuits are not those that this release makes, or there is no such
            provider here.
        CorruptResult: today's decoder refuses an answer.
    """
    key = str(bundle.facts.get("experiment"))
    try:
        spec = ExperimentSpec.model_validate_json(bundle.files[SPECIFICATION])
        sources = (spec.problem.source, spec.problem.circuit, spec.sweep.file)
        named = [source for source in sources if isinstance(source, FileSource)]
        contents = {source.sha256: bundle.files[f"blobs/{source.sha256}"] for source in named}
        executions = list(bundle.facts["executions"])
    except (ValueError, KeyError, TypeError):
        raise InvalidInput("the bundle is incomplete", remedy="Make it again with `qhybrid bundle KEY`.") from None
    with files.scratch_folder(home.tmp) as folder:
        aside = Specifications(Home(folder))
        parts = (contents[source.sha256] if isinstance(source, FileSource) else None for source in sources)
        aside.register(spec, *parts, key=key)
        return _replay(key, executions, bundle, aside, control_plane)


def _chosen_depth(executions: Sequence[Row]) -> DepthChoice | None:
    """Return the depth that was chosen by the gate errors of its day; None of a bundle that does not say."""
    layers, reason = executions[0].get("layers"), executions[0]["comparison"].get("depth_reason")
    return None if layers is None or reason is None else DepthChoice(layers=layers, reason=reason)


def _replay(
    key: str, executions: Sequence[Row], bundle: Bundle, aside: Specifications, control_plane: ControlPlane
) -> list[ReplayedExecution]:
    experiment_table = experiments([key], aside)
    instances = problem_instances(experiment_table, aside)
    reduced = reduced_models(experiment_table, instances)
    points = parameter_sweeps(experiment_table, reduced, aside, chosen_depth=_chosen_depth(executions))
    classical = baselines(experiment_table, instances, reduced)
    replayed = []
    for execution in executions:
        pair = (str(execution["backend"]), key)
        steps = from_rows(schemas.OPTIMISER_STEPS, execution.get("optimiser_steps", ()))
        batches = circuit_batches(
            [pair],
            experiment_table,
            instances,
            reduced,
            points,
            specifications=aside,
            optimiser_steps=steps,
            embed=_kept_embedding(execution),
        )
        counts = _counts(batches, execution["parts"], bundle, control_plane)
        point_scores, solutions = scores([pair], experiment_table, instances, reduced, counts)
        instance = Instance.from_row(get_row(instances, key))
        verdict = compare(
            family_named(instance.family),
            instance,
            get_row(reduced, key),
            point_scores=select_rows(point_scores, key, pair[0]),
            scored_solutions=select_rows(solutions, key, pair[0]),
            baselines=select_rows(classical, key),
            **about_sweep(points, key),
            without_counts=execution["without_counts"],
            failed_circuits=execution.get("failed_circuits"),
        )
        compared = from_rows(schemas.BASELINE_COMPARISONS, [{"experiment": key, "backend": pair[0], **verdict}])
        decided = decisions(
            [pair],
            experiments=experiment_table,
            problem_instances=instances,
            reduced_models=reduced,
            parameter_sweeps=points,
            optimiser_steps=steps,
            point_scores=point_scores,
            scored_solutions=solutions,
            baselines=classical,
            baseline_comparisons=compared,
        )
        now = {
            "comparison": unmeasured_row(compared, schemas.BASELINE_COMPARISONS),
            "decision": unmeasured_row(decided, schemas.DECISIONS),
        }
        replayed.append(
            ReplayedExecution(
                backend=pair[0],
                verdict=str(execution["comparison"]["verdict"]),
                replayed=str(now["comparison"]["verdict"]),
                decision=str(now["decision"]["decision"]),
                differences=tuple(
                    chain.from_iterable(_differences(table, execution[table], row) for table, row in now.items())
                ),
            )
        )
    return replayed


def _kept_embedding(execution: Row) -> Embed:
    """Return what finds the embedding of an execution in its bundle."""
    return lambda *_: Embedding.from_dict(execution["embedding"])


def _counts(batches: pa.Table, parts: Sequence[Row], bundle: Bundle, control_plane: ControlPlane) -> pa.Table:
    tables = [empty(schemas.QPU_RESULT_SETS)]
    rows = batches.to_pylist()
    if not rows and parts:
        raise _other_circuits()
    batches_by_point = [(row["first_point"] or 0, batch_from_row(row)) for row in rows]
    for part in parts:
        first_point, batch = next(one for one in reversed(batches_by_point) if one[0] <= part["first_point"])
        tables.append(_decode(batch, first_point, part, bundle, control_plane))
    return pa.concat_tables(tables)


def _decode(batch: Batch, first_point: int, part: Row, bundle: Bundle, control_plane: ControlPlane) -> pa.Table:
    sub_batch = sub_batch_for(batch, part, first_point)
    if sub_batch.batch.payload_sha256 != part["payload_sha256"]:
        raise _other_circuits()
    ref = JobRef(provider=part["provider"], backend=part["backend"], provider_job_id=part["provider_job_id"])
    content = bundle.files[f"raw/{part['result_sha256']}"]
    raw = RawResult(ref=ref, content=content, content_type=part["content_type"])
    counts = control_plane.decode(raw, replace(sub_batch.batch, backend=part["backend"]))
    return place_counts(counts, sub_batch, batch, part["job_id"])


def _other_circuits() -> InvalidInput:
    return InvalidInput(
        "the circuits that this release makes are not those that were run",
        remedy="Replay the bundle with the versions that its manifest names.",
    )


def _differences(table: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [f"{table}.{name}" for name in sorted({*before, *now}) if not _is_equal(before.get(name), now.get(name))]


def _is_equal(before: object, now: object) -> bool:
    """Tell whether two values are the same, but for the last digits of numbers; one of them came through JSON."""
    if isinstance(before, list | tuple) and isinstance(now, list | tuple):
        return len(before) == len(now) and all(map(_is_equal, before, now))
    if isinstance(before, dict) and isinstance(now, dict):
        return before.keys() == now.keys() and all(_is_equal(before[name], now[name]) for name in before)
    if isinstance(before, float | int) and isinstance(now, float | int) and not isinstance(before, bool):
        return math.isclose(before, now, rel_tol=RELATIVE_TOLERANCE, abs_tol=RELATIVE_TOLERANCE)
    return before == now
