"""Dagster's runs as tasks of Celery workers: one task for a run, with the run's id; a worker that was killed is noticed.

Celery keeps saying STARTED of a task whose worker was killed. So the worker is asked whether it has the task, and is given up when it has not said
so for `SILENT_SECONDS` while the broker answers. Dagster's monitor then reports the run as failed, and Dagster starts another one. What
the lost one had submitted is in the ledger, and is found there.

A message is acknowledged before its run begins. Acknowledged at the end, it would be handed out again beside a run that goes on, or after its worker
was killed; Dagster ignores a second worker of a run that has begun, and the run would seem to go on for ever.

    python -m qhybrid_pipelines.launchers.celery_launcher worker --concurrency 2      # the options of `celery worker`
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from celery import Celery, Task
from celery.states import PENDING, READY_STATES
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from dagster_celery.tasks import create_execute_job_task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qhybrid_pipelines.core.errors import EnvironmentFailure, InvalidInput, QHybridError
from qhybrid_pipelines.defs.run_tags import ENGINE_TAG, launch_outage_tags

ENGINE = "celery"
#: Seconds that a worker may take to say what it has; it is answered by a process that does nothing else.
ANSWER_SECONDS = 3.0
#: Seconds after which a silent worker is given up: one that lost its broker for a moment is back before.
SILENT_SECONDS = 25.0
#: Seconds after an outage of the broker in which nobody is called silent: a worker tries to reach it again every 30 s at the latest.
RECONNECT_SECONDS = 35.0
#: What must not be set otherwise. A run waits in Dagster's queue, where later stages go first, and never in a worker that does another one.
SETTINGS: Mapping[str, object] = {
    "task_acks_late": False,
    "task_reject_on_worker_lost": False,
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    "worker_redirect_stdouts": False,
    "broker_connection_max_retries": None,  # for ever: a worker that gave up would take its runs along
}
#: What Celery raises where the broker, or the store of states, gives no answer.
_NO_ANSWER = (OperationalError, RedisError, OSError)


class CeleryUnavailable(EnvironmentFailure):
    """The broker, or the store of states, did not answer; nothing is known about any task."""


class WatchedCeleryRunLauncher(CeleryRunLauncher):
    """Launches each run as a task of Celery; named under ``run_launcher`` in dagster.yaml, with the settings of `CeleryRunLauncher`.

    Args:
        **settings: those of the class above.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._silent_since: dict[str, float] = {}
        self._last_outage = time.monotonic()  # whoever begins does not know what was before

    def app_args(self) -> dict[str, Any]:
        """Return the settings of the Celery app, ours before all others."""
        given = super().app_args()
        return given | {"config_source": {**given["config_source"], **SETTINGS}}

    @property
    def supports_resume_run(self) -> bool:
        """Whether a worker may go on with the run of another one; a new run of the stage does, with all that is in the lake."""
        return False

    def launch_run(self, context: LaunchRunContext) -> None:
        """Hand the run's task to the broker.

        Raises:
            CeleryUnavailable: the broker took nothing, or gave no answer.
        """
        run = context.dagster_run
        # Before the message goes: whoever dies in between leaves a run whose task can be asked for.
        self._instance.add_run_tags(run.run_id, {ENGINE_TAG: ENGINE, DAGSTER_CELERY_TASK_ID_TAG: run.run_id})
        try:
            super().launch_run(context)
        except _NO_ANSWER as error:
            unavailable = _unavailable(error)
            self._instance.add_run_tags(run.run_id, launch_outage_tags(unavailable))
            raise unavailable from error

    def _launch_celery_task_run(self, run: dg.DagsterRun, task_signature: Any, routing_key: str) -> None:
        super()._launch_celery_task_run(run, task_signature.set(task_id=run.run_id), routing_key)

    def terminate(self, run_id: str) -> bool:
        """End a run because a person says so; return whether there was anything to end.

        Raises:
            CeleryUnavailable: the broker did not answer; the run may go on, and a person has to ask again.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or run.tags.get(ENGINE_TAG) != ENGINE:
            return False
        try:
            # A task's state is forgotten after a day, and with the broker's memory; a run that has begun knows so itself.
            is_started = run.status is dg.DagsterRunStatus.STARTED
            has_begun = self.celery.AsyncResult(run_id).state != PENDING or is_started
            # Said first: a process that is interrupted before counts as failed, and its run would be asked for again.
            self._instance.report_run_canceling(run)
            # As Ctrl-C: the step ends at its next line of Python and the run reports its end; SIGTERM would end the worker's process with it.
            self.celery.control.revoke(run_id, terminate=True, signal="SIGINT")
        except _NO_ANSWER as error:
            raise _unavailable(error) from error
        if not has_begun:
            self._instance.report_run_canceled(run)
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Tell whether a run that has not ended still has its worker.

        Raises:
            CeleryUnavailable: the broker did not answer. Dagster's monitor would take the answer UNKNOWN for the end of the run.
        """
        if run.tags.get(ENGINE_TAG) != ENGINE:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it was not launched by Celery")
        try:
            task = self.celery.AsyncResult(run.run_id)
            known = task.backend.get_task_meta(run.run_id)
            state = known["status"]
            if state == PENDING and run.status is dg.DagsterRunStatus.STARTING:
                return CheckRunHealthResult(WorkerStatus.RUNNING, "its task waits for a worker")
            worker = (known.get("result") or {}).get("hostname") if state not in READY_STATES else None
            is_at_work = self._is_at_work(run.run_id, worker)
        except _NO_ANSWER as error:
            self._last_outage = time.monotonic()
            raise _unavailable(error) from error
        if is_at_work:
            self._silent_since.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=run.run_id)
        # A process reports the end of its run before the end of its task: a run that has not ended is lost.
        if state in READY_STATES:
            return self._lost(run, f"its task ended as {state}, and the run did not")
        now = time.monotonic()
        since = max(self._silent_since.setdefault(run.run_id, now), self._last_outage + RECONNECT_SECONDS)
        silent_seconds = now - since
        if silent_seconds < SILENT_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its worker does not answer; it is asked again")
        return self._lost(run, f"{worker or 'no worker'} has not said for {silent_seconds:.0f} s that it has the run")

    def _lost(self, run: dg.DagsterRun, reason: str) -> CheckRunHealthResult:
        self._silent_since.pop(run.run_id, None)
        return CheckRunHealthResult(WorkerStatus.FAILED, reason, transient=False, run_worker_id=run.run_id)

    def _is_at_work(self, task_id: str, worker: str | None) -> bool:
        """Tell whether a worker says that it has a task; without a name, all workers are asked."""
        only = {"destination": [worker], "limit": 1} if worker else {}
        answers = self.celery.control.inspect(timeout=ANSWER_SECONDS, **only).query_task(task_id) or {}
        return any(tasks[task_id][0] != "ready" for tasks in answers.values() if task_id in tasks)

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str:  # noqa: ARG002, FBT001, FBT002  Dagster's
        """Return where the worker's output is, for the message about a run that failed."""
        return f"What it did last is in the output of the worker that had the task {run.run_id}."

    def make_worker_app(self) -> Celery:
        """Return the app of a worker: it knows the task that executes a run."""
        _: Task = create_execute_job_task(self.celery)
        return self.celery


def _unavailable(error: Exception) -> CeleryUnavailable:
    return CeleryUnavailable(
        f"Celery's broker did not answer: {error}", remedy="See whether it runs, and whether this machine reaches it."
    )


def main(arguments: Sequence[str]) -> None:
    """Run a command of Celery's with the app that the dagster.yaml of `DAGSTER_HOME` describes.

    Raises:
        InvalidInput: that dagster.yaml names another launcher.
    """
    with dg.DagsterInstance.get() as instance:
        launcher = instance.run_launcher
        # Asked by what it can do: run as a script, this module's classes are others than those of the module that dagster.yaml names.
        make_app = getattr(launcher, "make_worker_app", None)
        if make_app is None:
            raise InvalidInput(
                f"{instance.root_directory}: the run launcher is {type(launcher).__name__}, and not Celery's",
                remedy="Let DAGSTER_HOME be deploy/celery, or a folder whose dagster.yaml names the same launcher.",
                field="DAGSTER_HOME",
            )
        app = make_app()
    app.worker_main(list(arguments))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except QHybridError as error:
        sys.stderr.write(f"celery launcher: {error}\n")
        sys.exit(error.exit_code)
