"""From a job back to the circuits that it ran, for whoever wants to send or decode them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.execute.qpu_result_sets import sub_batch_for
from qhybrid_pipelines.steps.learning.datasets_and_folds import load_verified_dataset, stored_folds
from qhybrid_pipelines.steps.learning.inference_batches import inference_batches
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.specifications import Specifications


def find_sub_batch(job: JobRecord, dispatcher: Dispatcher, lake: Lake, specifications: Specifications) -> SubBatch:
    """Return what a job was asked for: the part of its experiment's batch that has the job's payload.

    The part names the backend that was asked for, also where the job ran elsewhere.

    Args:
        job: as it is in the ledger.
        dispatcher: splits a batch whose parts were not written down yet.
        lake: has the circuits.
        specifications: have the experiment.

    Raises:
        MissingUpstream: the lake does not have the experiment's circuits.
        InvalidInput: it has others.
    """
    key = PartitionKey(experiment=job.experiment, backend=job.requested_backend)
    for first_point, batch, rows in _batches(key, lake, specifications):
        for sub_batch in _parts(first_point, batch, rows, dispatcher):
            if sub_batch.batch.payload_sha256 == job.payload_sha256:
                return sub_batch
    raise InvalidInput(
        f"the circuits of job {job.job_id} are not those in the lake",
        remedy=f"Materialise its circuits for '{key}' with the release that made the job.",
    )


def _batches(
    key: PartitionKey, lake: Lake, specifications: Specifications
) -> Iterator[tuple[int, Batch, list[Row] | None]]:
    """Yield the batches of an execution with their first points, and the rows of their parts; None where those are not written yet.

    Those of a learning experiment are not kept: they follow from its trained models.
    """
    experiment = key.experiment
    spec = specifications.load_any(experiment) if experiment is not None and experiment in specifications else None
    if not isinstance(spec, LearningSpec):
        there = lake.exists(schemas.QPU_SUBMISSIONS, key)
        parts = lake.read(schemas.QPU_SUBMISSIONS, key).to_pylist() if there else None
        for row in lake.read(schemas.CIRCUIT_BATCHES, key).to_pylist():
            first, last = row["first_point"] or 0, (row["first_point"] or 0) + row["points"]
            own = None if parts is None else [part for part in parts if first <= part["first_point"] < last]
            yield first, batch_from_row(row), own
        return
    whole = PartitionKey(experiment=experiment)
    qml_datasets, qml_folds, qml_models = (
        lake.read(table, whole) for table in (schemas.QML_DATASETS, schemas.QML_FOLDS, schemas.QML_MODELS)
    )
    name, there = experiment or "", lake.exists(schemas.QML_SUBMISSIONS, key)
    for plan in inference_batches(
        name,
        key.backend or "",
        spec=spec,
        dataset=load_verified_dataset(name, spec, qml_datasets, specifications),
        splits=stored_folds(qml_folds, name),
        qml_models=qml_models,
    ):
        rows = lake.read(schemas.QML_SUBMISSIONS, key).to_pylist() if there else None
        yield (
            0,
            plan.batch,
            rows and [row for row in rows if (row["model"], row["shots"]) == (plan.model, plan.batch.shots)],
        )


def _parts(first_point: int, batch: Batch, rows: Sequence[Row] | None, dispatcher: Dispatcher) -> list[SubBatch]:
    """Return the parts as they were submitted; where that is not written yet, as they would be."""
    if rows is None:
        return [replace(part, first_point=first_point + part.first_point) for part in dispatcher.split(batch)]
    return [sub_batch_for(batch, row, first_point) for row in rows]
