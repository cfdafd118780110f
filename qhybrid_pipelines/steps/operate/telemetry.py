"""What operators' own systems are given: spans for a collector, figures for Prometheus."""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import UTC, datetime

from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.control.reporting.metrics import metrics_text, read_ledger_snapshot
from qhybrid_pipelines.control.reporting.spans import ExportSummary, export_finished_jobs, exporter_from_environment
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.storage.layout import Home


def send_spans(ledger: Ledger, home: Home) -> ExportSummary | None:
    """Send the spans of jobs that ended since the last time; None where the environment names no collector.

    A collector that is away is not an error: what it missed is sent the next time.

    Raises:
        InvalidInput: a collector is named, and the package that speaks to it is not installed.
    """
    exporter = exporter_from_environment()
    if exporter is None:
        return None
    return export_finished_jobs(ledger, exporter, position_file=home.spans, locks=home.locks, tmp=home.tmp)


def send_spans_best_effort(ledger: Ledger, home: Home) -> None:
    """Send spans while something else is the purpose: what is wrong with the collector is for `qhybrid doctor` to say."""
    with suppress(InvalidInput):
        send_spans(ledger, home)


def prometheus_text(ledger: Ledger, home: Home) -> str:
    """Return the figures of a home in Prometheus' text format."""
    gauges = {
        "qhybrid_spooled_records": (
            "Tracking records that wait for MLflow",
            float(len(list(home.spool.glob("*.json")))),
        ),
        "qhybrid_quarantined_files": (
            "Files refused by the inbox",
            float(len(list(home.quarantine.glob("*.error.json")))),
        ),
        "qhybrid_disk_free_bytes": ("Free space where the home lies", float(shutil.disk_usage(home.path).free)),
        "qhybrid_ledger_events": ("Events in the ledger", float(ledger.head().position)),
    }
    return metrics_text(
        read_ledger_snapshot(ledger, gauges, tally_file=home.job_seconds, tmp=home.tmp), now=datetime.now(UTC)
    )
