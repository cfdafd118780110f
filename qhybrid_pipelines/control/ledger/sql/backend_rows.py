"""What the ledger keeps about backends: their breakers and their calibrations."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from qhybrid_pipelines.control.ledger.errors import StaleBreaker
from qhybrid_pipelines.control.ledger.records import Breaker, StoredCalibration
from qhybrid_pipelines.control.ledger.sql import tables
from qhybrid_pipelines.control.ledger.sql.stored_values import stored_json
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration


def select_breakers(connection: Connection, *conditions: ColumnElement[bool]) -> list[Breaker]:
    """Return the breakers that fulfil all conditions, by backend."""
    columns = (column.label(column.key) for column in tables.breaker.c)
    rows = connection.execute(select(*columns).where(*conditions).order_by(tables.breaker.c.backend))
    return [Breaker(**row) for row in rows.mappings()]


def select_calibrations(connection: Connection, *conditions: ColumnElement[bool]) -> list[StoredCalibration]:
    """Return the calibrations that fulfil all conditions, by time of measurement, of undated ones that of fetching, newest last."""
    stored = tables.calibration.c
    order = (
        func.coalesce(stored.measured_at, stored.fetched_at),
        stored.fetched_at,
        stored.backend,
        stored.calibration_id,
    )
    columns = (column.label(column.key) for column in stored)
    return [
        StoredCalibration(
            backend=row["backend"],
            calibration=Calibration(
                calibration_id=row["calibration_id"],
                measured_at=row["measured_at"],
                fetched_at=row["fetched_at"],
                payload=json.loads(row["payload"]),
            ),
        )
        for row in connection.execute(select(*columns).where(*conditions).order_by(*order)).mappings()
    ]


def select_calibration_times(connection: Connection) -> dict[str, datetime]:
    """Return when each backend's newest calibration was measured; backends that date none are left out."""
    stored = tables.calibration.c
    newest = select(stored.backend, func.max(stored.measured_at)).group_by(stored.backend).order_by(stored.backend)
    return {row[0]: row[1] for row in connection.execute(newest) if row[1] is not None}


def write_breaker(connection: Connection, breaker: Breaker) -> Breaker:
    """Write a breaker and return it with its next version.

    Raises:
        StaleBreaker: it has changed since it was read.
    """
    saved = replace(breaker, version=breaker.version + 1)
    columns = {field.name: getattr(saved, field.name) for field in fields(saved)}
    table = tables.breaker
    if breaker.version:
        same = (table.c.backend == breaker.backend) & (table.c.version == breaker.version)
        written = connection.execute(update(table).where(same).values(columns)).rowcount == 1
    else:
        written = connection.scalar(select(table.c.version).where(table.c.backend == breaker.backend)) is None
        if written:
            connection.execute(insert(table).values(columns))
    if not written:
        raise StaleBreaker(f"the breaker of '{breaker.backend}' has changed since version {breaker.version} was read")
    return saved


def write_calibration(connection: Connection, backend: str, calibration: Calibration) -> bool:
    """Write a calibration unless the one of this id is known."""
    table = tables.calibration
    same = (table.c.backend == backend) & (table.c.calibration_id == calibration.calibration_id)
    if connection.scalar(select(table.c.calibration_id).where(same)) is not None:
        return False
    connection.execute(
        insert(table).values(
            backend=backend,
            calibration_id=calibration.calibration_id,
            measured_at=calibration.measured_at,
            fetched_at=calibration.fetched_at,
            payload=stored_json(calibration.payload),
        )
    )
    return True
