"""Telling Dagster of tables that were written without a run of it, so that its pages show them as they show all others."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.dagster_home import instance_ref, make_dagster_storage
from qhybrid_pipelines.defs.partitions import add_partitions, execution_key
from qhybrid_pipelines.steps.plain_stages import WrittenTable
from qhybrid_pipelines.storage.layout import Home


def open_instance(home: Home) -> dg.DagsterInstance:
    """Return Dagster's record of runs in a home."""
    make_dagster_storage(home)
    return dg.DagsterInstance.from_ref(instance_ref(home.dagster))


def report_tables(instance: dg.DagsterInstance, tables: Iterable[tuple[Stage, WrittenTable]]) -> None:
    """Tell Dagster which tables were written by which stages."""
    tables = list(tables)
    add_partitions(instance, dict.fromkeys(stage for stage, _ in tables))
    for stage, table in tables:
        partition = stage.experiment if table.backend is None else execution_key(table.backend, stage.experiment)
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset_key=table.asset,
                partition=partition,
                description="Written by the interactive worker of `qhybrid serve`, without a run.",
                metadata={
                    "dagster/row_count": table.written.rows,
                    "bytes": table.written.bytes,
                    "files": dg.MetadataValue.path(table.written.address),
                    "sha256": table.written.sha256,
                },
            )
        )
