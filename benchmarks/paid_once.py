"""Real submitting processes are killed at random moments (SIGKILL): is a job lost, is one paid twice?

The judge is the provider's own book. Providers: the durable double of the tests, with each kind of dedupe, and the emulator
over HTTP through the adapters of `ionq`, `dwave`, `braket`, `ibm` and `qrmi`; all with faults before and after acceptance and with a lagging listing.

    python benchmarks/paid_once.py --kills 2000 --ledger sqlite
    python benchmarks/paid_once.py --kills 500 --ledger postgres
    python benchmarks/paid_once.py --kills 500 --restores               # older ledgers are put back in between
    python benchmarks/paid_once.py --kills 300 --copies                 # homes are copied, and both work on in turns
    python benchmarks/paid_once.py --kills 300 --clocks                 # machines whose clocks are wrong, or are set
    python benchmarks/paid_once.py --kills 2000 --places 15 --kinds http sapi ibm braket  # four faces, at every named place
    python benchmarks/paid_once.py --kills 200 --protocol naive       # the same harness sees losses and double payment

A Postgres server is started from the extra `test`, unless QHYBRID_TEST_POSTGRES_URL names one. The exit code is 0 if
nothing was lost, paid twice, guessed, left unfinished or otherwise broken, and if what was asked for has happened: a ledger
that was put back lacked events, a home was copied.
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

from qhybrid_pipelines.control.ledger.databases import postgres_locks
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import postgres_databases
from qhybrid_pipelines_tests.support.paid_once.annealer_setup import (
    HYBRID_FAULTS,
    SAPI_FAULTS,
    AnnealerSetup,
    HybridSetup,
    plan_faults,
    run_annealer,
)
from qhybrid_pipelines_tests.support.paid_once.braket_setup import BraketSetup, run_braket
from qhybrid_pipelines_tests.support.paid_once.ibm_setup import IbmSetup, run_ibm
from qhybrid_pipelines_tests.support.paid_once.judge import Tally
from qhybrid_pipelines_tests.support.paid_once.kill_loop import PLACES, WORKERS, KillTest
from qhybrid_pipelines_tests.support.paid_once.ledger_copies import HomeCopies, LedgerBackups, open_place
from qhybrid_pipelines_tests.support.paid_once.named_places import PLACES as NAMED_PLACES
from qhybrid_pipelines_tests.support.paid_once.named_places import NamedPlaces
from qhybrid_pipelines_tests.support.paid_once.protocols import PROTOCOLS
from qhybrid_pipelines_tests.support.paid_once.provider_setups import (
    DECLARED_LAG_SECONDS,
    DurableVendorSetup,
    EmulatorSetup,
    ProviderSetup,
    run_emulator,
)
from qhybrid_pipelines_tests.support.paid_once.qrmi_setup import QrmiSetup, run_qrmi

#: Provider and what it can do about a token that it has seen before.
KINDS = {
    "double, merges equal tokens": "token",
    "double, lists tokens with lag": "tag_lookup",
    "double, can tell nothing": "none",
    "emulator over HTTP": "http",
    "annealer over HTTP": "sapi",
    "hybrid solver over HTTP": "hybrid",
    "Braket over HTTP": "braket",
    "IBM over HTTP": "ibm",
    "IBM through QRMI": "qrmi",
    "emulator behind a proxy": "proxy",
}
#: All requests of a ledger and provider come to their end, however few kills are wanted.
FEWEST_REQUESTS, MOST_REQUESTS = 10, 40
#: After which a kind ends even if what was asked for has not happened; its kills are met long before.
MOST_SETUPS = 40
ALL_PLACES = (
    *("process start", "nothing written", "APPROVED", "SUBMITTING, not accepted", "SUBMITTING, accepted"),
    *(place for place in PLACES if place not in ("nothing written", "APPROVED")),
    "request at its end",
)


def fought(kind: str, kills: int, options: argparse.Namespace, server: str | None) -> Tally:
    """Fight in one new setup after the other until enough kills have landed, and what was asked for has happened."""
    total, number, until = Tally(), 0, time.monotonic() + 60 * options.minutes
    places = NamedPlaces(options.places, slots=WORKERS, kind=kind) if options.places else None
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < until and (
            total.landed < kills
            or (number < MOST_SETUPS and not (has_happened(kind, total, options) and has_died_everywhere(places)))
        ):
            rng = random.Random(f"{options.seed}/{options.ledger}/{kind}/{number}")
            home = Path(folder) / str(number)
            restores, copies = has_restores(kind, options), has_copies(kind, options)
            with (
                open_place(home, server, is_copied=restores or copies) as place,
                new_setup(home, kind, rng, number, options) as setup,
            ):
                if places is not None and isinstance(setup, EmulatorSetup):
                    setup.add_doubts()
                test = KillTest(
                    setup,
                    place.ledger,
                    options.protocol,
                    rng,
                    backups=LedgerBackups(place, DECLARED_LAG_SECONDS) if restores else None,
                    copies=HomeCopies(Home(home), place, is_shared=server is not None, lag_seconds=DECLARED_LAG_SECONDS)
                    if copies
                    else None,
                    home=Home(home),
                    has_clocks=options.clocks,
                    places=places,
                )
                total.add(test.run_until_done())
            number += 1
    if places is not None:
        total.places = Counter({place: places.hits[place] for place in places.places})
    return total


def has_restores(kind: str, options: argparse.Namespace) -> bool:
    """Tell whether older ledgers are put back; a provider that can tell nothing cannot say what was sent since a backup."""
    return options.restores and kind not in ("none", "qrmi")


def has_copies(kind: str, options: argparse.Namespace) -> bool:
    """Tell whether homes are copied; only of a provider that says what was sent by another home."""
    return options.copies and kind not in ("none", "qrmi", "token", "braket")


def has_happened(kind: str, tally: Tally, options: argparse.Namespace) -> bool:
    """Tell whether ledgers put back lacked something, and homes were copied, if they were to be."""
    return (tally.undone > 0 or not has_restores(kind, options)) and (tally.copied > 0 or not has_copies(kind, options))


def has_died_everywhere(places: NamedPlaces | None) -> bool:
    """Tell whether there were enough deaths at every named place, where some were asked for."""
    return places is None or not places.wanted()


@contextmanager
def new_setup(
    home: Path, kind: str, rng: random.Random, number: int, options: argparse.Namespace
) -> Iterator[ProviderSetup]:
    if kind in ("sapi", "hybrid"):
        made, faults = (HybridSetup, HYBRID_FAULTS) if kind == "hybrid" else (AnnealerSetup, SAPI_FAULTS)
        with run_annealer(home / "emulator", seed=number) as emulator:
            setup = made(home, emulator, rng, length=options.requests)
            plan_faults(emulator, faults)
            yield setup
        return
    if kind == "braket":
        with run_braket(home / "emulator", seed=number) as emulator:
            yield BraketSetup(home, emulator, rng, length=options.requests)
        return
    if kind == "ibm":
        with run_ibm(home / "emulator", seed=number) as emulator:
            yield IbmSetup(home, emulator, rng, length=options.requests)
        return
    if kind == "qrmi":
        with run_qrmi(home / "emulator", seed=number) as emulator:
            yield QrmiSetup(home, emulator, rng, length=options.requests)
        return
    if kind in ("http", "proxy"):
        facts = {"has_proxy": kind == "proxy", "has_clocks": options.clocks}
        with run_emulator(home / "emulator", seed=number, **facts) as emulator:
            yield EmulatorSetup(home, emulator, rng, length=options.requests)
    else:
        yield DurableVendorSetup(home, kind, rng, length=options.requests)


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
        **(
            {"taken back": tally.taken_back, "fewest at a named place": min(tally.places.values())}
            if tally.places
            else {}
        ),
        "held for a person": tally.in_doubt,
        "otherwise broken": len(tally.broken),
        "seconds": round(seconds),
    }


def is_clean(tally: Tally) -> bool:
    unfinished = tally.wanted - tally.finished - tally.taken_back - tally.in_doubt
    return not (tally.lost or tally.paid_twice or tally.guessed or tally.broken or unfinished)


def read_options() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=400, help="that have to land, over all kinds of providers")
    arguments.add_argument("--ledger", choices=("sqlite", "postgres"), default="sqlite")
    arguments.add_argument("--protocol", choices=tuple(PROTOCOLS), default="ours")
    arguments.add_argument("--kinds", nargs="+", choices=tuple(KINDS.values()), default=list(KINDS.values()))
    arguments.add_argument(
        "--requests", type=int, help="that one ledger and provider are made for; the default follows from the kills"
    )
    arguments.add_argument(
        "--minutes", type=float, default=1e6, help="of each kind, after which no further ledger and provider are made"
    )
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument(
        "--restores", action="store_true", help="put older copies of the ledger back among the kills"
    )
    arguments.add_argument("--copies", action="store_true", help="copy the home among the kills, and let both work")
    arguments.add_argument(
        "--places", type=int, default=0, metavar="N", help="kill N times at every named place too, with every provider"
    )
    arguments.add_argument("--clocks", action="store_true", help="machines whose clocks are wrong, or are set")
    options = arguments.parse_args()
    if options.restores and options.copies:
        arguments.error("choose one of --restores and --copies")
    if options.places and (options.restores or options.copies or options.protocol != "ours"):
        arguments.error("--places goes neither with --restores and --copies nor with another protocol")
    return options


def main() -> int:
    options = read_options()
    names = [name for name, kind in KINDS.items() if kind in options.kinds]
    kills = -(-options.kills // len(names))
    if options.requests is None:
        options.requests = min(MOST_REQUESTS, max(FEWEST_REQUESTS, kills))
    rows, at, clean, total, by_place = [], Counter[str](), True, Tally(), dict[str, Counter[str]]()
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
            tally = fought(KINDS[name], kills, options, server)
            rows.append(row_of(name, tally, time.perf_counter() - started))
            print(rows[-1], file=sys.stderr, flush=True)  # a run that is cut off has told what it found
            for words in tally.broken:
                print(f"{name}: {words}", file=sys.stderr)
            total.add(tally)
            at, clean = at + tally.at, clean and is_clean(tally) and has_happened(KINDS[name], tally, options)
            clean = clean and (not options.places or min(tally.places.values()) >= options.places)
            by_place[name] = tally.places
    if options.places:
        met = {place: [hits[place] for hits in by_place.values() if place in hits] for place in NAMED_PLACES}
        total.places = Counter({place: min(hits) for place, hits in met.items() if hits})
    rows.append(row_of("**all**", total, time.perf_counter() - began))
    chosen = [name for name in ("clocks", "restores", "copies") if getattr(options, name)]
    about = machine("sqlalchemy") | {
        "ledger": options.ledger,
        "protocol": options.protocol,
        "seed": options.seed,
        "with": chosen,
        "restored": total.restored,
        "undone": total.undone,
        "copied": total.copied,
        "asked": total.asked,
    }
    title = f"Protocol '{options.protocol}', ledger {options.ledger}, seed {options.seed}"
    show(f"{title}, {', '.join(chosen)}" if chosen else title, rows, about)
    if options.restores:
        print(f"older ledgers put back: {total.restored}; events that they lacked: {total.undone}")
    if options.copies:
        print(f"homes copied: {total.copied}; a person was asked: {total.asked}")
    if options.protocol == "ours":
        places = [{"at its death": place, "kills": at[place]} for place in ALL_PLACES]
        show("Where the kills landed", places, about)
        if options.places:
            named = [
                {"place": place} | {name: hits.get(place, "no way") for name, hits in by_place.items()}
                for place in NAMED_PLACES
            ]
            show("Killed at named places", named, about)
        strokes = [{"fault of a provider": fault, "struck": total.struck[fault]} for fault in sorted(total.struck)]
        show("What else went wrong", strokes, about)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
