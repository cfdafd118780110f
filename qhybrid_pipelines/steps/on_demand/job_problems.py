"""What keeps a job from going on through no fault of its own: a damaged file, a backend that no setting names, a request nobody carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import due_stages
from qhybrid_pipelines.control.jobs.state_transitions import open_cancel_request
from qhybrid_pipelines.control.ledger.lifecycle import CANCEL_REQUEST_MAY_WAIT, OPEN, Event
from qhybrid_pipelines.control.reporting.next_steps import UNNAMED_BACKEND, waiting_request
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT

if TYPE_CHECKING:
    from qhybrid_pipelines.control.control_plane import ControlPlane
    from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
    from qhybrid_pipelines.storage.lake import Lake
    from qhybrid_pipelines.storage.specifications import Specifications


def job_problems(
    job: JobRecord, specifications: Specifications, lake: Lake, control_plane: ControlPlane
) -> tuple[str, ...]:
    """Return one sentence for each problem, with what to do; none for a job whose way is free."""
    damage, found = Damage(), []
    if job.experiment != CANARY_EXPERIMENT and job.experiment in specifications.keys():  # noqa: SIM118  no check of its form
        due_stages(load_readable(specifications, [job.experiment], damage), lake, control_plane, damage)
        found += [f"Its experiment cannot go on: {problem}" for problem in damage.problems.values()]
    if job.state in OPEN and job.backend not in control_plane.backends:
        found.append(UNNAMED_BACKEND)
    if job.state in CANCEL_REQUEST_MAY_WAIT | {JobState.SUBMIT_UNKNOWN} and (
        request := open_cancel_request(control_plane.ledger.events(job.job_id))
    ):
        found.append(explain_request(job, *request))
    return tuple(found)


def explain_request(job: JobRecord, purpose: Event, detail: Mapping[str, Any]) -> str:
    """Return who wanted a job cancelled or elsewhere, that it waits, and the command with which it goes on."""
    by, is_in_doubt = detail.get("by"), job.state is JobState.SUBMIT_UNKNOWN
    waits = waiting_request(job.job_id, _elsewhere(purpose, detail), is_in_doubt=is_in_doubt)
    return (f"Asked for by {by}. " if by else "") + waits


def explain_requests(jobs: Sequence[JobRecord], ledger: Ledger, list_ids: Callable[[Sequence[JobRecord]], str]) -> str:
    """Return the same about many jobs, of which some are wanted back, and some on this or that backend."""
    histories = ledger.histories([job.job_id for job in jobs])
    wanted: dict[str | None, list[JobRecord]] = {}
    for job in jobs:
        request = open_cancel_request(histories[job.job_id])
        wanted.setdefault(None if request is None else _elsewhere(*request), []).append(job)
    return " ".join(f"{list_ids(some)}. {waiting_request('JOB', elsewhere)}" for elsewhere, some in wanted.items())


def _elsewhere(purpose: Event, detail: Mapping[str, Any]) -> str | None:
    return str(detail.get("backend", "BACKEND")) if purpose is Event.REROUTE else None
