"""Homes in which real experiments ran, and what a reader of their tables may rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.reporting.ledger_tables import ledger_tables
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.storage import analyst, warehouse_tables
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.family_cases import cases_for

Spec = dict[str, Any]

#: For modules that run the pipeline in their own process: what Dagster and MLflow do inside is not ours to repair.
RUNS_IN_PROCESS = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def make_launcher(home: Path) -> Launcher:
    return Launcher(Settings(home=home))


def register(launcher: Launcher, specs: Iterable[Spec], folder: Path = Path()) -> list[str]:
    """Register specifications as a user's file would be; return their keys."""
    registration = launcher.workspace.registration
    return [
        registration.register_text(yaml.safe_dump(spec), file=f"{spec['name']}.yaml", folder=folder).key
        for spec in specs
    ]


def run(launcher: Launcher, keys: Iterable[str]) -> list[str]:
    """Run to the end of all rounds and return all keys; a failed stage fails the test."""
    known, failures = launcher.run(keys, lambda stage, asset: None)
    assert [(failure.stage, failure.message) for failure in failures] == []
    return known


def command(*arguments: str | Path, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the installed command in a real process, in a process group of its own."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("qhybrid")), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )


def rows(home: Path, sql: str) -> list[dict[str, Any]]:
    return analyst.query(Home(home), sql).to_pylist()


def read_jobs(home: Path) -> list[dict[str, Any]]:
    """Return the jobs of experiments as the ledger holds them now, without canaries."""
    ledger = SqlLedger.open_sqlite(Home(home).ledger)
    return ledger_tables(ledger)["jobs"]


def read_reproducible_columns(home: Path, names: Sequence[str] | None = None) -> dict[str, pa.Table]:
    """Return the warehouse's tables without the columns that may differ between two runs, whole and in order."""
    tables = {}
    for table in warehouse_tables.TABLES:
        columns = [column.name for column in table.columns if not column.measured]
        if columns and (names is None or table.name in names):
            quoted = ", ".join(f'"{name}"' for name in columns)
            order = ", ".join(f'"{name}"' for name in table.order if name in columns) or "1"
            tables[table.name] = analyst.query(Home(home), f'SELECT {quoted} FROM "{table.name}" ORDER BY {order}')
    return tables


def recompute_objectives(home: Path, table: str) -> tuple[int, list[str]]:
    """Recompute every row of ``scored_solutions`` or ``baselines`` from its text of 0 and 1.

    Returns:
        How many rows there were, and one sentence for each that disagrees.
    """
    instances = {
        row["experiment"]: (cases_for(row["family"]).definition, json.loads(row["payload"]))
        for row in rows(home, "SELECT experiment, family, payload FROM problem_instances")
    }
    found = rows(home, f"SELECT experiment, assignment, objective, feasible FROM {table} WHERE objective IS NOT NULL")
    wrong = []
    for row in found:
        definition, payload = instances[row["experiment"]]
        objective, feasible = definition(payload, [int(c) for c in row["assignment"]])
        if abs(objective - row["objective"]) > 1e-9 * max(1.0, abs(objective)) or feasible != row["feasible"]:
            wrong.append(f"{row}: recomputed {objective}, {feasible}")
    return len(found), wrong
