"""The code location: a table of contents of the pipeline, in the order in which the data flows."""

from typing import Any

import dagster as dg

from qhybrid_pipelines.dagster_storage import store_events_together
from qhybrid_pipelines.defs import automation, jobs
from qhybrid_pipelines.defs.owners import with_owners
from qhybrid_pipelines.defs.parquet_io import ParquetIOManager, with_column_schemas
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.stages import execute, interpret, learn, operate, prepare, sample
from qhybrid_pipelines.settings import Settings


def build_definitions(settings: Settings, **resources: Any) -> dg.Definitions:
    """Return the whole code location for one home folder.

    Args:
        settings: where state lives.
        resources: replacements for the resources of the same name.
    """
    store_events_together()
    all_jobs = jobs.build()
    sensors, schedules = automation.build(all_jobs)
    workspace = WorkspaceResource(home=str(settings.home))
    return dg.Definitions(
        assets=with_owners(
            with_column_schemas(
                [
                    *prepare.ASSETS,
                    *execute.ASSETS,
                    *interpret.ASSETS,
                    *learn.ASSETS,
                    *sample.ASSETS,
                    *operate.ASSETS,
                ]
            )
        ),
        jobs=list(all_jobs.values()),
        sensors=sensors,
        schedules=schedules,
        resources={"workspace": workspace, "lake": ParquetIOManager(workspace=workspace), **resources},
        # One process per run: a spawned process per step would import everything again, seconds each.
        executor=dg.in_process_executor,
    )


defs = build_definitions(Settings.from_environment())
