"""Assets that write tables, each with its check `schema`: what was written is read back and held against its description.

The check is yielded by the step that wrote the table. As a step of its own it cost Dagster some 50 ms, which for the sixteen tables of a
small experiment was a second; it runs as before once its table is written, whatever becomes of the rest of the stage.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

import dagster as dg

from qhybrid_pipelines.defs.partitions import EXECUTIONS, EXPERIMENTS, get_executions
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.tables import SchemaMismatch, conform

#: Dagster's name for the one table of an asset; to be said where its metadata is added, as the check is an output too.
RESULT = "result"
CHECK_NAME = "schema"
DESCRIPTION = "Columns, types, nullability, order and key are those of the table's description."

#: A step: its context, tables and resources in; a table out, or one for each of its assets.
Step = Callable[..., Any]


def table_asset(**options: Any) -> Callable[[Step], dg.AssetsDefinition]:
    """Return the decorator of an asset that returns its table; the options are those of `dagster.asset`."""

    def decorate(function: Step) -> dg.AssetsDefinition:
        name = function.__name__
        step = _with_checks(function, [name])
        asset: dg.AssetsDefinition = dg.asset(**options, **_workspace(function), check_specs=[_check(name)])(step)
        return asset

    return decorate


def table_multi_asset(outs: Mapping[str, dg.AssetOut], **options: Any) -> Callable[[Step], dg.AssetsDefinition]:
    """Return the decorator of assets whose tables are returned together, in the order of ``outs``."""

    def decorate(function: Step) -> dg.AssetsDefinition:
        names = list(outs)
        step = _with_checks(function, names)
        checks = [_check(name) for name in names]
        return dg.multi_asset(outs=dict(outs), **options, **_workspace(function), check_specs=checks)(step)

    return decorate


def _check(asset: str) -> dg.AssetCheckSpec:
    table = schemas.BY_NAME[asset]
    partitions: dg.PartitionsDefinition[Any] | None = None
    if table.partition_columns:
        partitions = EXECUTIONS if "backend" in table.partition_columns else EXPERIMENTS
    return dg.AssetCheckSpec(CHECK_NAME, asset=asset, description=DESCRIPTION, partitions_def=partitions)


def _workspace(function: Step) -> dict[str, Any]:
    """Return how a step comes by the workspace where it does not ask for it itself."""
    return {} if "workspace" in function.__annotations__ else {"required_resource_keys": {"workspace"}}


def _with_checks(function: Step, names: Sequence[str]) -> Step:
    @wraps(function)
    def step(context: dg.AssetExecutionContext, **inputs: Any) -> Iterator[Any]:
        returned = function(context, **inputs)
        tables = dict(zip(names, [returned] if len(names) == 1 else returned, strict=True))
        workspace: WorkspaceResource = inputs.get("workspace") or context.resources.workspace
        del returned, inputs
        # Each table is written by the time that its generator goes on.
        for name in names:
            yield dg.Output(tables.pop(name), output_name=RESULT if len(names) == 1 else name)
        lake = workspace.open().lake
        for name in names:
            yield _check_schema(context, lake, schemas.BY_NAME[name])

    return step


def _check_schema(context: dg.AssetExecutionContext, lake: Lake, table: schemas.Table) -> dg.AssetCheckResult:
    findings = []
    for key in _partition_keys(context, table):
        try:
            conform(table, lake.read(table, key))
        except SchemaMismatch as error:
            findings.append(str(error))
    return dg.AssetCheckResult(
        asset_key=table.name,
        check_name=CHECK_NAME,
        passed=not findings,
        description="; ".join(findings[:5]) or None,
        metadata={"findings": len(findings)},
    )


def _partition_keys(context: dg.AssetExecutionContext, table: schemas.Table) -> list[PartitionKey]:
    if not table.partition_columns:
        return [PartitionKey()]
    if "backend" in table.partition_columns:
        return [PartitionKey(experiment=e, backend=b) for b, e in get_executions(context)]
    return [PartitionKey(experiment=key) for key in context.partition_keys]
