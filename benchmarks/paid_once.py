"""Real submitting processes are killed at random moments (SIGKILL): is a job lost, is one paid twice?

The judge is the provider's own book. Providers: the durable double of the tests, with each kind of dedupe, and the emulator
over HTTP through the adapter of `ionq`; both with faults before and after acceptance and with a lagging listing.

    python benchmarks/paid_once.py --kills 2000 --ledger sqlite
    python benchmarks/paid_once.py --kills 500 --ledger postgres
    python benchmarks/paid_once.py --kills 500 --restores               # older ledgers are put back in between
    python benchmarks/paid_once.py --kills 200 --protocol naive       # the same harness sees losses and double payment

A Postgres server is started from the extra `test`, unless QHYBRID_TEST_POSTGRES_URL names one. The exit code is 0 if
nothing was lost, paid twice, guessed, left unfinished or otherwise broken.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from measuring import machine, show

from qhybrid_pipelines.control.ledger import postgres_locks
from qhybrid_pipelines.control.ledger.sql import SqlLedger
from qhybrid_pipelines_tests.support import postgres_databases
from qhybrid_pipelines_tests.support.paid_once.judge import Tally
from qhybrid_pipelines_tests.support.paid_once.kill_loop import PLACES, KillTest, LedgerBackups
from qhybrid_pipelines_tests.support.paid_once.protocols import PROTOCOLS
from qhybrid_pipelines_tests.support.paid_once.provider_setups import (
    DECLARED_LAG_SECONDS,
    DurableVendorSetup,
    EmulatorSetup,
    ProviderSetup,
    run_emulator,
)

#: Provider and what it can do about a token that it has seen before.
KINDS = {
    "double, merges equal tokens": "token",
    "double, lists tokens with lag": "tag_lookup",
    "double, can tell nothing": "none",
    "emulator over HTTP": "http",
}
ALL_PLACES = (
    *("process start", "nothing written", "APPROVED", "SUBMITTING, not accepted", "SUBMITTING, accepted"),
    *(place for place in PLACES if place not in ("nothing written", "APPROVED")),
    "request at its end",
)


def fought(kind: str, kills: int, options: argparse.Namespace, server: str | None) -> Tally:
    """Fight in one new setup after the other until enough kills have landed."""
    total, number = Tally(), 0
    with tempfile.TemporaryDirectory() as folder:
        while total.landed < kills:
            rng = random.Random(f"{options.seed}/{options.ledger}/{kind}/{number}")
            home = Path(folder) / str(number)
            with new_ledger(home, server) as ledger, new_setup(home, kind, rng, number, options.requests) as setup:
                # A provider that can tell nothing cannot say either what was sent since a backup.
                restores = options.restores and kind != "none"
                backups = LedgerBackups(home / "ledger.db", DECLARED_LAG_SECONDS) if restores else None
                total.add(KillTest(setup, ledger, options.protocol, rng, backups).run_until_done())
            number += 1
    return total


@contextmanager
def new_ledger(home: Path, server: str | None) -> Iterator[SqlLedger]:
    with ExitStack() as stack:
        home.mkdir()
        if server is None:
            ledger = SqlLedger.open_sqlite(home / "ledger.db")
        else:
            ledger = SqlLedger.open_postgres(stack.enter_context(postgres_databases.schema(server)))
        stack.callback(ledger.close)
        yield ledger


@contextmanager
def new_setup(home: Path, kind: str, rng: random.Random, number: int, length: int) -> Iterator[ProviderSetup]:
    if kind == "http":
        with run_emulator(home / "emulator", seed=number) as emulator:
            yield EmulatorSetup(home, emulator, rng, length=length)
    else:
        yield DurableVendorSetup(home, kind, rng, length=length)


def row_of(name: str, tally: Tally, seconds: float) -> dict[str, Any]:
    return {
        "provider": name,
        "kills landed": tally.landed,
        "jobs wanted": tally.wanted,
        "accepted": tally.accepted,
        "lost": tally.lost,
        "paid twice": tally.paid_twice,
        "guessed": tally.guessed,
        "finished": tally.finished,
        "held for a person": tally.in_doubt,
        "otherwise broken": len(tally.broken),
        "seconds": round(seconds),
    }


def is_clean(tally: Tally) -> bool:
    unfinished = tally.wanted - tally.finished - tally.in_doubt
    return not (tally.lost or tally.paid_twice or tally.guessed or tally.broken or unfinished)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=400, help="that have to land, over all kinds of providers")
    arguments.add_argument("--ledger", choices=("sqlite", "postgres"), default="sqlite")
    arguments.add_argument("--protocol", choices=tuple(PROTOCOLS), default="ours")
    arguments.add_argument("--kinds", nargs="+", choices=tuple(KINDS.values()), default=list(KINDS.values()))
    arguments.add_argument("--requests", type=int, default=40, help="that one ledger and provider are made for")
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument(
        "--restores", action="store_true", help="put older copies of the ledger back among the kills"
    )
    options = arguments.parse_args()
    if options.restores and options.ledger != "sqlite":
        arguments.error("--restores copies the file of a ledger in SQLite")
    names = [name for name, kind in KINDS.items() if kind in options.kinds]
    rows, at, clean, total = [], Counter[str](), True, Tally()
    began = time.perf_counter()
    with ExitStack() as stack:
        server = None
        if options.ledger == "postgres":
            # Right after a server's start, locks of submissions under way are given out late, because a start ends sessions
            # of living holders too. This server was there before any process, and is not started again.
            postgres_locks.RESTART_GRACE_SECONDS = 0.0
            server = stack.enter_context(
                postgres_databases.database(stack.enter_context(postgres_databases.server_url()))
            )
        for name in names:
            started = time.perf_counter()
            tally = fought(KINDS[name], -(-options.kills // len(names)), options, server)
            rows.append(row_of(name, tally, time.perf_counter() - started))
            for words in tally.broken:
                print(f"{name}: {words}", file=sys.stderr)
            total.add(tally)
            at, clean = at + tally.at, clean and is_clean(tally)
    rows.append(row_of("**all**", total, time.perf_counter() - began))
    about = machine("sqlalchemy") | {"ledger": options.ledger, "protocol": options.protocol, "seed": options.seed}
    show(f"Protocol '{options.protocol}', ledger {options.ledger}, seed {options.seed}", rows, about)
    if options.restores:
        print(f"older ledgers put back: {total.restored}")
    if options.protocol == "ours":
        places = [{"at its death": place, "kills": at[place]} for place in ALL_PLACES]
        show("Where the kills landed", places, about)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
