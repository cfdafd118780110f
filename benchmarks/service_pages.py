"""How long a page of the service takes with a hundred thousand jobs: the list, its filters, one experiment.

A real `qhybrid serve` with two callers; the jobs are copies of one that was planned, written by SQL, because planning them one by one
would take ten minutes. Seconds are those of a client on the same machine, and processor seconds those of the server.

    python benchmarks/service_pages.py [JOBS]
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import psutil

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.acceptance.test_service_keys import Tenants
from qhybrid_pipelines_tests.acceptance.test_service_pages import Browser
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan

REPEATS = 20


def main(jobs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tenants = Tenants(Path(folder) / "home")
        own = [tenants.post("ada", f"k{seed}", seed=seed).json()["experiment"] for seed in range(5)]
        fill(Path(folder) / "home" / "ledger.db", own, jobs)
        server = psutil.Process(tenants.service.pid)
        paths = {
            "the list": "/pages",
            "by state": "/pages?state=QUEUED",
            "by backend": "/pages?backend=v:e",
            "by text": "/pages?text=0000000000077",
            "all three": "/pages?state=QUEUED&backend=v:e&text=maxcut",
        }
        print(f"{jobs:,} jobs; seconds of {REPEATS} requests each")
        print(f"{'page':30} {'p50 s':>8} {'most s':>8} {'cpu s':>8}")
        for name in ("root", "ada"):
            with Browser(tenants) as browser:
                browser.sign_in(tenants.keys[name])
                for words, path in paths.items():
                    browser.get(path)
                    took, before = [], sum(server.cpu_times()[:2])
                    for _ in range(REPEATS):
                        began = time.perf_counter()
                        assert browser.get(path).status_code == 200
                        took.append(time.perf_counter() - began)
                    cpu = (sum(server.cpu_times()[:2]) - before) / REPEATS
                    took.sort()
                    print(
                        f"{name + ': ' + words:30} {took[len(took) // 2]:8.3f} {took[-1]:8.3f} {cpu:8.3f}", flush=True
                    )
        tenants.service.stop()


def fill(path: Path, own: list[str], jobs: int) -> None:
    """Copy two jobs, one of each backend and state, a hundredth of them into experiments of the first caller."""
    ledger = SqlLedger.open_sqlite(path)
    for name, backend in (("a", "v:d"), ("b", "v:e")):
        job = ledger.plan(plan(name, backend=backend))
        apply_events(ledger, job, Event.ACKNOWLEDGE, Event.QUEUE, provider_job_id=f"v-{name}")
    ledger.plan(plan("c", backend="v:e", experiment=own[0]))
    ledger.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys=OFF")
    for table in ("job", "attempt"):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        changed = {
            "job_id": "printf('j%016d', n)",
            "token": "printf('t%016d', n)",
            "payload_sha256": "printf('p%016d', n)",
            "provider_job_id": "CASE WHEN provider_job_id IS NULL THEN NULL ELSE printf('v%016d', n) END",
            "experiment": "CASE WHEN n % 100 = 0 THEN '" + own[0] + "' ELSE printf('maxcut-many-%016d', n / 10) END",
        }
        values = ", ".join(changed.get(name, f"old.{name}") for name in columns)
        connection.execute(
            f"WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {jobs}) "
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM number "
            f"JOIN {table} AS old ON old.job_id = CASE n % 2 WHEN 0 THEN 'j-a' ELSE 'j-b' END"
        )
    connection.commit()
    connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
