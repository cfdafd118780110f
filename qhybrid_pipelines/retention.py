"""Retention of a whole home: lake, raw results, Dagster's runs with their output, records in MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from qhybrid_pipelines.control.experiments.damaged_files import Damage
from qhybrid_pipelines.core.system.files import make_folder
from qhybrid_pipelines.steps.operate import retention as files
from qhybrid_pipelines.steps.operate.retention import ClassSummary
from qhybrid_pipelines.storage.lake_store import CollectedObjects, collect_objects
from qhybrid_pipelines.storage.removals import Removal, RemovalStore

if TYPE_CHECKING:
    import dagster as dg

    from qhybrid_pipelines.control.policy.retention import Retention
    from qhybrid_pipelines.steps.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionOutcome:
    """What would go, or what went.

    Attributes:
        classes: one line each.
        problems: why some experiments were left alone, one sentence each.
        receipt: file that says what went; None where nothing did.
        objects: of a lake on objects, what belongs to no table any more; None where the lake is a folder.
    """

    classes: list[ClassSummary]
    problems: tuple[str, ...]
    receipt: Path | None = None
    objects: CollectedObjects | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expired:
    rules: Retention
    files: list[Removal]
    runs: list[Removal]
    records: list[Removal]
    problems: tuple[str, ...]

    @property
    def everything(self) -> list[Removal]:
        return [*self.files, *self.runs, *self.records]


def preview_retention(workspace: Workspace, *, now: datetime | None = None) -> RetentionOutcome:
    """Return what would go now, or at another moment; nothing is changed."""
    instance = _open_instance(workspace)
    try:
        found = _find(workspace, instance, now or datetime.now(UTC))
    finally:
        _close(instance)
    return RetentionOutcome(
        classes=files.summarise(found.rules, found.everything),
        problems=found.problems,
        objects=collect_objects(workspace.home, apply=False),
    )


def apply_retention(workspace: Workspace, *, now: datetime | None = None) -> RetentionOutcome:
    """Remove what has outlived its period now, or at another moment, one process at a time, and write a receipt."""
    from qhybrid_pipelines.dagster_retention import remove_runs

    home, now = workspace.home, now or datetime.now(UTC)
    make_folder(home.locks)
    with FileLock(home.locks / "retention.lock"):
        instance = _open_instance(workspace)
        try:
            found = _find(workspace, instance, now)
            gone = files.remove(home, found.files)
            if instance is not None:
                gone += remove_runs(instance, home, found.runs)
        finally:
            _close(instance)
        RemovalStore(home).note(found.records)
        workspace.tracker.delete_records(one.place.rpartition(" ")[2] for one in found.records)
        gone += found.records
        receipt = None
        if gone:
            principal = workspace.control_plane.deployment.principal
            receipt = files.write_receipt(home, gone, principal=principal, now=now)
        objects = collect_objects(home, apply=True)
    return RetentionOutcome(
        classes=files.summarise(found.rules, gone), problems=found.problems, receipt=receipt, objects=objects
    )


def _find(workspace: Workspace, instance: dg.DagsterInstance | None, now: datetime) -> _Expired:
    from qhybrid_pipelines.dagster_retention import find_expired_runs

    damage, rules, home = Damage(), workspace.control_plane.policy.retention, workspace.home
    decided = files.decided_experiments(workspace.specifications, workspace.lake, workspace.control_plane, damage)
    ledger = workspace.control_plane.ledger
    days = rules.days("mlflow")
    records = [
        Removal(
            place=f"MLflow run {one.run_id}",
            artefact_class="mlflow",
            asset=None,
            experiment=one.experiment,
            backend=None,
            bytes=one.bytes,
            sha256=None,
            rule="retention.mlflow_days",
            days=days or 0,
            since=one.ended_at,
            removed_at=now,
        )
        for one in (workspace.tracker.ended_records() if days is not None else ())
        if one.experiment in decided and (now - one.ended_at).total_seconds() > (days or 0) * 86_400
    ]
    return _Expired(
        rules=rules,
        files=list(files.find_expired(rules, decided, workspace.lake, ledger, now=now)),
        runs=[] if instance is None else list(find_expired_runs(instance, home, rules, decided, now=now)),
        records=records,
        problems=tuple(f"{key} is left alone: {problem}" for key, problem in damage.problems.items()),
    )


def _open_instance(workspace: Workspace) -> dg.DagsterInstance | None:
    """Return Dagster's record of runs; None where no period asks for it, or where there is none."""
    rules = workspace.control_plane.policy.retention
    if rules.logs_days is None and rules.dagster_runs_days is None:
        return None
    import dagster as dg

    from qhybrid_pipelines.dagster_home import instance_ref, is_on_server

    if not is_on_server() and not (workspace.home.dagster / "history").exists():
        return None
    return dg.DagsterInstance.from_ref(instance_ref(workspace.home.dagster))


def _close(instance: dg.DagsterInstance | None) -> None:
    if instance is not None:
        instance.dispose()
