"""A new run as rows of the home's own MLflow store, written without MLflow, whose import takes longer than a small experiment.

Only what MLflow's client would write in just this way. Everything else is left to it: a store or an MLflow of another release than
the one that `mlflow_schema` was written down for, a run that is there already, data sets, runs below others, and names and values
that MLflow would refuse or cut. A test holds the rows against those that the client writes.
"""

from __future__ import annotations

import math
import re
import shutil
import sqlite3
import time
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qhybrid_pipelines.storage import mlflow_schema
from qhybrid_pipelines.storage.mlflow_paths import local_folder
from qhybrid_pipelines.storage.sqlite_files import transaction

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.tracking_record import TrackingRecord

KEY_TAG = "qhybrid.key"
PARENT_TAG = "mlflow.parentRunId"
_OWN_TAGS = "mlflow."

#: What MLflow takes for names of parameters, metrics and tags, and a little less.
_NAME = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.\- :]*(/[a-zA-Z0-9_][a-zA-Z0-9_.\- :]*)*")
#: Characters that MLflow keeps of a name and of the value of a parameter and of a tag.
_MAX_NAME, _MAX_PARAM, _MAX_TAG = 250, 6000, 8000
#: Characters of the address of a run's files; MLflow's own limit may be set and is larger.
_MAX_ADDRESS = 1000


@dataclass(frozen=True, slots=True)
class StoredRun:
    """MLflow's ids of a run and of its experiment."""

    run_id: str
    experiment_id: str


def make_store(database: Path, artifacts: str) -> bool:
    """Make a new store with its first experiment, as MLflow does; return False, with nothing made, for another release.

    Args:
        database: the file, which is not there yet.
        artifacts: address of the folder of that experiment.
    """
    if not mlflow_schema.fill(database):
        return False
    now = _now()
    with closing(sqlite3.connect(database)) as connection, connection:
        _insert_experiment(connection, "Default", f"{artifacts}/0", now, number=0)
    return True


def write_new_run(database: Path, record: TrackingRecord, *, artifacts: str, busy_seconds: float) -> StoredRun | None:
    """Write the run of a record with its files, whole or not at all; return None where MLflow has to do it.

    Args:
        database: the store.
        record: what is written.
        artifacts: address of the folder of its experiment, where that is new.
        busy_seconds: how long another program may hold the file.

    Raises:
        sqlite3.Error: the store cannot be written.
        OSError: a file of the run cannot be written.
    """
    params = {name: str(value) for name, value in record.params.items() if value is not None}
    tags = {KEY_TAG: record.key, "mlflow.runName": record.name, **record.tags}
    if record.dagster_run_id:
        tags["dagster/run_id"] = record.dagster_run_id
    if record.parent_run_id is not None:
        tags[PARENT_TAG] = record.parent_run_id
    head = mlflow_schema.head()
    if head is None or not _is_plain(record, params, tags):
        return None
    with closing(sqlite3.connect(database, timeout=busy_seconds, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        with transaction(connection):  # empty where MLflow has to do it: nothing is inserted before that is known
            return _insert(connection, record, params, tags, head=head, artifacts=artifacts)


def _is_plain(record: TrackingRecord, params: Mapping[str, str], tags: Mapping[str, str]) -> bool:
    """Tell whether a record is one that MLflow writes as it is."""
    names = [*params, *tags, *record.metrics, *record.series]
    numbers = [value for value in record.metrics.values() if value is not None]
    numbers += [value for steps in record.series.values() for _, value in steps]
    return (
        record.parent_key is None
        and not record.dataset
        and all(len(name) <= _MAX_NAME and _NAME.fullmatch(name) for name in names)
        and not any(name.startswith(_OWN_TAGS) for name in record.tags)
        and all(0 < len(text) <= _MAX_PARAM for text in params.values())
        and all(isinstance(text, str) and 0 < len(text) <= _MAX_TAG for text in tags.values())
        and 0 < len(record.name) <= _MAX_NAME
        and all(math.isfinite(value) for value in numbers)
    )


def _insert(
    connection: sqlite3.Connection,
    record: TrackingRecord,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    *,
    head: str,
    artifacts: str,
) -> StoredRun | None:
    if connection.execute("SELECT version_num FROM alembic_version").fetchall() != [(head,)]:
        return None
    now = _now()
    experiment = _experiment(connection, f"qhybrid/{record.family}", artifacts, now)
    if experiment is None:
        return None
    number, location = experiment
    known = "SELECT 1 FROM runs JOIN tags USING (run_uuid) WHERE experiment_id = ? AND key = ? AND value = ?"
    if connection.execute(known, (number, KEY_TAG, record.key)).fetchone():
        return None
    run_id = uuid.uuid4().hex
    address = f"{location}/{run_id}/artifacts"
    run = StoredRun(run_id=run_id, experiment_id=str(number))
    _insert_run(connection, record, run, address=address, now=now)
    connection.executemany("INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?)", _of_run(run_id, params))
    connection.executemany("INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)", _of_run(run_id, tags))
    _insert_metrics(connection, record, run_id, now)
    folder = local_folder(address)
    try:
        folder.mkdir(parents=True)
        record.write_files(folder)
        connection.execute("UPDATE runs SET status = 'FINISHED', end_time = ? WHERE run_uuid = ?", (_now(), run_id))
    except BaseException:  # a stop as well: the rows are rolled back, so their files would belong to nobody
        shutil.rmtree(folder.parent, ignore_errors=True)
        raise
    return run


def _experiment(connection: sqlite3.Connection, name: str, artifacts: str, now: int) -> tuple[int, str] | None:
    """Return number and address of an experiment, which is made if there is none; None where MLflow has to look at it."""
    found = connection.execute(
        "SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments WHERE name = ? AND workspace = 'default'",
        (name,),
    ).fetchone()
    number, location, stage = found or (None, artifacts, "active")
    if stage != "active" or len(name) > _MAX_NAME or not _is_plain_address(location):
        return None
    if number is None:
        number = _insert_experiment(connection, name, location, now)
    return number, location


def _is_plain_address(address: str | None) -> bool:
    return (
        address is not None
        and len(address) <= _MAX_ADDRESS
        and address.startswith("file:///")
        and not address.endswith("/")
        and not set("?#") & set(address)
    )


def _insert_experiment(
    connection: sqlite3.Connection, name: str, location: str, now: int, number: int | None = None
) -> int:
    inserted = connection.execute(
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time, "
        "workspace) VALUES (?, ?, ?, 'active', ?, ?, 'default')",
        (number, name, location, now, now),
    )
    return inserted.lastrowid or 0


def _insert_run(
    connection: sqlite3.Connection, record: TrackingRecord, run: StoredRun, *, address: str, now: int
) -> None:
    connection.execute(
        "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, "
        "source_version, lifecycle_stage, artifact_uri, experiment_id) "
        "VALUES (?, ?, 'UNKNOWN', '', '', 'unknown', 'RUNNING', ?, '', 'active', ?, ?)",
        (run.run_id, record.name, now, address, int(run.experiment_id)),
    )


def _insert_metrics(connection: sqlite3.Connection, record: TrackingRecord, run_id: str, now: int) -> None:
    """Insert every number once; the latest of a name is the one of the highest step, and there the highest."""
    points = {(name, 0, float(value)) for name, value in record.metrics.items() if value is not None}
    points |= {(name, step, float(value)) for name, steps in record.series.items() for step, value in steps}
    latest: dict[str, tuple[int, float]] = {}
    for name, step, value in points:
        latest[name] = max((step, value), latest.get(name, (step, value)))
    connection.executemany(
        "INSERT INTO metrics (run_uuid, key, step, value, timestamp, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
        [(run_id, name, step, value, now) for name, step, value in sorted(points)],
    )
    connection.executemany(
        "INSERT INTO latest_metrics (run_uuid, key, step, value, timestamp, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
        [(run_id, name, step, value, now) for name, (step, value) in sorted(latest.items())],
    )


def _of_run(run_id: str, texts: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(run_id, name, text) for name, text in texts.items()]


def _now() -> int:
    """Return the time as MLflow writes it: whole milliseconds since 1970."""
    return int(time.time() * 1000)
