"""No job lost, none paid twice, none guessed: real processes killed at random moments, judged by the provider's own book.

The benchmark of the same name is run with fewer kills; its figures for thousands stand in docs/benchmarks.md. The exhaustive
matrix of named places, faults and kinds of dedupe is unit/control/test_job_dispatcher_crashes.py. A failure is repeated by its seed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import qhybrid_pipelines.control
from qhybrid_pipelines_tests.support.matrices import others_are_long
from qhybrid_pipelines_tests.support.paid_once.named_places import PLACES
from qhybrid_pipelines_tests.support.postgres_databases import DAGSTER_POSTGRES_VARIABLE

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

COMMAND = Path(__file__).resolve().parents[2] / "benchmarks" / "paid_once.py"
SEED = os.environ.get("QHYBRID_KILL_SEED", "20")


def run(*arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]], dict[str, int]]:
    """Run the benchmark and return its exit code, its figures by provider, and how many kills landed where."""
    ended = subprocess.run(
        [sys.executable, str(COMMAND), "--seed", SEED, "--requests", "12", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=900,
        check=False,
    )
    print(ended.stdout, ended.stderr)
    figures, *places = [json.loads(line)["rows"] for line in ended.stdout.splitlines() if line.startswith("{")]
    landed = {row["at its death"]: row["kills"] for rows in places for row in rows if "at its death" in row}
    return ended.returncode, {row["provider"]: row for row in figures}, landed


def assert_paid_once(code: int, figures: dict[str, dict[str, Any]], kills: int) -> None:
    for provider, row in figures.items():
        for wrong in ("lost", "paid twice", "guessed", "otherwise broken"):
            assert row[wrong] == 0, (provider, wrong)
        ended = row["finished"] + row.get("taken back", 0) + row["held for a person"]
        assert ended == row["jobs wanted"], provider
    assert {provider for provider, row in figures.items() if row["held for a person"]} <= {
        "double, can tell nothing",
        "IBM through QRMI",
        "**all**",
    }
    assert figures["**all**"]["kills landed"] >= kills
    assert code == 0


@pytest.mark.parametrize("kills", others_are_long([40, 200], 40))
def test_killed_many_times_on_sqlite(kills: int) -> None:
    requests = "12" if kills == 200 else "6"
    code, figures, landed = run(
        *("--kills", str(kills), "--requests", requests, "--kinds", "token", "tag_lookup", "none", "http")
    )
    assert_paid_once(code, figures, kills)
    assert kills < 200 or min(kills for place, kills in landed.items() if place != "request at its end") > 0, (
        "a moment was never met"
    )


@pytest.mark.parametrize("kills", others_are_long([8, 60], 8))
def test_killed_many_times_on_postgres(postgres_server: str, kills: int) -> None:
    code, figures, _ = run(
        *("--kills", str(kills), "--ledger", "postgres", "--requests", "8" if kills == 60 else "4"),
        *("--kinds", "token", "tag_lookup", "none", "http"),
        **{DAGSTER_POSTGRES_VARIABLE: postgres_server},
    )
    assert_paid_once(code, figures, kills)


@pytest.mark.long
def test_older_ledgers_put_back_between_the_kills() -> None:
    """What was sent since the copy is found at the provider, and adopted."""
    kinds = ("--kinds", "token", "tag_lookup", "http")
    code, figures, _ = run("--kills", "60", "--restores", "--requests", "6", *kinds)
    assert_paid_once(code, figures, 60)


@pytest.mark.long
@pytest.mark.parametrize(
    ("database", "how"), list(product(("sqlite", "postgres"), ("--restores", "--copies", "--clocks")))
)
def test_a_few_kills_of_each_further_kind(postgres_server: str, database: str, how: str) -> None:
    """Of thousands that `make test-paid-once` does: copied homes, machines with wrong clocks, older ledgers on a server."""
    code, figures, _ = run(
        *("--kills", "12", "--requests", "5", "--ledger", database, how, "--kinds", "tag_lookup", "http"),
        **{DAGSTER_POSTGRES_VARIABLE: postgres_server},
    )
    assert_paid_once(code, figures, 12)


@pytest.mark.long
def test_behind_a_proxy_that_loses_answers() -> None:
    code, figures, _ = run("--kills", "12", "--requests", "5", "--kinds", "proxy")
    assert_paid_once(code, figures, 12)


@pytest.mark.long
def test_problems_of_an_annealer() -> None:
    code, figures, _ = run("--kills", "12", "--requests", "5", "--kinds", "sapi")
    assert_paid_once(code, figures, 12)


@pytest.mark.long
def test_problems_of_a_hybrid_solver() -> None:
    code, figures, _ = run("--kills", "24", "--requests", "6", "--kinds", "hybrid")
    assert_paid_once(code, figures, 24)


@pytest.mark.long
def test_jobs_through_qrmi() -> None:
    """What a kill or a fault leaves unclear waits for a person; no job is sent a second time."""
    code, figures, _ = run("--kills", "12", "--requests", "6", "--kinds", "qrmi")
    assert_paid_once(code, figures, 12)


@pytest.mark.long
def test_tasks_of_braket() -> None:
    code, figures, _ = run("--kills", "24", "--requests", "6", "--kinds", "braket")
    assert_paid_once(code, figures, 24)


@pytest.mark.long
def test_jobs_of_ibm() -> None:
    code, figures, _ = run("--kills", "24", "--requests", "6", "--kinds", "ibm")
    assert_paid_once(code, figures, 24)


def test_no_named_place_is_left_out():
    """But for two: of work that goes to another backend, and of a result that comes although it was cancelled.

    `unit/control/test_job_dispatcher_crashes.py` kills there.
    """
    folder = Path(qhybrid_pipelines.control.__file__).parent
    named = re.findall(r'failpoint\("([^"]+)"\)', "".join(file.read_text() for file in folder.glob("**/*.py")))
    assert set(named) - set(PLACES) == {"cancel.left", "collect.stored_late"}
    assert set(PLACES) <= set(named)


@pytest.mark.long
def test_killed_at_every_named_place_while_jobs_are_taken_back():
    code, figures, _ = run("--kills", "30", "--requests", "16", "--places", "1", "--kinds", "http")
    assert_paid_once(code, figures, 30)
    assert figures["**all**"]["taken back"] > 0


def test_the_naive_protocol_loses_and_pays_twice_under_the_same_judge() -> None:
    code, figures, _ = run(
        "--kills", "60", "--protocol", "naive", *("--kinds", "token", "tag_lookup", "none", "http", "sapi")
    )
    assert code == 1
    for provider, row in figures.items():
        assert row["paid twice"] > 0, provider
        assert row["lost"] > 0, provider
