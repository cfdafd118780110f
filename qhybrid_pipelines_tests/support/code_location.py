"""A code location with its Dagster instance, in which sensors, schedules and runs are evaluated one by one."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from qhybrid_pipelines.dagster_home import instance_ref
from qhybrid_pipelines.definitions import build_definitions
from qhybrid_pipelines.defs.jobs import JOB_NAMES, STAGES
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.settings import Settings

NIGHT = datetime(2026, 3, 1, 2, tzinfo=UTC)


@dataclass
class CodeLocation:
    """A code location with its instance; `tick` and `run` are what Dagster's daemon does with them."""

    home: Path
    instance: dg.DagsterInstance
    definitions: dg.Definitions = field(init=False)
    cursor: str | None = None

    def __post_init__(self):
        self.definitions = build_definitions(Settings(home=self.home))
        self.resources = {"workspace": WorkspaceResource(home=str(self.home))}
        self.workspace = self.resources["workspace"].open()

    def drop(self, name, text, *, seconds_ago=60.0):
        self.workspace.home.make()
        path = self.workspace.home.inbox / name
        path.write_text(text)
        moment = time.time() - seconds_ago
        os.utime(path, (moment, moment))

    def register(self, text):
        return self.workspace.registration.register_text(text, file="test.yaml", folder=self.home).key

    def tick(self, name, at=NIGHT):
        """Evaluate a sensor or schedule, add the partitions it asks for, and return its run requests or its reason."""
        repository = self.definitions.get_repository_def()
        common = {"instance": self.instance, "resources": self.resources, "repository_def": repository}
        if repository.has_sensor_def(name):
            with dg.build_sensor_context(instance_ref=self.instance.get_ref(), **common) as context:
                data = repository.get_sensor_def(name).evaluate_tick(context)
            for request in data.dynamic_partitions_requests or ():
                self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        else:
            with dg.build_schedule_context(scheduled_execution_time=at, **common) as context:
                data = repository.get_schedule_def(name).evaluate_tick(context)
        return list(data.run_requests or ()) or data.skip_message

    def poll(self, name="qpu_poll"):
        """Evaluate a sensor, first of all that which looks at open jobs, keep its cursor and its events, and return what it says."""
        repository = self.definitions.get_repository_def()
        common = {"instance": self.instance, "resources": self.resources, "repository_def": repository}
        with dg.build_sensor_context(instance_ref=self.instance.get_ref(), cursor=self.cursor, **common) as context:
            data = repository.get_sensor_def(name).evaluate_tick(context)
        self.cursor = data.cursor
        for event in data.asset_events:
            self.instance.report_runless_asset_event(event)
        return data

    def run(self, request):
        return self.definitions.resolve_job_def(request.job_name).execute_in_process(
            instance=self.instance, partition_key=request.partition_key, tags=request.tags, raise_on_error=False
        )

    def add_past_run(self, job, status, tags=None, moment=None):
        """Put a run into the history."""
        name = JOB_NAMES[job]
        run = dg.DagsterRun(job_name=name, run_id=dg.DagsterRun(job_name=name).run_id, status=status, tags=tags or {})
        self.instance.run_storage.add_historical_run(run, moment or datetime.now(UTC))


@contextmanager
def open_code_location(home):
    """Yield a code location over a home folder."""
    with dg.DagsterInstance.from_ref(instance_ref(home / "dagster")) as instance:
        yield CodeLocation(home=home, instance=instance)


def requested_stages(requests):
    """Return stage and partition of some run requests, sorted."""
    return sorted((STAGES[request.job_name], request.partition_key) for request in requests)
