"""What a publication costs after one partition has changed, against building the snapshot from nothing.

A home of small executions, each with all its tables in the lake and a job with its events in the ledger. Every round writes
one file again and adds one job to the ledger; then the snapshot is published both ways, one after the other.

    python benchmarks/publish.py                      # 5,000 executions: about a quarter of an hour, most of it preparation
    python benchmarks/publish.py --executions 500
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from measuring import interleaved, machine, show, span

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, Ledger, Plan
from qhybrid_pipelines.control.reporting.ledger_tables import ledger_delta
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.storage import schemas, warehouse
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home

BACKEND = "local:auto"
SPECIFICATION = """
name: publish
problem: {family: maxcut, source: networkx:petersen}
sweep: {strategy: fixed_angles, points: 4}
repetitions: 10
rounds: {max: 1}
"""


def one_execution(folder: Path) -> dict[schemas.Table, pa.Table]:
    """Run one experiment through the pipeline and return the tables that it left in the lake."""
    launcher = Launcher(Settings(home=folder))
    key = launcher.workspace.registration.register_text(SPECIFICATION, file="benchmark", folder=Path()).key
    _, failures = launcher.run([key], lambda _leg, _asset: None)
    launcher.instance.dispose()
    assert not failures
    lake = launcher.workspace.lake
    return {
        table: lake.read(table, partition)
        for table in schemas.LAKE_TABLES
        for partition in lake.keys(table)
        if partition.experiment == key
    }


def renamed(data: pa.Table, columns: dict[str, str]) -> pa.Table:
    for name in set(columns) & set(data.column_names):
        place = data.column_names.index(name)
        data = data.set_column(place, data.schema.field(place), pa.array([columns[name]] * data.num_rows, pa.string()))
    return data


def copied(lake: Lake, tables: dict[schemas.Table, pa.Table], number: int) -> None:
    """Write the tables of one execution under another key."""
    names = {"experiment": f"publish-{number:08x}", "job_id": f"job-{number:08x}"}
    for table, data in tables.items():
        backend = BACKEND if "backend" in table.key else None
        lake.write(table, PartitionKey(experiment=names["experiment"], backend=backend), renamed(data, names))


def planned(number: int) -> Plan:
    now = datetime.now(UTC)
    events = (Event.PLAN, Event.APPROVE, Event.SUBMIT, Event.ACKNOWLEDGE, Event.QUEUE, Event.START, Event.COMPLETE)
    return Plan(
        job_id=f"job-{number:08x}",
        experiment=f"publish-{number:08x}",
        backend=BACKEND,
        provider="local",
        payload_sha256=f"{number:064x}",
        run_number=1,
        tier="batch",
        circuits=40,
        shots=40960,
        token=f"token-{number:08x}",
        cost_quoted_usd=0.0,
        price_source="benchmark",
        budget_usd=0.0,
        requested_at=now,
        planned_at=now,
        steps=tuple(EventData(event=event, at=now) for event in events),
    )


def filled(home: Home, ledger: Ledger, tables: dict[schemas.Table, pa.Table], executions: int) -> None:
    for number in range(executions):
        copied(Lake(home), tables, number)
    for start in range(0, executions, 500):
        ledger.plan_all([planned(number) for number in range(start, min(start + 500, executions))])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--executions", type=int, default=5000)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables = one_execution(Path(folder) / "one")
        home = Home(Path(folder) / "home").make()
        ledger = Launcher(Settings(home=home.path)).workspace.control_plane.ledger
        filled(home, ledger, tables, options.executions)
        rows = [_row(*row) for row in measured(home, ledger, tables, options.executions, options.rounds)]
        files = warehouse.publish(home, partial(ledger_delta, ledger), rebuild=True).files
        title = f"One changed partition among {options.executions} executions ({files} files); {options.rounds} rounds"
        show(title, rows, machine("duckdb", "pyarrow"))


def measured(
    home: Home, ledger: Ledger, tables: dict[schemas.Table, pa.Table], executions: int, rounds: int
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Return way, seconds, and share of the time from nothing, per round."""
    read = partial(ledger_delta, ledger)
    counts = tables[schemas.QPU_RESULT_SETS]
    changes = iter(range(executions, executions + 10 * rounds + 10))

    def change() -> None:
        number = next(changes)
        ledger.plan(planned(number))
        names = {"experiment": f"publish-{number % executions:08x}", "job_id": f"job-{number:08x}"}
        key = PartitionKey(experiment=names["experiment"], backend=BACKEND)
        again = pc.add(counts.column("count"), number)
        table = renamed(counts, names).set_column(counts.column_names.index("count"), "count", again)
        Lake(home).write(schemas.QPU_RESULT_SETS, key, table.cast(counts.schema))

    def renewed() -> None:
        change()
        assert not (result := warehouse.publish(home, read)).rebuild, result

    def from_nothing() -> None:
        change()
        warehouse.publish(home, read, rebuild=True)

    ways = {
        "from nothing": from_nothing,
        "one partition and one job changed": renewed,
        "nothing changed": lambda: warehouse.publish(home, read),
        "only looking whether it is stale": lambda: warehouse.lake_has_changed(home),
        "copying the file": lambda: shutil.copyfile(home.warehouse, home.tmp / "copy"),
    }
    timings = {way: np.array(timing.seconds) for way, timing in interleaved(ways, rounds=rounds).items()}
    return [(way, seconds, seconds / timings["from nothing"]) for way, seconds in timings.items()]


def _row(way: str, seconds: np.ndarray, share: np.ndarray) -> dict[str, object]:
    return {
        "what is published": way,
        "seconds (median)": float(np.median(seconds)),
        "lowest to highest": span(seconds),
        "% of building it from nothing (median)": float(100 * np.median(share)),
        "lowest to highest, %": span(100 * share),
    }


if __name__ == "__main__":
    main()
