"""Runs of Dagster, their output and records in MLflow that are older than the policy wants them kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from qhybrid_pipelines.control.policy.retention import Retention
from qhybrid_pipelines.core.system.failpoints import failpoint
from qhybrid_pipelines.defs.orphans import NOT_ENDED
from qhybrid_pipelines.defs.run_tags import BATCH_OF_TAG, EXPERIMENT_TAG, PARTITION_TAG, read_tag
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.removals import Removal, RemovalStore

RUNS_PER_PAGE = 500
ENDED = [status for status in dg.DagsterRunStatus if status not in NOT_ENDED]


def find_expired_runs(
    instance: dg.DagsterInstance, home: Home, rules: Retention, decided: Mapping[str, datetime], *, now: datetime
) -> Iterator[Removal]:
    """Yield ended runs and their output that outlived their period; those of experiments that are not decided stay.

    Args:
        instance: has the runs.
        home: has their output, where it is kept there.
        rules: the periods.
        decided: experiments of which something may go.
        now: the present.
    """
    periods = {name: days for name in ("logs", "dagster_runs") if (days := rules.days(name)) is not None}
    if not periods:
        return
    newest = now - timedelta(days=min(periods.values()))
    cursor = None
    while records := instance.get_run_records(
        dg.RunsFilter(statuses=ENDED, updated_before=newest), limit=RUNS_PER_PAGE, cursor=cursor
    ):
        for record in records:
            run, ended_at = record.dagster_run, datetime.fromtimestamp(record.end_time or 0, UTC)
            experiments = _experiments(run)
            if record.end_time is None or not experiments <= decided.keys():
                continue
            experiment = next(iter(experiments)) if len(experiments) == 1 else None
            for name, days in periods.items():
                folder = home.dagster / "storage" / run.run_id / "compute_logs"
                if now - ended_at <= timedelta(days=days) or (name == "logs" and not folder.is_dir()):
                    continue
                yield Removal(
                    place=folder.relative_to(home.path).as_posix() if name == "logs" else f"Dagster run {run.run_id}",
                    artefact_class=name,
                    asset=None,
                    experiment=experiment,
                    backend=None,
                    bytes=_size(folder) if name == "logs" else None,
                    sha256=None,
                    rule=f"retention.{name}_days",
                    days=days,
                    since=ended_at,
                    removed_at=now,
                )
        cursor = records[-1].dagster_run.run_id


def remove_runs(instance: dg.DagsterInstance, home: Home, removals: Iterable[Removal]) -> list[Removal]:
    """Remove runs and their output, each noted before; return them."""
    store, done = RemovalStore(home), list(removals)
    store.note(done)
    failpoint("retention.runs_noted")
    for one in done:
        if one.artefact_class == "logs":
            shutil.rmtree(home.path / one.place, ignore_errors=True)
        else:
            instance.delete_run(one.place.rpartition(" ")[2])
    return done


def _experiments(run: dg.DagsterRun) -> set[str]:
    partitions = run.tags.get(BATCH_OF_TAG, run.tags.get(PARTITION_TAG, "")).splitlines()
    named = {read_tag(run.tags, EXPERIMENT_TAG), *(partition.rpartition("|")[2] for partition in partitions)}
    return named - {""}


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
