"""What the tests of ledgers share: a plan, a step, and work that several processes do at the same moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, JobRecord, Ledger, Plan, Transition

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
SUBMIT_EVENTS = (Event.PLAN, Event.APPROVE, Event.SUBMIT)


def plan(
    name: str = "a", *, quote: float = 0.0, budget: float = 0.0, events: tuple[Event, ...] = SUBMIT_EVENTS, **fields
) -> Plan:
    given = {
        "job_id": f"j-{name}",
        "experiment": "maxcut-small-00000000",
        "backend": "v:d",
        "provider": "v",
        "payload_sha256": name,
        "run_number": 1,
        "tier": "batch",
        "circuits": 20,
        "shots": 2000,
        "token": f"token-{name}",
        "cost_quoted_usd": quote,
        "price_source": "list of 2026-01-01",
        "budget_usd": budget,
        "requested_at": NOW - timedelta(seconds=3),
        "planned_at": NOW,
        "steps": tuple(EventData(event=event, at=NOW) for event in events),
    }
    return Plan(**(given | fields))


def apply_events(ledger: Ledger, job: JobRecord, *events: Event, **fields) -> JobRecord:
    steps = tuple(EventData(event=event, at=NOW + timedelta(seconds=1)) for event in events)
    return ledger.advance(Transition(job=job, steps=steps, observed_at=NOW + timedelta(seconds=2), **fields))


SCRIPT = """
import json, os, sys, traceback
from pathlib import Path
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines_tests.support import ledger_plans

def plan(ledger, name, **facts):
    try:
        ledger.plan(ledger_plans.plan(name, **facts))
    except Refused:
        pass

home = Path({home!r})
url = {url!r}
{before}
go, started = os.pipe()
children = []
for number in range({copies}):
    child = os.fork()
    if child == 0:
        os.close(started)
        os.read(go, 1)  # returns when the parent closes its end: all start together
        try:
            {work}
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    children.append(child)
os.close(started)
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))
"""


def run_in_processes(copies: int, work: str, home: Path, *, before: str = "", url: str = "") -> list[int]:
    """Do ``work`` in ``copies`` processes that start at the same moment and return how each ended."""
    script = SCRIPT.format(home=str(home), url=url, before=before, copies=copies, work=work)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert not done.stderr, done.stderr
    answer: list[int] = json.loads(done.stdout)
    return answer
