"""Running the stages of an experiment in this process, through the same jobs that Dagster's daemon runs.

The command line uses this; sensors request the same jobs. Runs are recorded in the home's own Dagster instance, so
that the UI shows them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import Stage, due_stages, waiting_jobs
from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.ledger.lifecycle import OPEN
from qhybrid_pipelines.core import errors
from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.core.system.clock import boot_seconds
from qhybrid_pipelines.core.system.stop_request import StopRequested, raise_if_stop_requested
from qhybrid_pipelines.parallel.mapper import chosen_mapper
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.steps.interpret.next_rounds import register_following
from qhybrid_pipelines.steps.operate.warehouse import is_stale
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.unended_runs import may_have_unended_runs

if TYPE_CHECKING:
    import dagster as dg

    from qhybrid_pipelines.control.ledger.port import JobRecord
    from qhybrid_pipelines.dagster_runs import DagsterRuns, FailedRun
    from qhybrid_pipelines.steps.execute.qpu_completions import CompletedExecution

#: Told what happens: the stage, and the asset that was just written (None when the stage starts).
ProgressCallback = Callable[[Stage, str | None], None]

#: Told, once each, in one sentence, why open jobs could not be polled.
MessageCallback = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFailure:
    """A stage that did not end well, why, and the exit code of that reason.

    Attributes:
        stage: None where no stage ran: for the publication, or for an experiment that cannot be read.
        experiment: the one that cannot be read.
    """

    stage: Stage | None
    message: str
    exit_code: int
    experiment: str | None = None

    @property
    def what(self) -> str:
        """What failed: an experiment's preparation, its execution on a backend, or the publication."""
        if self.stage is None:
            return self.experiment or "publish"
        return f"{self.stage.experiment} {'on ' + self.stage.backend if self.stage.backend else '(prepare)'}"


#: Seconds between two rounds of polls of open jobs; each job's own rhythm is its tier's.
SHORTEST_POLL_INTERVAL, LONGEST_POLL_INTERVAL = 0.5, 5.0
POLL_LIMIT_SECONDS = 30.0


class StageError(Exception):
    """A run ended in failure; ``exit_code`` is that of the error behind it, ``outage`` says that it will pass."""

    def __init__(self, message: str, exit_code: int, *, outage: bool = False) -> None:
        self.exit_code, self.outage = exit_code, outage
        super().__init__(message)


class Launcher:
    """Runs what is due in one home folder.

    Raises:
        InvalidInput: the environment names a mapper that cannot be used; said before anything is made.
    """

    def __init__(self, settings: Settings) -> None:
        chosen_mapper()
        self.settings = settings
        self.workspace = Workspace(Home(settings.home))
        self._on_message: MessageCallback = lambda _: None
        self.workspace.home.make()
        for folder in self.workspace.home.unfinished:
            files.remove_leftovers(folder)

    @cached_property
    def _runs(self) -> DagsterRuns:
        from qhybrid_pipelines.dagster_runs import DagsterRuns

        return DagsterRuns(self.settings, self.workspace)

    @property
    def instance(self) -> dg.DagsterInstance:
        """Dagster's record of runs under the home folder, the same that ``dagster dev`` opens."""
        return self._runs.instance

    @property
    def definitions(self) -> dg.Definitions:
        """The code location of this home."""
        return self._runs.definitions

    def run(
        self,
        keys: Iterable[str],
        on_progress: ProgressCallback,
        *,
        wait: bool = False,
        on_problem: MessageCallback = lambda _: None,
        on_message: MessageCallback = lambda _: None,
    ) -> tuple[list[str], list[StageFailure]]:
        """Run the given experiments and the rounds that follow from them, until nothing is due; then publish.

        One failing stage never keeps the others from going on. Jobs that a provider queues are left with it: a later call
        polls them first and collects what came back, and so do the sensors; :meth:`waiting` names them.

        Args:
            keys: the experiments.
            on_progress: told what happens.
            wait: poll open jobs, ever more rarely, until all is decided. Every job ends by its tier's deadline at the
                latest. What waits for a person is not waited for.
            on_problem: told what went wrong with polls of open jobs; the next poll tries again.
            on_message: told what stages that take long say about their progress.

        Returns:
            All keys, next rounds included, in the order they came up; and what failed.

        Raises:
            StopRequested: a person stopped this process. No stage was begun and nothing was sent afterwards, and no sensor
                goes on with these experiments until they are run again.
        """
        if may_have_unended_runs(self.workspace.home):
            from qhybrid_pipelines.defs.orphans import end_orphans

            end_orphans(self.instance)
        self._on_message = on_message
        keys = list(keys)
        Stops(self.workspace.home).remove(keys)
        try:
            return self._run(keys, on_progress, wait=wait, on_problem=on_problem)
        except StopRequested as request:
            self._note_stop(keys, request)
            raise

    def _run(
        self, keys: list[str], on_progress: ProgressCallback, *, wait: bool, on_problem: MessageCallback
    ) -> tuple[list[str], list[StageFailure]]:
        run_loop = _RunLoop(self, keys, on_progress, on_problem)
        run_loop.poll_due()
        run_loop.run_due()
        while wait and run_loop.poll_open_jobs():
            run_loop.run_due()
        failures = run_loop.failures
        if is_stale(self.workspace.home, self.workspace.control_plane.ledger):
            try:
                self.publish()
            except StageError as error:
                message = f"the warehouse keeps its last snapshot: {error}"
                failures.append(StageFailure(stage=None, message=message, exit_code=error.exit_code))
        return run_loop.known, failures

    def _note_stop(self, keys: Iterable[str], request: StopRequested) -> None:
        """Note the person's word for every experiment of this call that is not decided yet, next rounds included."""
        known = self.with_next_rounds(keys)
        undecided = {stage.experiment for stage in self.due(known)} | {job.experiment for job in self.waiting(known)}
        deployment = self.workspace.control_plane.deployment
        Stops(self.workspace.home).add(
            sorted(undecided), principal=deployment.principal, now=datetime.now(UTC), reason=request.reason
        )

    def waiting(self, keys: Iterable[str]) -> list[JobRecord]:
        """Return the jobs of some experiments that a provider has, or that wait for a person."""
        return waiting_jobs(self.workspace.control_plane.ledger, set(keys))

    def run_stage(self, stage: Stage, on_progress: ProgressCallback) -> None:
        """Run one stage in this process.

        Raises:
            StageError: it ended in failure; its events are in Dagster's log.
        """
        on_progress(stage, None)
        failed = self._runs.run_stage(stage, lambda asset: on_progress(stage, asset), self._on_message)
        _raise_if_failed(failed)

    def publish(self) -> None:
        """Build a new snapshot for analysts. Raises as :meth:`run_stage`."""
        _raise_if_failed(self._runs.publish())

    def report_completions(self, completions: Iterable[CompletedExecution]) -> None:
        """Tell Dagster of executions all of whose jobs are settled."""
        self._runs.report_completions(list(completions))

    def due(self, keys: Iterable[str], damage: Damage | None = None) -> list[Stage]:
        """Return the stages of some experiments that are due now; those that cannot be read are noted in ``damage``."""
        damage, workspace = damage or Damage(), self.workspace
        readable = load_readable(workspace.specifications, keys, damage)
        return due_stages(readable, workspace.lake, workspace.control_plane, damage)

    def with_next_rounds(self, keys: Iterable[str], damage: Damage | None = None) -> list[str]:
        """Return ``keys`` and the rounds that follow from them, whether registered now or before a crash."""
        known, damage, workspace = dict.fromkeys(keys), damage or Damage(), self.workspace
        new = list(known)
        while new:
            readable = load_readable(workspace.specifications, new, damage)
            following = register_following(readable, workspace.lake, workspace.registration, damage)
            new = [one.key for rounds in following.values() for one in rounds if one.key not in known]
            known |= dict.fromkeys(new)
        return list(known)


class _RunLoop:
    """What one call of :meth:`Launcher.run` has done so far, and what is left of it."""

    def __init__(
        self, launcher: Launcher, keys: Iterable[str], on_progress: ProgressCallback, on_problem: MessageCallback
    ) -> None:
        self._launcher, self._on_progress, self._on_problem = launcher, on_progress, on_problem
        self._damage = Damage()
        self.known = launcher.with_next_rounds(dict.fromkeys(keys), self._damage)
        self._failures: dict[Stage, StageFailure] = {}
        self._runs: dict[Stage, int] = {}
        self._backs_off_until: dict[Stage, float] = {}
        self._reported_completions: set[str] = set()
        self._reported_problems: set[str] = set()
        self._cursor: Mapping[str, str] = {}
        self._poll_interval_seconds = SHORTEST_POLL_INTERVAL

    @property
    def failures(self) -> list[StageFailure]:
        """What failed and was not made good since, and which of the experiments cannot be read."""
        damaged = [
            StageFailure(stage=None, experiment=key, message=problem, exit_code=errors.CorruptFile.exit_code)
            for key, problem in self._damage.problems.items()
            if key in self.known
        ]
        return [*self._failures.values(), *damaged]

    def run_due(self) -> None:
        """Run stages until none is due that was not tried just now, and poll open jobs after each."""
        while stages := [stage for stage in self._due_stages() if self._may_run(stage)]:
            for stage in stages:
                self._run_with_followers(stage)
                if self.poll_due():
                    break  # what came back is collected before anything else is begun
            self.known = self._launcher.with_next_rounds(self.known, self._damage)

    def _run_with_followers(self, stage: Stage) -> None:
        """Run a stage and what is due of its experiment then, so that one has its verdict before the next is begun."""
        following = [stage]
        while following := [each for each in following if self._may_run(each)]:
            for each in following:
                self._run(each)
            following = self._launcher.due([stage.experiment], self._damage)

    def poll_open_jobs(self) -> bool:
        """Wait a moment and poll the open jobs; return False if there is nothing left to wait for."""
        is_backing_off = any(stage in self._backs_off_until for stage in self._due_stages())
        if not is_backing_off and not any(job.state in OPEN for job in self._launcher.waiting(self.known)):
            return False
        time.sleep(self._poll_interval_seconds)
        raise_if_stop_requested()
        self._poll_interval_seconds = (
            SHORTEST_POLL_INTERVAL if self.poll_due() else min(1.5 * self._poll_interval_seconds, LONGEST_POLL_INTERVAL)
        )
        return True

    def poll_due(self) -> bool:
        """Poll the open jobs whose time has come, and return whether anything is new."""
        launcher = self._launcher
        if not any(job.state in OPEN for job in launcher.waiting(self.known)):
            return False
        from qhybrid_pipelines.steps.execute.qpu_completions import find_completed_executions, poll_open_jobs

        workspace = launcher.workspace
        report = poll_open_jobs(
            workspace.control_plane.dispatcher, limit_seconds=POLL_LIMIT_SECONDS, cursor=self._cursor
        )
        self._cursor = report.polled.cursor
        for problem in report.problems:
            if problem not in self._reported_problems:
                self._reported_problems.add(problem)
                self._on_problem(problem)
        new = [
            completion
            for completion in find_completed_executions(
                workspace.specifications, workspace.lake, workspace.control_plane, self._damage
            )
            if completion.stage.experiment in self.known and completion.name not in self._reported_completions
        ]
        if new:
            launcher.report_completions(new)
            self._reported_completions |= {completion.name for completion in new}
        return bool(new or report.changed)

    def _due_stages(self) -> list[Stage]:
        return self._launcher.due(self.known, self._damage)

    def _may_run(self, stage: Stage) -> bool:
        if stage not in self._runs:
            return True
        return stage in self._backs_off_until and boot_seconds() >= self._backs_off_until[stage]

    def _run(self, stage: Stage) -> None:
        """Run a stage; one that an outage ended, or that its provider did not take yet, may run again after a rest."""
        from qhybrid_pipelines.defs.run_history import backoff_after

        self._runs[stage] = self._runs.get(stage, 0) + 1
        self._backs_off_until.pop(stage, None)
        try:
            self._launcher.run_stage(stage, self._on_progress)
            self._failures.pop(stage, None)
        except StageError as error:
            self._failures[stage] = StageFailure(stage=stage, message=str(error), exit_code=error.exit_code)
            if not error.outage:
                return
        self._backs_off_until[stage] = boot_seconds() + backoff_after(self._runs[stage]).total_seconds()


def _raise_if_failed(failed: FailedRun | None) -> None:
    if failed is not None:
        raise StageError(failed.message, failed.exit_code, outage=failed.outage)
