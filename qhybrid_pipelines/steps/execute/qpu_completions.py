"""Between submission and collection: one round of polls, and which executions are complete since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import Stage, due_stages, execution_jobs
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.poll_schedule import PollSummary
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.reporting.ledger_tables import ExecutionTimes, execution_times
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.specifications import Specifications


@dataclass(frozen=True, slots=True, kw_only=True)
class PollReport:
    """The result of one round of polls.

    Attributes:
        expired: jobs that were given up at their deadlines.
        problems: one sentence each about what could not be done; the next round tries again.
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
        """The round in one line."""
        seen = self.polled
        return (
            f"{seen.polled_jobs} jobs polled in {seen.requests} requests, {len(seen.changed)} changed, {seen.waiting} not due, "
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


def poll_open_jobs(dispatcher: Dispatcher, *, limit_seconds: float, cursor: Mapping[str, str]) -> PollReport:
    """Poll the jobs that are due for it, in bulk, and end those whose deadline has come.

    Errors of providers are not raised: they are problems in the result and do not hide other changes.

    Args:
        dispatcher: asks the providers.
        limit_seconds: no further request is made after this time.
        cursor: that of the round before; an empty one polls everything.
    """
    polled = dispatcher.poll_due(limit_seconds=limit_seconds, cursor=cursor)
    expired = dispatcher.expire_due()
    problems = [*(str(problem) for problem in polled.problems), *dispatcher.clock_problems()]
    return PollReport(polled=polled, expired=expired, problems=problems)


def find_completed_executions(
    specifications: Specifications,
    lake: Lake,
    control_plane: ControlPlane,
    damage: Damage,
    *,
    experiments: Iterable[str] | None = None,
) -> list[CompletedExecution]:
    """Return the executions that are complete and were not collected yet; what cannot be read is noted.

    Args:
        specifications: the registered experiments.
        lake: what was written of them.
        control_plane: has the ledger of their jobs.
        damage: what cannot be read is noted here.
        experiments: keys of those that may have one; all when omitted.
    """
    registered = load_readable(specifications, specifications if experiments is None else experiments, damage)
    ledger = control_plane.ledger
    found = []
    for stage in due_stages(registered, lake, control_plane, damage):
        if stage.job != "collect":
            continue
        with damage.of(stage.experiment):
            jobs = execution_jobs(lake, ledger, stage.experiment, stage.backend or "")
            found.append(CompletedExecution(stage=stage, jobs=jobs, spent=execution_times(ledger, jobs)))
    return found
