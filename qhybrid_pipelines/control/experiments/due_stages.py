"""What is still to be done for which experiment: a pure look at what the lake holds and where its jobs stand.

The command line, the automation sensors and the reconcile schedules all ask this one question, so that they do the
same thing. Keys are content-addressed: a table that is there is right, and nothing runs twice. While a provider has
the work nothing is due, and nothing waits for it either: the poll sensor looks at open jobs, and once all jobs of an
execution are settled its last leg is due.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from qhybrid_pipelines.control.jobs.successors import Standing
from qhybrid_pipelines.control.ledger.lifecycle import OPEN, is_settled
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.jobs import JobState
from qhybrid_pipelines.core.learning_specification import LearningSpec
from qhybrid_pipelines.core.specification import ExperimentSpec
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

#: Assets of each leg in the order of the data's way; the last ones are written last.
PREPARE = ("experiments", "problem_instances", "features", "kernels", "parameter_sweeps", "baselines")
SUBMIT = ("circuit_batches", "qpu_submissions")
COLLECT = (
    "qpu_result_sets",
    "point_scores",
    "scored_solutions",
    "baseline_comparisons",
    "decisions",
    "provenance",
    "tracking_runs",
)
EXECUTE = (*SUBMIT, *COLLECT)
#: The same for a learning experiment: models are trained, their circuits measured on each backend, and all is judged.
TRAIN = ("experiments", "qml_datasets", "qml_features", "qml_training", "qml_iterations", "qml_predictions")
INFER = ("qml_submissions",)
MEASURE = ("qml_measurements", "qml_gradients")
EVALUATE = ("qml_scores", "qml_summaries", "qml_evaluation", "qml_tracking")
LEARN = (*TRAIN, *INFER, *MEASURE, *EVALUATE)
LEGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "prepare": PREPARE,
        "execute": EXECUTE,
        "submit": SUBMIT,
        "collect": COLLECT,
        "train": TRAIN,
        "infer": INFER,
        "measure": MEASURE,
        "evaluate": EVALUATE,
    }
)

#: States that end only by handing the batch over (again), which is the submit leg's work. A job that stands for a part
#: and is REROUTED was taken from its backend, and not written down for the other one yet.
TO_HAND_OVER = frozenset({JobState.PLANNED, JobState.APPROVED, JobState.SUBMITTING, JobState.REROUTED})
#: States in which a result is there and was not brought home: paid for, and in no table.
NOT_BROUGHT_HOME = frozenset({JobState.COMPLETED, JobState.FETCHED})
#: States that end only by what a person says.
FOR_A_PERSON = frozenset({JobState.AWAITING_APPROVAL, JobState.SUBMIT_UNKNOWN})


class Fleet(Protocol):
    """As much of the gateway as is needed here."""

    @property
    def ledger(self) -> Ledger:
        """The durable record of every job."""

    def is_immediate(self, backend: str) -> bool:
        """Tell, without a request, whether a job on that backend is done when it is acknowledged."""

    def may_ask_a_person(self, backend: str) -> bool:
        """Tell whether the policy has work for that backend wait for a person, of whatever size."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Leg:
    """One run that is due.

    Attributes:
        job: ``prepare`` an experiment; ``execute`` it on a backend that answers at once, where nobody has to approve it;
            else ``submit`` it there, and ``collect`` what came back. For learning: ``train``, ``infer`` and ``measure`` per backend, ``evaluate``.
        occasion: the jobs that a leg is about, as a short hash; empty before there are any. A leg that failed is another
            leg once its jobs are others, or a person has approved them.
    """

    experiment: str
    backend: str | None = None
    job: str = "prepare"
    occasion: str = ""

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets that it writes."""
        return LEGS[self.job]


def due_legs(experiments: Iterable[tuple[str, ExperimentSpec | LearningSpec]], lake: Lake, fleet: Fleet) -> list[Leg]:
    """Return the runs that are due now; an experiment is executed only once it is prepared, measured once trained.

    A job that was run again after its execution was decided without it is due like any other: its result is paid for.
    """
    legs: list[Leg] = []
    unfinished = fleet.ledger.jobs(states=TO_HAND_OVER | NOT_BROUGHT_HOME)
    again = {(job.experiment, job.requested_backend) for job in unfinished}
    for key, spec in experiments:
        if isinstance(spec, LearningSpec):
            legs += _due_learning(key, spec, lake, fleet)
            continue
        if not all(lake.exists(asset, PartitionKey(experiment=key)) for asset in PREPARE):
            legs.append(Leg(experiment=key))
            continue
        partitions = [PartitionKey(experiment=key, backend=backend) for backend in spec.backends]
        decided = {partition for partition in partitions if _written(lake, EXECUTE, partition)}
        unsettled = [each for each in partitions if each not in decided or (key, each.backend) in again]
        if unsettled:
            standing = Standing.of(fleet.ledger, key)
            found = [
                _due(partition, lake, fleet, standing)
                for partition in unsettled
                if partition not in decided or _goes_on(partition, lake, standing)
            ]
            legs += [leg for leg in found if leg is not None]
    return legs


def _due_learning(key: str, spec: LearningSpec, lake: Lake, fleet: Fleet) -> list[Leg]:
    """Return what is due of a learning experiment; it is judged when every backend's measurements are there."""
    whole = PartitionKey(experiment=key)
    if _written(lake, EVALUATE, whole):
        return []
    if not _written(lake, TRAIN, whole):
        return [Leg(experiment=key, job="train")]
    partitions = [PartitionKey(experiment=key, backend=backend) for backend in spec.backends]
    unmeasured = [partition for partition in partitions if not _written(lake, MEASURE, partition)]
    if not unmeasured:
        return [Leg(experiment=key, job="evaluate")]
    standing = Standing.of(fleet.ledger, key)
    found = [_due_measurement(partition, lake, fleet, standing) for partition in unmeasured]
    return [leg for leg in found if leg is not None]


def _due_measurement(partition: PartitionKey, lake: Lake, fleet: Fleet, standing: Standing) -> Leg | None:
    key, backend = partition.experiment or "", partition.backend or ""
    if not _written(lake, INFER, partition):
        return Leg(experiment=key, backend=backend, job="infer")
    ids: list[str] = lake.read(schemas.QML_SUBMISSIONS, partition).column("job_id").to_pylist()
    return _next(key, backend, fleet, standing.jobs(ids), ("infer", "measure"))


def jobs_of(lake: Lake, ledger: Ledger, experiment: str, backend: str) -> list[JobRecord]:
    """Return the jobs that stand for an execution now, in order of their parts; none before it was submitted."""
    partition = PartitionKey(experiment=experiment, backend=backend)
    if not lake.exists(schemas.SUBMISSIONS, partition):
        return []
    return Standing.of(ledger, experiment).jobs(_submitted(lake, partition))


def waiting_jobs(ledger: Ledger, experiments: Collection[str] | None = None) -> list[JobRecord]:
    """Return the jobs that a provider has, or that wait for a person; all of them or those of some experiments."""
    jobs = ledger.jobs(states=OPEN | FOR_A_PERSON)
    return [job for job in jobs if experiments is None or job.experiment in experiments]


def _due(partition: PartitionKey, lake: Lake, fleet: Fleet, standing: Standing) -> Leg | None:
    key, backend = partition.experiment or "", partition.backend or ""
    # A leg that collects in the same run cannot rest in between until a person has approved.
    at_once = fleet.is_immediate(backend) and not fleet.may_ask_a_person(backend)
    first, last = ("execute", "execute") if at_once else ("submit", "collect")
    if not _written(lake, SUBMIT, partition):
        return Leg(experiment=key, backend=backend, job=first)
    return _next(key, backend, fleet, standing.jobs(_submitted(lake, partition)), (first, last))


def _next(key: str, backend: str, fleet: Fleet, jobs: Sequence[JobRecord], legs: tuple[str, str]) -> Leg | None:
    """Return which of two legs is due, handing over or bringing home; None while a provider or a person has the jobs."""
    first, last = legs
    if any(job.state in TO_HAND_OVER for job in jobs):
        return Leg(experiment=key, backend=backend, job=first, occasion=_occasion(jobs))
    if any(not is_settled(job) and (job.state in FOR_A_PERSON or not fleet.is_immediate(job.backend)) for job in jobs):
        return None
    return Leg(experiment=key, backend=backend, job=last, occasion=_occasion(jobs))


def _goes_on(partition: PartitionKey, lake: Lake, standing: Standing) -> bool:
    """Tell whether a decided execution has a job that stands for a part of it and did not come to its end yet."""
    jobs = standing.jobs(_submitted(lake, partition))
    return any(job.state in TO_HAND_OVER | NOT_BROUGHT_HOME for job in jobs)


def _written(lake: Lake, assets: Iterable[str], partition: PartitionKey) -> bool:
    return all(lake.exists(asset, partition) for asset in assets)


def _submitted(lake: Lake, partition: PartitionKey) -> Sequence[str]:
    ids: list[str] = lake.read(schemas.SUBMISSIONS, partition).column("job_id").to_pylist()
    return ids


def _occasion(jobs: Sequence[JobRecord]) -> str:
    return sha256_hex("|".join(f"{job.job_id} {job.approved_by or ''}" for job in jobs))[:8] if jobs else ""
