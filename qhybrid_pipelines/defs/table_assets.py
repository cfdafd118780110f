"""Assets with the checks of what they have just written, first of all `schema`: it is read back and checked against its description.

A step yields the checks of its tables itself, once they are written, whatever becomes of the rest of the stage. As steps of
their own they cost Dagster some 50 ms each, which for the thirty of a small experiment was more than a second.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from inspect import cleandoc, signature
from typing import Any

import dagster as dg
import pyarrow as pa
from sqlalchemy.exc import SQLAlchemyError

from qhybrid_pipelines.core.text.printable import one_line
from qhybrid_pipelines.defs.partitions import EXECUTIONS, EXPERIMENTS, get_executions
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.run_history import is_outage, note_outage
from qhybrid_pipelines.defs.run_tags import add_tags, failure_tags
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.tables import SchemaMismatch, conform

#: Dagster's name for the one table of an asset; to be said where its metadata is added, as the check is an output too.
RESULT = "result"
CHECK_NAME = "schema"
DESCRIPTION = "Columns, types, nullability, order and key are those of the table's description."

#: A step: its context, tables and resources in; a table out, or one for each of its assets.
Step = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check of the tables that a step writes.

    Attributes:
        function: asks by the names of its parameters for ``context``, ``workspace``, inputs of the step and what it wrote; its
            name is the check's, its docstring says what must hold.
        asset: which it is of.
        name: of the check.
        blocking: nothing goes on from what does not pass.
    """

    function: Callable[..., dg.AssetCheckResult]
    asset: str
    name: str
    blocking: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> dg.AssetCheckResult:
        """Make the check."""
        return self.function(*args, **kwargs)

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The check as Dagster shows it."""
        return dg.AssetCheckSpec(
            self.name,
            asset=self.asset,
            description=cleandoc(self.function.__doc__ or ""),
            blocking=self.blocking,
            partitions_def=_partitions(self.asset),
        )


def table_check(asset: str, *, name: str = "", blocking: bool = False) -> Callable[[Callable[..., Any]], Check]:
    """Return the decorator of a check that the step of its asset yields."""

    def decorate(function: Callable[..., Any]) -> Check:
        return Check(function=function, asset=asset, name=name or function.__name__, blocking=blocking)

    return decorate


def table_output(description: str, **options: Any) -> dg.AssetOut:
    """Return an output of `table_multi_asset` that is a table of the lake."""
    return dg.AssetOut(io_manager_key="lake", kinds={"parquet"}, description=description, **options)


def table_asset(*, checks: Sequence[Check] = (), may_rest: bool = False, **options: Any) -> Any:
    """Return the decorator of an asset that returns its table, or nothing where it writes none of the lake.

    Args:
        checks: what must hold of it.
        may_rest: an outage skips what follows, and fails nothing.
        options: of `dagster.asset`.
    """

    def decorate(function: Step) -> dg.AssetsDefinition:
        name = function.__name__
        step = _with_checks(function, [name], checks, may_rest=may_rest)
        # An asset without a table has nothing for an IO manager; the step yields, so Dagster cannot see that by itself.
        nothing: dict[str, Any] = (
            {"dagster_type": dg.Nothing} if function.__annotations__.get("return", True) is None else {}
        )
        asset: dg.AssetsDefinition = dg.asset(
            **options,
            **nothing,
            **_workspace(function),
            check_specs=_specs([name], checks),
            output_required=not may_rest,
        )(step)
        return asset

    return decorate


def table_multi_asset(
    outs: Mapping[str, dg.AssetOut], *, checks: Sequence[Check] = (), may_rest: bool = False, **options: Any
) -> Any:
    """Return the decorator of assets whose tables are returned together, in the order of ``outs``; else as `table_asset`."""

    def decorate(function: Step) -> dg.AssetsDefinition:
        names = list(outs)
        step = _with_checks(function, names, checks, may_rest=may_rest)
        return dg.multi_asset(outs=dict(outs), **options, **_workspace(function), check_specs=_specs(names, checks))(
            step
        )

    return decorate


def _specs(assets: Sequence[str], checks: Sequence[Check]) -> list[dg.AssetCheckSpec]:
    return [*(_schema_check(asset) for asset in assets if asset in schemas.BY_NAME), *(check.spec for check in checks)]


def _schema_check(asset: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(CHECK_NAME, asset=asset, description=DESCRIPTION, partitions_def=_partitions(asset))


def _partitions(asset: str) -> dg.PartitionsDefinition[Any] | None:
    table = schemas.BY_NAME.get(asset)
    if table is None or not table.partition_columns:
        return None
    return EXECUTIONS if "backend" in table.partition_columns else EXPERIMENTS


def _workspace(function: Step) -> dict[str, Any]:
    """Return how a step comes by the workspace where it does not ask for it itself."""
    return {} if "workspace" in function.__annotations__ else {"required_resource_keys": {"workspace"}}


def _with_checks(function: Step, names: Sequence[str], checks: Sequence[Check], *, may_rest: bool) -> Step:
    specs = _specs(names, checks)
    asked_for = {parameter for check in checks for parameter in signature(check.function).parameters}

    @wraps(function)
    def step(context: dg.AssetExecutionContext, **inputs: Any) -> Iterator[Any]:
        workspace: WorkspaceResource = inputs.get("workspace") or context.resources.workspace
        try:
            returned = function(context, **inputs)
        except Exception as error:
            if not may_rest or not is_outage(error):
                # A disk that is full, say, which is what the error is about too.
                with suppress(OSError, SQLAlchemyError, dg.DagsterError):
                    add_tags(context, failure_tags(error))
                raise
            note_outage(context, error, workspace.open().control_plane)
            # Dagster wants an output of each check; without a result in it, nothing was checked.
            yield from (dg.Output(None, output_name=spec.get_python_identifier()) for spec in specs)
            return
        tables = dict(zip(names, [returned] if len(names) == 1 else returned, strict=True))
        # What no check looks at is let go of before anything is written.
        known = {name: value for name, value in inputs.items() if name in asked_for}
        known |= {"context": context, "workspace": workspace}
        del returned, inputs
        # Each table is written by the time that its generator goes on.
        for name in names:
            yield dg.Output(tables.pop(name), output_name=RESULT if len(names) == 1 else name)
        lake = workspace.open().lake
        for name in names:
            if name in schemas.BY_NAME:
                known[name], result = _check_schema(context, lake, schemas.BY_NAME[name], keep=name in asked_for)
                yield result
        for check in checks:
            yield _run_check(check, known)

    return step


def _run_check(check: Check, known: Mapping[str, Any]) -> dg.AssetCheckResult:
    """Return what a check found; one that cannot be made has not passed, and only a blocking one ends the step."""
    try:
        found = check.function(**{name: known[name] for name in signature(check.function).parameters})
    except Exception as error:
        if check.blocking:
            raise
        found = dg.AssetCheckResult(passed=False, description=f"the check could not be made: {one_line(str(error))}")
    return found._replace(asset_key=dg.AssetKey(check.asset), check_name=check.name)


def _check_schema(
    context: dg.AssetExecutionContext, lake: Lake, table: schemas.Table, *, keep: bool
) -> tuple[pa.Table | None, dg.AssetCheckResult]:
    """Return what was written, where somebody else asks for it too, and the result of its check."""
    findings, kept = [], []
    for key in _partition_keys(context, table):
        written = lake.read(table, key)
        if keep:
            kept.append(written)
        try:
            conform(table, written)
        except SchemaMismatch as error:
            findings.append(str(error))
    return pa.concat_tables(kept) if kept else None, dg.AssetCheckResult(
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
