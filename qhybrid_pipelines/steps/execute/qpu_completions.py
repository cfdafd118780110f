"""Between submission and collection: one look at the open jobs, and which executions are complete since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qhybrid_pipelines.control.experiments.due_stages import Stage, due_stages, execution_jobs
from qhybrid_pipelines.control.jobs.poll_schedule import PollSummary
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.reporting.ledger_tables import ExecutionTimes, execution_times
from qhybrid_pipelines.steps.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class PollReport:
    """What one look at the open jobs came to.

    Attributes:
        expired: jobs that were given up at their deadlines.
        problems: one sentence each about what could not be done; the next look tries again.
    """

    polled: PollSummary
    expired: Sequence[JobRecord]
    problems: Sequence[str]

    @property
    def changed(self) -> bool:
        """Something happened."""
        return bool(self.polled.changed or self.expired)

    @property
    def summary(self) -> str:
        """The look in one line."""
        seen = self.polled
        return (
            f"{seen.polled_jobs} jobs looked at in {seen.requests} requests, {len(seen.changed)} changed, {seen.waiting} not due, "
            f"{len(self.expired)} ended by their deadlines, {len(self.problems)} problems"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedExecution:
    """An execution whose jobs are all settled, and that was not collected yet."""

    stage: Stage
    jobs: Sequence[JobRecord]
    spent: ExecutionTimes

    @property
    def name(self) -> str:
        """The same for the same jobs of the same execution."""
        return f"{self.stage.backend}|{self.stage.experiment}|{self.stage.job_set_hash}"

    @property
    def states(self) -> dict[str, int]:
        """How many jobs ended in which state."""
        words = [job.state.value for job in self.jobs]
        return {word: words.count(word) for word in sorted(set(words))}

    @property
    def cost_usd(self) -> float:
        """What the jobs cost: settled, else reported, else quoted."""
        return sum(
            next(cost for cost in (job.cost_settled_usd, job.cost_usd, job.cost_quoted_usd) if cost is not None)
            for job in self.jobs
        )


def poll_open_jobs(workspace: Workspace, *, limit_seconds: float, cursor: Mapping[str, str]) -> PollReport:
    """Look at the jobs that are due for it, in bulk, and end those whose deadline has come.

    Raises nothing of a provider's: what could not be done is a problem in the result, and hides nothing else.

    Args:
        workspace: the home.
        limit_seconds: no further request is made after this time.
        cursor: that of the look before; empty looks at everything.
    """
    dispatcher = workspace.control_plane.dispatcher
    polled = dispatcher.poll_due(limit_seconds=limit_seconds, cursor=cursor)
    expired = dispatcher.expire_due()
    return PollReport(polled=polled, expired=expired, problems=[str(problem) for problem in polled.problems])


def find_completed_executions(workspace: Workspace) -> list[CompletedExecution]:
    """Return the executions that are complete and were not collected yet."""
    registered = [(key, workspace.specifications.load_any(key)) for key in workspace.specifications]
    ledger = workspace.control_plane.ledger
    found = []
    for stage in due_stages(registered, workspace.lake, workspace.control_plane):
        if stage.job == "collect":
            jobs = execution_jobs(workspace.lake, ledger, stage.experiment, stage.backend or "")
            found.append(CompletedExecution(stage=stage, jobs=jobs, spent=execution_times(ledger, jobs)))
    return found
