"""From a job back to the circuits that it ran, for whoever wants to send or decode them again."""

from __future__ import annotations

from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs import CircuitBatch
from qhybrid_pipelines.core.parts import Part, part_of
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import PartitionKey


def part_behind(workspace: Workspace, job: JobRecord) -> Part:
    """Return what a job was asked for: the part of its experiment's batch that has the job's payload.

    The part names the backend that was asked for, also where the job ran elsewhere.

    Raises:
        MissingUpstream: the lake does not have the experiment's circuits.
        InvalidInput: it has others.
    """
    key = PartitionKey(experiment=job.experiment, backend=job.requested_backend)
    for row in workspace.lake.read(schemas.CIRCUIT_BATCHES, key).to_pylist():
        for part in _parts(workspace, key, batch_from_row(row)):
            if part.batch.payload_sha256 == job.payload_sha256:
                return part
    raise InvalidInput(
        f"the circuits of job {job.job_id} are not those in the lake",
        remedy=f"Materialise 'circuit_batches' for '{key}' with the release that made the job.",
    )


def _parts(workspace: Workspace, key: PartitionKey, batch: CircuitBatch) -> list[Part]:
    """Return the parts as they were handed over; where that is not written yet, as they would be."""
    if not workspace.lake.exists(schemas.SUBMISSIONS, key):
        return [*workspace.gateway.dispatcher.split(batch)]
    return [
        part_of(
            batch,
            first_point=row["first_point"],
            points=row["points"],
            first_repetition=row["first_repetition"],
            repetitions=row["repetitions"],
        )
        for row in workspace.lake.read(schemas.SUBMISSIONS, key).to_pylist()
    ]
