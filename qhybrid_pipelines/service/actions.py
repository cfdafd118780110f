"""What a caller may do about jobs and experiments: the same decisions as on the command line, under the caller's own name.

Each is said as what is wanted, so that saying it twice changes nothing the second time. What a person agrees to is named by its
price: an answer that was lost on the way, sent again after the price has risen, agrees to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.ledger.errors import StaleJob
from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.core.errors import IllegalTransition, InvalidInput
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError, invalid, not_found
from qhybrid_pipelines.steps.on_demand.cancelled_experiments import cancel_experiment

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import JobRecord
    from qhybrid_pipelines.control.operator_decisions import OperatorDecisions
    from qhybrid_pipelines.steps.workspace import Workspace

#: How an experiment was stopped, in the note about it.
WAY = "HTTP"


@dataclass(frozen=True, slots=True)
class Actions:
    """Decisions of one caller about the jobs of a home.

    Attributes:
        workspace: the home.
        by: who decides; is in the events.
        may_change: tells whether that is the caller's to decide for an experiment; what is not is not there.
    """

    workspace: Workspace
    by: str
    may_change: Callable[[str], bool]

    def cancel(self, job_id: str) -> JobRecord:
        """Ask for a job to be cancelled, and return it as it stands; one that has ended stays as it is.

        Raises:
            ProblemError: 404.
            ProviderError: its provider could not be asked.
        """
        job = self._job(job_id)
        with _explained(job, "cancelled"):
            return self._decisions.cancel(job_id, by=self.by)

    def approve(self, job_id: str, *, cost_quoted_usd: float) -> JobRecord:
        """Agree to a job at a price in US dollars, and return it.

        Raises:
            ProblemError: 404; or 409, it has another price, or does not wait for approval.
            Refused: too late, or in prod by its own requester.
        """
        job = self._job(job_id)
        if cost_quoted_usd != job.cost_quoted_usd:
            raise ProblemError(
                Problem(
                    status=409,
                    code="wrong-state",
                    detail=f"Job {job.job_id} is quoted ${job.cost_quoted_usd:.6f}, and not ${cost_quoted_usd:.6f}.",
                    remedy="Look at the job again, and agree to the price that it has.",
                    field="cost_quoted_usd",
                )
            )
        if job.approved_by == self.by:
            return job
        with _explained(job, "approved"):
            return self._decisions.approve(job_id, by=self.by)

    def decline(self, job_id: str, *, reason: str) -> JobRecord:
        """Say no to a job, and return it.

        Raises:
            ProblemError: 404, or 409 where it does not wait for approval.
        """
        job = self._job(job_id)
        if job.state is JobState.REJECTED and self._has_declined(job):
            return job
        with _explained(job, "declined"):
            return self._decisions.decline(job_id, by=self.by, reason=reason)

    def reprioritise(self, job_id: str, *, priority: int) -> JobRecord:
        """Give a job that was not sent yet another place among its like, and return it.

        Raises:
            ProblemError: 404, or 409 where its provider has it already.
        """
        job = self._job(job_id)
        if job.priority == priority:
            return job
        with _explained(job, "given another priority"):
            return self._decisions.reprioritise(job_id, priority, by=self.by)

    def reroute(self, job_id: str, *, backend: str) -> JobRecord:
        """Take the work of a job to another backend, and return the job that stands for it then.

        Raises:
            ProblemError: 404, or 409 where the job has ended; 422, there is no such backend.
            Refused: policy, a limit or the budget does not let it go there.
            ProviderError: a provider could not be asked.
        """
        from qhybrid_pipelines.steps.on_demand.reroutes import reroute

        job, control_plane = self._job(job_id), self.workspace.control_plane
        if backend not in control_plane.backends:
            raise invalid(
                f"there is no backend {backend[:80]!r}",
                remedy=f"Use some of: {', '.join(control_plane.backends)}.",
                field="backend",
            )
        current = control_plane.dispatcher.current_job(job_id)
        if current.backend == backend and current.job_id != job_id:
            return current  # it was taken there before
        if current.job_id != job_id:
            raise _wrong_state(job, "rerouted", f"its work was taken over by {current.job_id}")
        with _explained(job, "rerouted"):
            return reroute(
                job, backend, control_plane.dispatcher, self.workspace.lake, self.workspace.specifications, by=self.by
            )

    def cancel_experiment(self, key: str) -> list[dict[str, Any]]:
        """Stop an experiment, ask for its jobs to be cancelled, and return those that had not ended.

        Args:
            key: of an experiment that is registered, or was accepted and is registered in a moment.
        """
        if key not in self.workspace.specifications:
            now = datetime.now(UTC)
            Stops(self.workspace.home).add([key], principal=self.by, now=now, reason=WAY)
            return []
        return cancel_experiment(
            key,
            self.workspace.specifications,
            self.workspace.control_plane.dispatcher,
            self.workspace.home,
            by=self.by,
            way=WAY,
        )

    @property
    def _decisions(self) -> OperatorDecisions:
        return self.workspace.control_plane.dispatcher.decisions

    def _job(self, job_id: str) -> JobRecord:
        try:
            job = self.workspace.control_plane.ledger.job(job_id)
        except InvalidInput:
            raise not_found("job") from None
        if not self.may_change(job.experiment):
            raise not_found("job")
        return job

    def _has_declined(self, job: JobRecord) -> bool:
        events = self.workspace.control_plane.ledger.events(job.job_id)
        rejected = [event for event in events if event.event == EVENT_NAMES[Event.REJECT]]
        return bool(rejected) and (rejected[-1].detail or {}).get("by") == self.by


@contextmanager
def _explained(job: JobRecord, what: str) -> Iterator[None]:
    """Say of a job why something cannot be done about it now."""
    try:
        yield
    except IllegalTransition:
        raise _wrong_state(job, what) from None
    except StaleJob:
        raise _wrong_state(job, what, "it changed in this very moment") from None


def _wrong_state(job: JobRecord, what: str, why: str | None = None) -> ProblemError:
    return ProblemError(
        Problem(
            status=409,
            code="wrong-state",
            detail=f"Job {job.job_id} cannot be {what}: {why or f'it is {job.state}'}.",
            remedy="Look at the job: its state and its events say what became of it.",
        )
    )
