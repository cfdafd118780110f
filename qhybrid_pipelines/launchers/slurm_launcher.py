"""Dagster's runs as jobs of a Slurm cluster: one job for a run, named by the run's id.

Whoever launches keeps nothing: a launcher that died after `sbatch` finds the job by its name, and so does the daemon on
another machine. Slurm never starts a job again by itself (`--no-requeue`); Dagster's monitor reports a run as failed whose job is gone,
and Dagster starts another one. What the lost one had submitted is in the ledger, and is found there.

Slurm's answer is needed to say that a worker is gone: while the controller is away, no run is given up.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData, serialize_value

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.defs.run_tags import BATCH_OF_TAG, ENGINE_TAG, launch_outage_tags
from qhybrid_pipelines.launchers.slurm_jobs import (
    RESOURCES,
    SlurmResources,
    SlurmUnavailable,
    cancel_job,
    find_job,
    submit_job,
)

#: Tags of a run that ask for resources, as in ``slurm/cores``.
TAG_PREFIX = "slurm/"
#: Dagster's tag with the backend of a run of one partition.
BACKEND_TAG = "dagster/partition/backend"
ENGINE = "slurm"


class SlurmRunLauncher(RunLauncher, ConfigurableClass):
    """Launches each run with `sbatch`; named under ``run_launcher`` in dagster.yaml.

    Args:
        resources: that every run asks for.
        jobs: more or others, by the name of Dagster's job.
        backends: more or others, by the name of the run's backend; what a tag ``slurm/…`` of the run says goes first.
        log_folder: where the output of the workers goes, on a disk that all nodes see.

    Raises:
        InvalidInput: a resource is unknown, or no word of Slurm's.
    """

    def __init__(
        self,
        resources: Mapping[str, Any] | None = None,
        jobs: Mapping[str, Mapping[str, Any]] | None = None,
        backends: Mapping[str, Mapping[str, Any]] | None = None,
        log_folder: str = "data/dagster/slurm",
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        self._inst_data, self._log_folder = inst_data, Path(log_folder).absolute()
        self._usual = SlurmResources.from_settings(resources or {}, place="run_launcher, resources")
        self._special = {
            name: SlurmResources.from_settings(asked, place=f"run_launcher, {kind}, {name}")
            for kind, named in (("jobs", jobs or {}), ("backends", backends or {}))
            for name, asked in named.items()
        }
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What the instance's settings said."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return what dagster.yaml may say."""
        values = {
            name: dg.Field(dg.IntSource if name == "cores" else dg.StringSource, is_required=False)
            for name in RESOURCES
        }
        return {
            "resources": dg.Field(values, is_required=False),
            "jobs": dg.Field({str: values}, is_required=False),
            "backends": dg.Field({str: values}, is_required=False),
            "log_folder": dg.Field(dg.StringSource, is_required=False),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Return the launcher that the instance's settings describe."""
        return cls(inst_data=inst_data, **config_value)

    def resources_of(self, run: dg.DagsterRun) -> SlurmResources:
        """Return what a run's job asks for. Raises `InvalidInput` for a tag that Slurm would not understand."""
        asked = {
            name.removeprefix(TAG_PREFIX): value for name, value in run.tags.items() if name.startswith(TAG_PREFIX)
        }
        found = self._usual
        for name in (run.job_name, backend_of(run.tags)):
            found = found.replaced_by(self._special.get(name, SlurmResources()))
        return found.replaced_by(SlurmResources.from_settings(asked, place="the run's tags"))

    def launch_run(self, context: LaunchRunContext) -> None:
        """Submit the run's job, unless Slurm has it already.

        Raises:
            SlurmUnavailable: the cluster took no job, or gave no answer.
            InvalidInput: a tag of the run asks for what Slurm would not understand.
        """
        run = context.dagster_run
        resources = self.resources_of(run)
        origin = context.job_code_origin
        if origin is None:
            raise InvalidInput(
                f"the run {run.run_id} has no code location", remedy="Start it from Dagster's pages or sensors."
            )
        self._instance.add_run_tags(run.run_id, {ENGINE_TAG: ENGINE})
        worker = ExecuteRunArgs(job_origin=origin, run_id=run.run_id, instance_ref=self._instance.get_ref())
        # A job's environment need not have the path on which `dagster` is found.
        python = origin.repository_origin.executable_path or sys.executable
        command = [python, "-m", "dagster", "api", "execute_run", serialize_value(worker)]
        self._log_folder.mkdir(parents=True, exist_ok=True)
        try:
            job = find_job(run.run_id, since=datetime.now(UTC))
            if job is not None:
                self._instance.report_engine_event(f"{job}; it was submitted before", run, cls=type(self))
                return
            job_id = submit_job(
                _script(command),
                name=run.run_id,
                resources=resources,
                folder=Path.cwd(),
                log=self._log_folder / f"{run.run_id}.log",
            )
        except SlurmUnavailable as error:
            self._instance.add_run_tags(run.run_id, launch_outage_tags(error))
            raise
        asked = " ".join(resources.options) or "the cluster's defaults"
        self._instance.report_engine_event(f"Slurm job {job_id} was submitted with {asked}", run, cls=type(self))

    def terminate(self, run_id: str) -> bool:
        """End a run because a person says so; return whether there was anything to end.

        Raises:
            SlurmUnavailable: the controller did not answer; the job may go on, and a person has to ask again.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or run.tags.get(ENGINE_TAG) != ENGINE:
            return False
        # Asked first: a run that is said to be cancelling ends as cancelled some minutes later, whatever its job does.
        job = find_job(run_id, since=self._created(run_id))
        self._instance.report_run_canceling(run)
        if job is not None and job.is_alive:
            cancel_job(job.job_id)
            if job.has_begun:
                return True  # its process reports the end, and the monitor does where it cannot
        self._instance.report_run_canceled(run)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether `check_run_worker_health` may be asked."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Tell whether a run that has not ended still has its job.

        Raises:
            SlurmUnavailable: the controller did not answer. Dagster's monitor would take the answer UNKNOWN for the end of the run.
        """
        if run.tags.get(ENGINE_TAG) != ENGINE:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it was not launched by Slurm")
        job = find_job(run.run_id, since=self._created(run.run_id))
        if job is None:
            return CheckRunHealthResult(
                WorkerStatus.NOT_FOUND, f"Slurm knows no job of the name {run.run_id}", transient=False
            )
        # A process reports the end of its run before it ends itself: one that ended well has no unfinished run.
        status = WorkerStatus.RUNNING if job.is_alive else WorkerStatus.FAILED
        return CheckRunHealthResult(status, str(job), transient=False, run_worker_id=job.job_id)

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str:  # noqa: ARG002, FBT001, FBT002  Dagster's
        """Return where the worker's output is, for the message about a run that failed."""
        return f"The output of its worker is in {self._log_folder / f'{run.run_id}.log'}."

    def _created(self, run_id: str) -> datetime:
        record = self._instance.get_run_record_by_id(run_id)
        return record.create_timestamp.replace(tzinfo=UTC) if record else datetime.now(UTC)


def backend_of(tags: Mapping[str, str]) -> str:
    """Return the backend of a run, empty where it has none."""
    first = tags.get(BATCH_OF_TAG, "").partition("\n")[0]
    return tags.get(BACKEND_TAG) or first.rpartition("|")[0]


def _script(command: Sequence[str]) -> str:
    """Return a job's script: nothing but the command, as the process that Slurm's signals reach."""
    # Numerical libraries would take all cores of a node that others share.
    return f'#!/bin/sh\nexport OMP_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-1}}"\nexec {shlex.join(command)}\n'
