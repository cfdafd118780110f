"""Packing a decided experiment into one file, with the answers of the providers as they were received."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.specifications.experiment_key import experiment_text
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, FileSource
from qhybrid_pipelines.steps.execute.embeddings import planned_embedding
from qhybrid_pipelines.steps.execute.qpu_result_sets import (
    explain_failed_circuits,
    explain_missing_counts,
    get_current_jobs,
)
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.bundle_files import SPECIFICATION, Bundle
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.removals import RemovalStore
from qhybrid_pipelines.storage.schemas import Table
from qhybrid_pipelines.storage.specifications import Specifications

#: Whose versions may change a number.
PACKAGES = (
    "qhybrid-pipelines",
    "numpy",
    "scipy",
    "qiskit",
    "pennylane",
    "dimod",
    "dwave-samplers",
    "ortools",
    "networkx",
)
PART_FIELDS = ("first_point", "points", "first_repetition", "repetitions")


def pack_experiment(
    key: str, home: Home, specifications: Specifications, lake: Lake, control_plane: ControlPlane
) -> Bundle:
    """Return the bundle of an experiment that is decided on all its backends.

    Raises:
        InvalidInput: it is not decided everywhere, or is a learning experiment.
        CorruptFile: a stored file is gone or changed.
    """
    spec = specifications.load(key)
    files = {SPECIFICATION: experiment_text(spec).encode()}
    for source in (spec.problem.source, spec.problem.circuit, spec.sweep.file):
        if isinstance(source, FileSource):
            files[f"blobs/{source.sha256}"] = specifications.read_source_file(source)
    raw = RawStore(home.raw, home.tmp, RemovalStore(home))
    executions = []
    for backend in spec.backends:
        partition = PartitionKey(experiment=key, backend=backend)
        if not lake.exists(schemas.DECISIONS, partition):
            raise InvalidInput(
                f"{key} is not decided on {backend} yet",
                remedy=f"Finish it with `qhybrid run {key} --wait`, then bundle it.",
            )
        rows = lake.read(schemas.QPU_SUBMISSIONS, partition).to_pylist()
        jobs = get_current_jobs(rows, control_plane.dispatcher)
        without_counts = explain_missing_counts(jobs)
        parts = [] if without_counts else [_part(row, job, control_plane) for row, job in zip(rows, jobs, strict=True)]
        files |= {f"raw/{part['result_sha256']}": raw.get(part["result_sha256"]) for part in parts}
        points = lake.read(schemas.PARAMETER_SWEEPS, PartitionKey(experiment=key)).to_pylist()
        executions.append(
            {
                "backend": backend,
                # Where the depth was left to the backend's gate errors, they may be others by now.
                "layers": len(points[0]["gammas"]) if points else None,
                "parts": parts,
                # A loop asks for its points by answers that have noise: the replay runs the points, and does not ask anew.
                **_loop_columns(lake, spec, partition),
                # By now the annealer may have another qubit graph.
                **_embedding(lake, spec, partition),
                "without_counts": without_counts,
                "failed_circuits": explain_failed_circuits(jobs),
                "comparison": unmeasured_row(
                    lake.read(schemas.BASELINE_COMPARISONS, partition), schemas.BASELINE_COMPARISONS
                ),
                "decision": unmeasured_row(lake.read(schemas.DECISIONS, partition), schemas.DECISIONS),
            }
        )
    return Bundle(facts=_facts(key, spec, executions), files=files)


def _loop_columns(lake: Lake, spec: ExperimentSpec, partition: PartitionKey) -> Row:
    """Return the trace of a loop; nothing of another experiment."""
    if not spec.sweep.is_loop:
        return {}
    return {"optimiser_steps": lake.read(schemas.OPTIMISER_STEPS, partition).to_pylist()}


def _embedding(lake: Lake, spec: ExperimentSpec, partition: PartitionKey) -> Row:
    """Return the embedding of an experiment that anneals; nothing of another one, or where nothing was sent."""
    if spec.annealing is None:
        return {}
    found = planned_embedding(lake, str(partition.experiment), str(partition.backend))
    return {} if found is None else {"embedding": found.to_dict()}


def unmeasured_row(table: Any, schema: Table) -> Row:
    """Return the one row of a table, without what depends on how fast a machine was."""
    [row] = table.to_pylist()
    return {column.name: row[column.name] for column in schema.columns if not column.measured}


def _part(row: Mapping[str, Any], job: JobRecord, control_plane: ControlPlane) -> Row:
    """Return what is needed to decode the answer of one job again."""
    stored = control_plane.ledger.stored_result(job.job_id)
    if stored is None or job.state is not JobState.VERIFIED:
        raise InvalidInput(
            f"job {job.job_id} is {job.state}, and its result is not stored",
            remedy=f"`qhybrid jobs show {job.job_id}` says what can be done.",
        )
    return {
        **{name: row[name] for name in PART_FIELDS},
        "job_id": job.job_id,
        "backend": job.backend,
        "provider": job.provider,
        "provider_job_id": job.provider_job_id,
        "payload_sha256": job.payload_sha256,
        "result_sha256": stored.sha256,
        "content_type": stored.content_type,
    }


def _facts(key: str, spec: ExperimentSpec, executions: Sequence[Row]) -> Row:
    return {
        "experiment": key,
        "data_class": spec.data_class,
        "seed": spec.seed,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "executions": list(executions),
    }
