"""What is still to be done for which experiment: a pure function of what the lake holds and of the states of its jobs.

The command line, the automation sensors and the reconcile schedules all ask this one question, so that they do the
same thing. Keys are content-addressed: a table that is there is right, and nothing runs twice. While a provider has
the work nothing is due, and nothing waits for it either: the poll sensor polls open jobs, and once all jobs of an
execution are settled its last stage is due.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from qhybrid_pipelines.control.jobs.replacement_jobs import ReplacementJobs
from qhybrid_pipelines.control.ledger.lifecycle import OPEN, is_settled
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

if TYPE_CHECKING:  # where nothing is due, none of these models is built
    from typing_extensions import TypeIs

    from qhybrid_pipelines.control.experiments.damaged_files import Damage
    from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
    from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
    from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec, CircuitsSpec, SamplingSpec

#: Assets of each stage in the order of the data's way; the last ones are written last.
PREPARE = ("experiments", "problem_instances", "features", "reduced_models", "parameter_sweeps", "baselines")
SUBMIT = ("circuit_batches", "qpu_submissions")
#: Written at the same time, and nothing waits for it: an execution of an earlier release is whole without it.
DESCRIBE = ("parameter_sensitivity",)
#: The same, once results are there.
ESTIMATE = ("estimates",)
DESCRIBE_RESULTS = ("chains", *ESTIMATE)
#: Written before them, and waited for only where angles are optimised through the backend: the steps of the loop.
LOOP = ("optimiser_steps",)
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
TRAIN = ("experiments", "qml_datasets", "qml_folds", "qml_models", "qml_iterations", "qml_predictions")
#: Written before the models where the shots of a backend train them, iteration by iteration; the data comes first then.
DATA = ("experiments", "qml_datasets", "qml_folds")
FIT = ("qml_training_steps",)
INFER = ("qml_submissions",)
MEASURE = ("qml_measurements", "qml_gradients")
#: Written at the same time, and nothing waits for it: what an earlier release measured is whole without it.
MEASURE_KERNELS = ("qml_kernels", "qml_kernel_entries")
EVALUATE = ("qml_scores", "qml_summaries", "qml_verdicts", "qml_tracking_runs")
LEARN = (*TRAIN, *INFER, *MEASURE, *EVALUATE)
#: The same for a sampling experiment, whose circuits go the way of an optimisation's batches.
PLAN = ("experiments", "sampling_circuits", "sampling_references", "sampling_baselines")
SCORE = ("qpu_result_sets", "sampling_scores", "sampling_verdicts", "provenance", "tracking_runs")
SAMPLE = (*SUBMIT, *SCORE)
STAGE_ASSETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "prepare": PREPARE,
        "execute": (*LOOP, *EXECUTE, *DESCRIBE, *DESCRIBE_RESULTS),
        "submit": (*LOOP, *SUBMIT, *DESCRIBE),
        "collect": (*COLLECT, *DESCRIBE_RESULTS),
        "data": DATA,
        "fit": FIT,
        "train": TRAIN,
        "infer": INFER,
        "measure": (*MEASURE, *MEASURE_KERNELS),
        "evaluate": EVALUATE,
        "plan": PLAN,
        "sample": (*SAMPLE, *ESTIMATE),
        "score": (*SCORE, *ESTIMATE),
    }
)

#: States that end only by submitting the batch (again), which is the submit stage's work. A job that stands for a part
#: and is REROUTED was taken from its backend, and not written down for the other one yet.
TO_SUBMIT = frozenset({JobState.PLANNED, JobState.APPROVED, JobState.SUBMITTING, JobState.REROUTED})
#: States in which a result is there and was not brought home: paid for, and in no table.
TO_COLLECT = frozenset({JobState.COMPLETED, JobState.FETCHED})
#: States that end only by what a person says.
NEEDS_A_PERSON = frozenset({JobState.AWAITING_APPROVAL, JobState.SUBMIT_UNKNOWN})


class ControlPlaneView(Protocol):
    """As much of the gateway as is needed here."""

    @property
    def ledger(self) -> Ledger:
        """The durable record of every job."""

    def is_immediate(self, backend: str) -> bool:
        """Tell, without a request, whether a job on that backend is done when it is acknowledged."""

    def may_need_approval(self, backend: str) -> bool:
        """Tell whether the policy has work for that backend wait for a person, of whatever size."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Stage:
    """One run that is due.

    Attributes:
        job: ``prepare`` an experiment; ``execute`` it on a backend that answers at once, where nobody has to approve it;
            else ``submit`` it there, and ``collect`` what came back. For learning: ``data`` and
            ``fit`` where a backend trains, ``train``, ``infer`` and ``measure`` per backend, ``evaluate``.
            For sampling: ``plan``, then ``sample``, or ``submit`` and ``score``.
        job_set_hash: the jobs that a stage is about, as a short hash; empty before there are any. A stage that failed is another
            stage once its jobs are others, or a person has approved them.
    """

    experiment: str
    backend: str | None = None
    job: str = "prepare"
    job_set_hash: str = ""

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets that it writes."""
        return STAGE_ASSETS[self.job]


def due_stages(
    experiments: Iterable[tuple[str, AnySpec]],
    lake: Lake,
    control_plane: ControlPlaneView,
    damage: Damage,
) -> list[Stage]:
    """Return the runs that are due now; an experiment is executed only once it is prepared, measured once trained.

    A job that was run again after its execution was decided without it is due like any other: its result is paid for.

    Args:
        experiments: by key.
        lake: what was written of them.
        control_plane: has the ledger of their jobs.
        damage: an experiment of which a file cannot be read is noted here, and nothing of it is due.
    """
    stages: list[Stage] = []
    unfinished = control_plane.ledger.jobs(states=TO_SUBMIT | TO_COLLECT)
    unfinished_executions = {(job.experiment, job.requested_backend) for job in unfinished}
    for key, spec in experiments:
        with damage.of(key):
            if _is_learning(spec):
                stages += _due_learning(key, spec, lake, control_plane)
            else:
                stages += _due_circuits(key, spec, lake, control_plane, unfinished_executions)
    return stages


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """The stages of one kind of experiment whose circuits are batches."""

    prepare: str
    at_once: str
    collect: str
    #: What is there once an execution is decided.
    decided: tuple[str, ...]


_OPTIMISATION = _Way(prepare="prepare", at_once="execute", collect="collect", decided=EXECUTE)
_SAMPLING = _Way(prepare="plan", at_once="sample", collect="score", decided=SAMPLE)


# Told by what a specification says of itself: the models of the other kinds are not built for it.
def _is_learning(spec: AnySpec) -> TypeIs[LearningSpec]:
    return getattr(spec, "kind", None) == "qml"


def _is_sampling(spec: AnySpec) -> TypeIs[SamplingSpec]:
    return getattr(spec, "kind", None) == "sampling"


def _way_of(spec: CircuitsSpec) -> _Way:
    return _SAMPLING if _is_sampling(spec) else _OPTIMISATION


def assets_of(spec: AnySpec) -> frozenset[str]:
    """Return the tables that experiments of a kind have; others never have rows of it."""
    if _is_learning(spec):
        kernels = MEASURE_KERNELS if spec.measured_kernels else ()
        return frozenset((*LEARN, *(FIT if spec.trained_on_backend else ()), *kernels))
    way = _way_of(spec)
    without = () if is_loop(spec) else LOOP
    return frozenset((*STAGE_ASSETS[way.prepare], *STAGE_ASSETS[way.at_once])) - frozenset(without)


def is_loop(spec: AnySpec) -> bool:
    """Tell whether the angles of an experiment are optimised step by step through its backends."""
    return not _is_learning(spec) and not _is_sampling(spec) and spec.sweep.is_loop


def deciding_tables(key: str, spec: AnySpec) -> list[tuple[str, PartitionKey]]:
    """Return the partitions that decide an experiment: once all are written, only a job of it makes anything due."""
    whole = PartitionKey(experiment=key)
    if _is_learning(spec):
        return [(asset, whole) for asset in EVALUATE]
    way = _way_of(spec)
    executions = [PartitionKey(experiment=key, backend=backend) for backend in spec.backends]
    return [
        *((asset, whole) for asset in STAGE_ASSETS[way.prepare]),
        *((asset, execution) for execution in executions for asset in way.decided),
    ]


def unfinished_experiments(ledger: Ledger) -> set[str]:
    """Return the experiments with a job that somebody here has to send or collect, decided or not."""
    return {job.experiment for job in ledger.jobs(states=TO_SUBMIT | TO_COLLECT)}


def _due_circuits(
    key: str,
    spec: CircuitsSpec,
    lake: Lake,
    control_plane: ControlPlaneView,
    unfinished_executions: Collection[tuple[str, str | None]],
) -> list[Stage]:
    way = _way_of(spec)
    if not all(lake.was_written(asset, PartitionKey(experiment=key)) for asset in STAGE_ASSETS[way.prepare]):
        return [Stage(experiment=key, job=way.prepare)]
    partitions = [PartitionKey(experiment=key, backend=backend) for backend in spec.backends]
    decided = {partition for partition in partitions if _all_written(lake, way.decided, partition)}
    unsettled = [each for each in partitions if each not in decided or (key, each.backend) in unfinished_executions]
    if not unsettled:
        return []
    successors = ReplacementJobs.of(control_plane.ledger, key)
    found = [
        _due_execution(partition, lake, control_plane, successors, way, loop=is_loop(spec))
        for partition in unsettled
        if partition not in decided or _has_unfinished_successor(partition, lake, successors)
    ]
    return [stage for stage in found if stage is not None]


def _due_learning(key: str, spec: LearningSpec, lake: Lake, control_plane: ControlPlaneView) -> list[Stage]:
    """Return what is due of a learning experiment; it is judged when every backend's measurements are there."""
    whole = PartitionKey(experiment=key)
    if _all_written(lake, EVALUATE, whole):
        return []
    if not _all_written(lake, TRAIN, whole):
        return _due_training(key, spec, lake, control_plane)
    partitions = [PartitionKey(experiment=key, backend=backend) for backend in spec.backends]
    pending_measurements = [partition for partition in partitions if not _all_written(lake, MEASURE, partition)]
    if not pending_measurements:
        return [Stage(experiment=key, job="evaluate")]
    successors = ReplacementJobs.of(control_plane.ledger, key)
    found = [_due_measurement(partition, lake, control_plane, successors) for partition in pending_measurements]
    return [stage for stage in found if stage is not None]


def _due_training(key: str, spec: LearningSpec, lake: Lake, control_plane: ControlPlaneView) -> list[Stage]:
    """Return what is due before all models are trained: the iterations on a backend come first."""
    backend = spec.training.backend
    if backend is None:
        return [Stage(experiment=key, job="train")]
    partition = PartitionKey(experiment=key, backend=backend)
    if not _all_written(lake, DATA, PartitionKey(experiment=key)):
        return [Stage(experiment=key, job="data")]
    if not _all_written(lake, FIT, partition):
        return [Stage(experiment=key, backend=backend, job="fit")]
    if loop_has_ended(lake, partition, FIT[0]):
        return [Stage(experiment=key, job="train")]
    ids = {job_id for ids in lake.read(FIT[0], partition).column("job_ids").to_pylist() for job_id in ids}
    jobs = ReplacementJobs.of(control_plane.ledger, key).jobs(sorted(ids))
    stage = _next_stage(key, backend, control_plane, jobs, ("fit", "fit"))
    return [] if stage is None else [stage]


def _due_measurement(
    partition: PartitionKey, lake: Lake, control_plane: ControlPlaneView, successors: ReplacementJobs
) -> Stage | None:
    key, backend = partition.experiment or "", partition.backend or ""
    if not _all_written(lake, INFER, partition):
        return Stage(experiment=key, backend=backend, job="infer")
    ids: list[str] = lake.read("qml_submissions", partition).column("job_id").to_pylist()
    return _next_stage(key, backend, control_plane, successors.jobs(ids), ("infer", "measure"))


def execution_jobs(lake: Lake, ledger: Ledger, experiment: str, backend: str) -> list[JobRecord]:
    """Return the jobs that stand for an execution now, in order of their parts; none before it was submitted."""
    partition = PartitionKey(experiment=experiment, backend=backend)
    if not lake.exists("qpu_submissions", partition):
        return []
    return ReplacementJobs.of(ledger, experiment).jobs(_submitted_job_ids(lake, partition))


def waiting_jobs(ledger: Ledger, experiments: Collection[str] | None = None) -> list[JobRecord]:
    """Return the jobs that a provider has, or that wait for a person; all of them or those of some experiments."""
    jobs = ledger.jobs(states=OPEN | NEEDS_A_PERSON)
    return [job for job in jobs if experiments is None or job.experiment in experiments]


def _due_execution(
    partition: PartitionKey,
    lake: Lake,
    control_plane: ControlPlaneView,
    successors: ReplacementJobs,
    way: _Way,
    *,
    loop: bool,
) -> Stage | None:
    key, backend = partition.experiment or "", partition.backend or ""
    # A stage that collects in the same run cannot rest in between until a person has approved.
    at_once = control_plane.is_immediate(backend) and not control_plane.may_need_approval(backend)
    first, last = (way.at_once, way.at_once) if at_once else ("submit", way.collect)
    if not _all_written(lake, (*LOOP, *SUBMIT) if loop else SUBMIT, partition):
        return Stage(experiment=key, backend=backend, job=first)
    if loop and not loop_has_ended(lake, partition):
        last = first  # what came back says which step is next
    return _next_stage(key, backend, control_plane, successors.jobs(_submitted_job_ids(lake, partition)), (first, last))


def loop_has_ended(lake: Lake, partition: PartitionKey, table: str = LOOP[0]) -> bool:
    """Tell whether a loop whose steps were written has no further one; one without a circuit to run never had any."""
    reasons = lake.read(table, partition).column("stop_reason")
    return int(reasons.null_count) == 0


def _next_stage(
    key: str, backend: str, control_plane: ControlPlaneView, jobs: Sequence[JobRecord], stages: tuple[str, str]
) -> Stage | None:
    """Return which of two stages is due, submitting or collecting; None while a provider or a person has the jobs."""
    first, last = stages
    if any(job.state in TO_SUBMIT for job in jobs):
        return Stage(experiment=key, backend=backend, job=first, job_set_hash=_job_set_hash(jobs))
    if any(
        not is_settled(job) and (job.state in NEEDS_A_PERSON or not control_plane.is_immediate(job.backend))
        for job in jobs
    ):
        return None
    return Stage(experiment=key, backend=backend, job=last, job_set_hash=_job_set_hash(jobs))


def _has_unfinished_successor(partition: PartitionKey, lake: Lake, successors: ReplacementJobs) -> bool:
    """Tell whether a decided execution has a current job for a part of it that has not ended yet."""
    jobs = successors.jobs(_submitted_job_ids(lake, partition))
    return any(job.state in TO_SUBMIT | TO_COLLECT for job in jobs)


def _all_written(lake: Lake, assets: Iterable[str], partition: PartitionKey) -> bool:
    return all(lake.was_written(asset, partition) for asset in assets)


def _submitted_job_ids(lake: Lake, partition: PartitionKey) -> Sequence[str]:
    ids: list[str] = lake.read("qpu_submissions", partition).column("job_id").to_pylist()
    return ids


def _job_set_hash(jobs: Sequence[JobRecord]) -> str:
    return sha256_hex("|".join(map(_job_key, jobs)))[:8] if jobs else ""


def _job_key(job: JobRecord) -> str:
    # A result that was refused and has been fetched by hand since makes it another stage than the one that failed.
    fetched_again = job.error is not None and job.state is JobState.VERIFIED
    return f"{job.job_id} {job.approved_by or ''}" + (f" {job.result_sha256}" if fetched_again else "")
