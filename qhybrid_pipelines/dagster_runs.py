"""Runs of Dagster's jobs in this process, recorded in the home's own Dagster instance, so that the UI shows them.

`launch` imports this once something is due: Dagster and the definitions take longer to import than everything that a
decided experiment needs.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.core import errors
from qhybrid_pipelines.core.system.stop_request import raise_if_stop_requested, stop_requested
from qhybrid_pipelines.dagster_home import instance_ref, make_dagster_storage
from qhybrid_pipelines.definitions import build_definitions
from qhybrid_pipelines.defs.automation import make_materialization
from qhybrid_pipelines.defs.jobs import JOB_NAMES
from qhybrid_pipelines.defs.orphans import process_tags
from qhybrid_pipelines.defs.partitions import add_partitions, execution_key
from qhybrid_pipelines.defs.principals import principal_tags
from qhybrid_pipelines.defs.run_history import record_stop
from qhybrid_pipelines.defs.run_tags import OUTAGE_MESSAGE_TAG, OUTAGE_TAG, label_tags, stage_tags
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.steps.execute.qpu_completions import CompletedExecution
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.label_store import read_labels

#: By this tag Dagster's pages of jobs and its timeline find the runs of a code location; `workspace.yaml` has its name.
LOCATION_TAGS = {".dagster/repository": "__repository__@qhybrid_pipelines"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """Why a run ended in failure.

    Attributes:
        message: the first sentence of the error behind it.
        exit_code: that of the error behind it.
        outage: it will pass.
    """

    message: str
    exit_code: int
    outage: bool


class DagsterRuns:
    """Runs jobs in one home folder."""

    def __init__(self, settings: Settings, workspace: Workspace) -> None:
        self._workspace = workspace
        self.definitions = build_definitions(settings)
        logging.getLogger("dagster").setLevel(logging.CRITICAL)  # its own lines are in its event log

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """Dagster's record of runs under the home folder, the same that ``dagster dev`` opens."""
        make_dagster_storage(self._workspace.home)
        return dg.DagsterInstance.from_ref(instance_ref(self._workspace.home.dagster))

    def run_stage(
        self, stage: Stage, on_written: Callable[[str], None], on_message: Callable[[str], None]
    ) -> FailedRun | None:
        """Run one stage; return None if it succeeded.

        Args:
            stage: what is due.
            on_written: told the name of each asset that was just written.
            on_message: told what the stage says about its progress.

        Raises:
            StopRequested: a person stopped this process.
        """
        add_partitions(self.instance, [stage])
        partition = stage.experiment if stage.backend is None else execution_key(stage.backend, stage.experiment)
        tags = stage_tags(stage) | label_tags(read_labels(self._workspace.home, stage.experiment))

        def on_table(asset: str) -> None:
            if asset in stage.assets:
                on_written(asset)

        return self._execute(stage.job, partition, tags, on_table, on_message)

    def publish(self) -> FailedRun | None:
        """Build a new snapshot for analysts; return None if it succeeded. Raises as :meth:`run_stage`."""
        return self._execute("publish", None, {}, lambda _: None, lambda _: None)

    def report_completions(self, completions: Sequence[CompletedExecution]) -> None:
        """Tell Dagster of executions all of whose jobs are settled."""
        for completion in completions:
            self.instance.report_runless_asset_event(make_materialization(completion))

    def _execute(
        self,
        job: str,
        partition: str | None,
        tags: dict[str, str],
        on_written: Callable[[str], None],
        on_message: Callable[[str], None],
    ) -> FailedRun | None:
        raise_if_stop_requested()
        name = JOB_NAMES[job]
        run_id, deployment = dg.DagsterRun(job_name=name).run_id, self._workspace.control_plane.deployment

        def on_event(entry: dg.EventLogEntry) -> None:
            event = entry.dagster_event
            if event is None and entry.level == logging.INFO:
                on_message(entry.user_message)
            if event is not None and event.is_step_materialization and event.asset_key is not None:
                on_written(event.asset_key.path[-1])

        self.instance.add_event_listener(run_id, on_event)
        try:
            result = self.definitions.resolve_job_def(name).execute_in_process(
                instance=self.instance,
                partition_key=partition,
                tags=tags | process_tags() | principal_tags(deployment) | LOCATION_TAGS,
                run_id=run_id,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        finally:
            if (request := stop_requested()) is not None:  # Dagster may have swallowed it
                record_stop(self.instance, run_id, principal=deployment.principal, reason=request.reason)
        raise_if_stop_requested()
        return self._outage(run_id) if result.success else self._failure(result)

    def _outage(self, run_id: str) -> FailedRun | None:
        """Return why a run that skipped what was left of it did so; None for one that skipped nothing."""
        run = self.instance.get_run_by_id(run_id)
        if run is None or not (kind := run.tags.get(OUTAGE_TAG)):
            return None
        exit_code = getattr(errors, kind, errors.JobFailed).exit_code
        return FailedRun(message=run.tags[OUTAGE_MESSAGE_TAG], exit_code=exit_code, outage=True)

    def _failure(self, result: dg.ExecuteInProcessResult) -> FailedRun:
        """Return the first sentence and the exit code of the error behind a failed run."""
        for event in result.all_events:
            if event.is_step_failure:
                error = event.step_failure_data.error
                while error is not None and error.cause is not None:
                    error = error.cause
                if error is not None:
                    kind = getattr(errors, error.cls_name or "", errors.JobFailed)
                    message = error.message.strip().partition(": ")[2] or error.message.strip()
                    return FailedRun(message=message, exit_code=kind.exit_code, outage=False)
        message = "the run failed; its events are in Dagster"
        return FailedRun(message=message, exit_code=errors.JobFailed.exit_code, outage=False)
