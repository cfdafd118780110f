"""What a person can do about a job, one sentence for every state: the page of a job and the doctor both say it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.ledger.lifecycle import OPEN
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.time_limits import says_time_limit

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import JobRecord

#: About an open job of a backend that today's settings do not name.
UNNAMED_BACKEND = (
    "today's settings do not name its backend. It is polled and collected all the same as long as its provider's key is "
    "set; name the backend again to send more work there."
)


def waiting_request(job_id: str, elsewhere: str | None, *, is_in_doubt: bool = False) -> str:
    """Return what to do about a job that somebody wanted cancelled, or on another backend, when the provider has not been asked.

    Args:
        job_id: our id of it, or a word for it.
        elsewhere: the backend where its work is to go; None where it is to be cancelled.
        is_in_doubt: a person has to find out first whether its provider has it.
    """
    what, command = (
        ("cancellation", f"jobs cancel {job_id}")
        if elsewhere is None
        else (f"move to {elsewhere}", f"jobs reroute {job_id} {elsewhere}")
    )
    if is_in_doubt:
        return f"Its {what} counts as soon as `qhybrid jobs resolve` has said whether the provider has it; it is not sent there again."
    return (
        f"Its {what} waits: whoever wanted it was cut off before the provider was asked, or nobody knows yet whether the "
        "provider has the job. It is not sent there again. The next tick of the sensor qpu_poll asks (`make ui`); "
        f"`qhybrid {command}` asks now."
    )


_SENTENCES = {
    JobState.PLANNED: "Nothing: the next run of its experiment goes on with it.",
    JobState.AWAITING_APPROVAL: "`qhybrid jobs approve {job}` or `qhybrid jobs decline {job} --reason TEXT`.",
    JobState.APPROVED: "Nothing: the next run of its experiment submits it; `qhybrid jobs cancel {job}` stops that.",
    JobState.SUBMITTING: "Nothing while a process works on it; if that died, the next run of its experiment looks it up.",
    JobState.SUBMIT_UNKNOWN: (
        "Look for its token at the provider, then `qhybrid jobs resolve {job} --provider-job-id ID` or `--not-there`; where "
        "another home has sent it, adopt that one by its id, or pay for an own one with `--pay-own`."
    ),
    JobState.SUBMITTED: "Nothing: it is polled regularly; `qhybrid jobs cancel {job}` or `reroute {job} BACKEND` end it.",
    JobState.QUEUED: "Nothing: it waits at the provider; `qhybrid jobs reroute {job} BACKEND` takes it elsewhere.",
    JobState.RUNNING: "Nothing: it runs; `qhybrid jobs cancel {job}` asks the provider to stop it.",
    JobState.CANCELLING: "Nothing: the provider was asked to stop it and has not answered yet.",
    JobState.COMPLETED: "Nothing: the next run of its experiment fetches the result; `qhybrid jobs fetch {job}` does it now.",
    JobState.FETCHED: "Nothing: the next run of its experiment checks the result.",
    JobState.VERIFIED: "Nothing; `qhybrid jobs replay {job}` decodes the kept result again.",
    JobState.REJECTED: "Correct what the error names; `qhybrid jobs retry {job}` asks again.",
    JobState.FAILED: (
        "`qhybrid jobs fetch {job}` asks the provider once more, which is free; `qhybrid jobs retry {job}` runs it again as a "
        "new job, which is paid again."
    ),
    JobState.CANCELLED: "`qhybrid jobs retry {job}` runs it after all, as a new job.",
    JobState.EXPIRED: "Its experiment falls back to the classical answer; `qhybrid jobs retry {job}` runs it after all.",
    JobState.REROUTED: "`qhybrid jobs show {other}` is where the work went.",
}


def next_steps(job: JobRecord, now: datetime) -> str:
    """Return what can be done about a job, as it stands now."""
    if job.state in OPEN and job.deadline_at is not None and job.deadline_at < now:
        return (
            "Its deadline has passed: the next tick of the sensor asks the provider to cancel it; "
            f"`qhybrid jobs reroute {job.job_id} BACKEND` takes it elsewhere."
        )
    if job.has_doubted_result or (job.state is JobState.FAILED and job.result_sha256 is not None):
        return (
            f"Its result was refused: `qhybrid jobs fetch {job.job_id}` fetches it once more, which is free; "
            f"`qhybrid jobs replay {job.job_id}` decodes what was kept; `qhybrid jobs retry {job.job_id}` gives it up and runs "
            "the work again, which is paid again."
        )
    if job.state is JobState.FAILED and says_time_limit(job.error):
        return (
            "Its provider ended it because it ran for longer than it allows: send less in one job, with fewer `shots`, "
            f"`repetitions` or `sweep.points`. `qhybrid jobs retry {job.job_id}` runs the same work again, which is paid again."
        )
    return _SENTENCES[job.state].format(job=job.job_id, other=job.rerouted_to or "JOB")
