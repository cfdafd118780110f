"""How far an experiment is, and what its jobs cost and took, for its report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from qhybrid_pipelines.control.experiments.damaged_files import Damage
from qhybrid_pipelines.control.experiments.due_stages import NEEDS_A_PERSON, ControlPlaneView, due_stages
from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.ledger.lifecycle import ENDED_WITHOUT_RESULT, OPEN
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
from qhybrid_pipelines.control.reporting.ledger_tables import cost_row, job_row
from qhybrid_pipelines.control.reporting.next_steps import next_steps
from qhybrid_pipelines.control.reporting.time_intervals import time_intervals
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec
from qhybrid_pipelines.reports.content import JobContent, Progress
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home

#: What each stage of work does, for a sentence.
_STAGES = {
    "prepare": "reading the problem, reducing it and running the classical solvers",
    "execute": "running the circuits and judging what comes back",
    "submit": "sending the circuits",
    "collect": "collecting and judging the results",
    "data": "reading the data and drawing the folds",
    "fit": "training the circuits on a backend",
    "train": "reading the data and training the models",
    "infer": "sending the trained circuits",
    "measure": "collecting the measurements of trained circuits",
    "evaluate": "judging the models",
}


def job_contents(ledger: Ledger, key: str) -> tuple[JobContent, ...]:
    """Return the jobs of an experiment as the ledger knows them now."""
    account, now = ledger.account(key), datetime.now(UTC)
    return tuple(
        JobContent(
            row=job_row(job),
            cost=cost_row(job, account),
            stretches=tuple(
                (stretch.name, stretch.seconds, stretch.by_provider)
                for stretch in time_intervals(job, ledger.events(job.job_id))
            ),
            advice=next_steps(job, now),
            ended_without_result=job.state in ENDED_WITHOUT_RESULT,
            open=job.state in OPEN | NEEDS_A_PERSON,
        )
        for job in ledger.jobs(experiment=key)
    )


def experiment_progress(key: str, spec: AnySpec, lake: Lake, control_plane: ControlPlaneView, home: Home) -> Progress:
    """Return how far an experiment is: what is due, what waits for whom, what ended without a result."""
    jobs = control_plane.ledger.jobs(experiment=key)
    sentences = [*_stopped(key, home), *_waiting(jobs)]
    damage = Damage()
    due = due_stages([(key, spec)], lake, control_plane, damage)
    lost = [job for job in jobs if _is_lost(job, control_plane.ledger)]
    lost_on = {job.requested_backend for job in lost}
    sentences += [f"It cannot go on: {problem}" for problem in damage.problems.values()]
    sentences += [
        f"Not done yet{f' on {stage.backend}' if stage.backend else ''}: {_STAGES[stage.job]}. `qhybrid run {key}` goes on "
        "with it."
        for stage in due
        if stage.backend not in lost_on  # would end as it did before; what helps is said about the job
    ]
    sentences += [
        f"Job {job.job_id} on {job.backend} ended without a result, {job.state}: "
        f"{(job.error or 'no reason is known').rstrip('.')}. {next_steps(job, datetime.now(UTC))}"
        for job in lost
    ]
    waiting = any(job.state in OPEN | NEEDS_A_PERSON for job in jobs)
    return Progress(
        decided=not due and not waiting and not damage.problems,
        sentences=tuple(sentences),
        failed=bool(lost or damage.problems),
    )


def _is_lost(job: JobRecord, ledger: Ledger) -> bool:
    """Tell whether a job ended without a result, and no other job has taken its work over."""
    if job.state not in ENDED_WITHOUT_RESULT or job.state is JobState.REROUTED:
        return False
    newest = ledger.latest(job.experiment, job.backend, job.payload_sha256)
    return newest is None or newest.job_id == job.job_id


def _stopped(key: str, home: Home) -> list[str]:
    stop = Stops(home).get(key)
    if stop is None:
        return []
    return [f"It is stopped: {stop.reason}, by {stop.principal}, {stop.at}."]


def _waiting(jobs: Sequence[JobRecord]) -> list[str]:
    now = datetime.now(UTC)
    return [
        f"Job {job.job_id} is {job.state} on {job.backend} since {job.updated_at:%Y-%m-%d %H:%M} UTC. {next_steps(job, now)}"
        for job in jobs
        if job.state in OPEN | NEEDS_A_PERSON
    ]
