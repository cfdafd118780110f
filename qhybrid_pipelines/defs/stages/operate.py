"""OPERATE, without partitions: the fleet of backends, and the snapshot that analysts open."""

import dagster as dg
import pyarrow as pa

from qhybrid_pipelines.defs import checks, metadata
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.table_assets import RESULT, table_asset
from qhybrid_pipelines.steps.operate import backend_calibrations as calibrations
from qhybrid_pipelines.steps.operate import backend_capabilities as capabilities
from qhybrid_pipelines.steps.operate import warehouse as warehouse_step


@table_asset(
    group_name="operate",
    kinds={"parquet"},
    io_manager_key="lake",
    checks=[checks.bit_order, checks.provider_reachable],
)
def backend_capabilities(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> pa.Table:
    """What each backend can do, read from its provider."""
    table = capabilities.backend_capabilities(workspace.open().control_plane)
    context.add_output_metadata(metadata.capabilities(table), output_name=RESULT)
    return table


@table_asset(group_name="operate", kinds={"parquet"}, io_manager_key="lake", checks=[checks.calibrations_fresh])
def backend_calibrations(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> pa.Table:
    """Every calibration that was seen of a device, and how its medians drift."""
    table, problems = calibrations.backend_calibrations(workspace.open().control_plane)
    context.add_output_metadata(metadata.calibrations(table, problems), output_name=RESULT)
    return table


@table_asset(
    group_name="operate",
    kinds={"duckdb"},
    # It shows all tables; what hangs on the ends of the pipeline comes after everything, and the picture keeps its line.
    deps=[
        "decisions",
        "tracking_runs",
        "qml_tracking_runs",
        "sampling_verdicts",
        "backend_capabilities",
        "backend_calibrations",
    ],
    pool="warehouse",
    checks=checks.WAREHOUSE,
)
def warehouse(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
    """The DuckDB snapshot of everything, built beside the last one and put in its place in one step."""
    opened = workspace.open()
    snapshot = warehouse_step.publish(opened.home, opened.control_plane.ledger)
    context.add_output_metadata(metadata.warehouse(snapshot), output_name=RESULT)


ASSETS = (backend_capabilities, backend_calibrations, warehouse)
