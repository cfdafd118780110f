"""What a ledger takes for a job: transactions a second, and bytes on disk, on SQLite and on Postgres.

Jobs are led through their whole lives (nine events in seven transactions), by one thread and by several with connections of
their own. Bytes are those of tables and indexes, and on Postgres those of the write-ahead log too, which a replica receives.

    python benchmarks/ledger_writes.py
    python benchmarks/ledger_writes.py --jobs 5000 --threads 1 4 16

A Postgres server is started from the extra `test`, unless QHYBRID_TEST_POSTGRES_URL names one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from measuring import figure, machine, show
from sqlalchemy import create_engine, text

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.support import postgres_databases
from qhybrid_pipelines_tests.support.job_histories import write_job_history

TRANSACTIONS, EVENTS = 7, 9


def measured(
    name: str, opened: Callable[[], SqlLedger], sizes: Callable[[], dict[str, int]], jobs: int, threads: int
) -> dict[str, Any]:
    """Write the lives of some jobs, and return what that took."""
    ledgers = [opened() for _ in range(threads)]
    before, started, worked = sizes(), time.perf_counter(), time.process_time()

    def write(thread: int) -> None:
        for number in range(thread, jobs, threads):
            experiment = f"e{threads}-{number // 10:07d}"
            write_job_history(ledgers[thread], f"t{threads}-{number:08d}", experiment=experiment, budget_usd=5.0)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, range(threads)))
    seconds, processor = time.perf_counter() - started, time.process_time() - worked
    for ledger in ledgers:
        ledger.close()
    grown = {what: figure((size - before[what]) / jobs) for what, size in sizes().items()}
    return {
        "ledger": name,
        "threads": threads,
        "jobs/s": figure(jobs / seconds),
        "transactions/s": figure(TRANSACTIONS * jobs / seconds),
        "processor ms/job": figure(1000 * processor / jobs),
        "bytes/job": grown["bytes"],
        "log bytes/job": grown.get("log", ""),
    }


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--jobs", type=int, default=2000)
    arguments.add_argument("--threads", type=int, nargs="+", default=[1, 4])
    options = arguments.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"

        def file_sizes() -> dict[str, int]:
            with create_engine(f"sqlite:///{path}").connect() as connection:
                pages = connection.execute(text("PRAGMA page_count")).scalar_one()
                return {"bytes": pages * connection.execute(text("PRAGMA page_size")).scalar_one()}

        rows += [
            measured("SQLite", lambda: SqlLedger.open_sqlite(path), file_sizes, options.jobs, threads)
            for threads in options.threads
        ]
    with postgres_databases.server_url(waits_for_disk=True) as server, postgres_databases.database(server) as url:
        engine = create_engine(url)

        def table_sizes() -> dict[str, int]:
            with engine.connect() as connection:
                tables = "SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables"
                log = "SELECT pg_current_wal_lsn() - '0/0'"
                return {
                    "bytes": int(connection.execute(text(tables)).scalar_one() or 0),
                    "log": int(connection.execute(text(log)).scalar_one()),
                }

        rows += [
            measured("Postgres", lambda: SqlLedger.open_postgres(url), table_sizes, options.jobs, threads)
            for threads in options.threads
        ]
        engine.dispose()
    about = machine("sqlalchemy") | {"jobs": options.jobs}
    show("What a ledger takes for the life of a job", rows, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
