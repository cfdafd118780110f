"""The last step: a new snapshot for analysts, when there is anything new to see."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from qhybrid_pipelines.control.ledger.chain import chain_anchor
from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.control.reporting.ledger_tables import ledger_delta
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.problems.registry import all_families
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import decision_database, warehouse
from qhybrid_pipelines.storage.analyst import query
from qhybrid_pipelines.storage.label_store import LabelStore, read_labels
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.removals import RemovalStore
from qhybrid_pipelines.storage.warehouse import PublishReport


def publish(home: Home, ledger: Ledger) -> PublishReport:
    """Build a snapshot from the lake and the ledger and put it in place of the last one.

    With it the ledger's last event is noted outside the database, where the ledger still contains the one before; where
    it does not, `qhybrid doctor` and the check of the warehouse say so.
    """
    report = warehouse.publish(home, partial(ledger_delta, ledger), families=family_rows(), labels=label_rows(home))
    with suppress(CorruptFile):
        chain_anchor.advance(home.ledger_anchor, ledger, now=datetime.now(UTC))
    return report


def family_rows() -> list[Row]:
    """Return the rows of the warehouse's table `families`: everything that is found by presence."""
    return [
        {
            "family": family.name,
            "title": family.title,
            "sense": family.sense,
            "unit": family.unit,
            "zero_means": family.answer_words[0],
            "one_means": family.answer_words[1],
        }
        for family in all_families().values()
    ]


def label_rows(home: Home) -> list[Row]:
    """Return the rows of the warehouse's table `labels`; those that cannot be read are left out."""
    return [
        {"experiment": key, "kind": kind, "label": label}
        for key in LabelStore(home).labelled()
        for kind, label in read_labels(home, key).rows()
    ]


def unreadable_files(home: Home) -> list[str]:
    """Return what is wrong with files of the lake that the snapshot could not show, one sentence each."""
    try:
        rows = query(home, "SELECT problem FROM unreadable_files ORDER BY ALL").to_pylist()
    except (FileNotFoundError, InvalidInput, CorruptFile):  # none yet, or one of an older release
        return []
    return [row["problem"] for row in rows]


def is_overdue(home: Home, interval: timedelta) -> bool:
    """Tell whether the snapshot is older than an interval; before the first one, the oldest specification counts."""
    try:
        since = home.warehouse.stat().st_mtime
    except FileNotFoundError:
        with os.scandir(home.specifications) as found:
            since = min((entry.stat().st_mtime for entry in found), default=time.time())
    return time.time() - since > interval.total_seconds()


def is_stale(home: Home, ledger: Ledger, patience: timedelta = timedelta()) -> bool:
    """Tell whether the lake or the ledger holds something that the snapshot does not show.

    Args:
        home: where lake and snapshot are.
        ledger: of that home.
        patience: how old a snapshot may grow while only jobs and decisions have changed; a change in the lake always counts.
    """
    if warehouse.lake_has_changed(home):
        return True
    try:
        published = home.warehouse.stat().st_mtime_ns
        if max(LabelStore(home).changed_ns(), RemovalStore(home).changed_ns()) > published:
            return True
        if time.time_ns() < published + patience.total_seconds() * 1e9:
            return False
        if decision_database.changed_ns(home.service_decisions) > published:
            return True
        sql = "SELECT ledger_position, ledger_hash FROM snapshot"
        (seen,) = query(home, sql).to_pylist()
    except (FileNotFoundError, InvalidInput, CorruptFile):
        return True
    head = ledger.head()
    return (seen["ledger_position"], seen["ledger_hash"]) != (head.position, head.hash)
