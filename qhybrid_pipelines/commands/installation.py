"""``qhybrid doctor``, ``metrics`` and ``sync``: how an installation is, its figures, and what other programs are to get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, existing_workspace, workspace_for
from qhybrid_pipelines.core.errors import JobFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qhybrid_pipelines.steps.workspace import Workspace

#: Events that a full comparison gets through (`benchmarks/history.py`), and from how many on it says before how long it takes.
EVENTS_PER_SECOND, MANY_EVENTS = 25_000, 500_000


def sync(home: Home = None, as_json: AsJson = False) -> None:
    """Send the records that wait in the spool to MLflow, and the spans of ended jobs to the collector if there is one."""
    from qhybrid_pipelines.steps.operate.telemetry import send_spans
    from qhybrid_pipelines.terminal import print_json

    workspace = existing_workspace(home)
    done, sent = workspace.tracker.sync(), send_spans(workspace.control_plane.ledger, workspace.home)
    if as_json:
        spans = None if sent is None else {"jobs": sent.jobs, "spans": sent.spans, "complete": sent.complete}
        print_json({"recorded": done.recorded, "waiting": done.waiting, "spans": spans})
        return
    echo(f"{len(done.recorded)} records sent to MLflow, {done.waiting} still waiting")
    if sent is not None:
        failed = "the collector did not accept the spans; they will be sent next time"
        echo(f"{sent.spans} spans of {sent.jobs} jobs sent" if sent.complete else failed)


def doctor(
    home: Home = None,
    as_json: AsJson = False,
    online: Annotated[bool, typer.Option("--online", help="Also ask every provider and backend, once.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Compare all of the ledger, not only what changed.")] = False,
) -> None:
    """Check this installation and its home folder; exit code 3 when something needs a person."""
    from qhybrid_pipelines.steps.on_demand.doctor import findings
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    workspace = workspace_for(home, reading=True, make=False)
    if not workspace.home.path.is_dir():  # a mistyped home is neither made nor called well
        workspace = existing_workspace(home, reading=True)
    if full:
        _say_how_long(workspace)
    rows = findings(workspace.home, workspace.control_plane, workspace.specifications, online=online, full=full)
    print_json(rows) if as_json else print_table(_problems_first(rows), styles={"status": {"problem": "bold red"}})
    raise typer.Exit(0 if all(row["ok"] for row in rows) else JobFailed.exit_code)


def metrics(home: Home = None, as_json: AsJson = False) -> None:
    """Print figures of the ledger in Prometheus' text format (with --json: as a list)."""
    from qhybrid_pipelines.steps.operate.telemetry import prometheus_text
    from qhybrid_pipelines.terminal import print_json

    workspace = existing_workspace(home, reading=True)
    text = prometheus_text(workspace.control_plane.ledger, workspace.home)
    if not as_json:
        echo(text, nl=False)
        return
    from prometheus_client.parser import text_string_to_metric_families

    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    print_json([{"name": sample.name, "labels": sample.labels, "value": sample.value} for sample in samples])


def _say_how_long(workspace: Workspace) -> None:
    """Say about how long comparing the whole ledger takes, where that is more than a moment."""
    try:
        events = workspace.control_plane.ledger.head().position
        minutes = -(-events // (60 * EVENTS_PER_SECOND)) if events >= MANY_EVENTS else 0
    except Exception:  # noqa: BLE001  what is damaged, and how, is not ours to know; a check tells it
        return
    if minutes:
        echo(f"{events} events are compared, which takes about {minutes} min of processor time", err=True)


def _problems_first(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the checks for people to read; those that need one come first."""
    return [
        {"check": row["check"], "status": "ok" if row["ok"] else "problem", "detail": row["finding"]}
        for row in sorted(rows, key=lambda row: bool(row["ok"]))
    ]
