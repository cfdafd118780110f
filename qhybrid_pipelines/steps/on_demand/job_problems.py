"""What keeps a job from going on through no fault of its own: a damaged file, a backend that no setting names, a request nobody carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import due_stages
from qhybrid_pipelines.control.jobs.status_changes import open_cancel_request
from qhybrid_pipelines.control.ledger.lifecycle import CANCEL_REQUEST_MAY_WAIT, OPEN
from qhybrid_pipelines.control.reporting.next_steps import CANCELLATION_WAITS, UNNAMED_BACKEND
from qhybrid_pipelines.core.experiment_key import CANARY_EXPERIMENT

if TYPE_CHECKING:
    from qhybrid_pipelines.control.control_plane import ControlPlane
    from qhybrid_pipelines.control.ledger.port import JobRecord
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
    if job.state in CANCEL_REQUEST_MAY_WAIT and (
        request := open_cancel_request(control_plane.ledger.events(job.job_id))
    ):
        by = request[1].get("by")
        found.append((f"Asked for by {by}. " if by else "") + CANCELLATION_WAITS.replace("JOB", job.job_id))
    return tuple(found)
