"""How long an event takes to a receiver that answers, without and beside receivers that do not, in turn.

A real `qhybrid serve` and receivers in processes of their own; the receiver verifies every message and writes it to the disk before it
acknowledges. Seconds from the return of the ledger's transaction to that write.

    python benchmarks/webhooks.py [EVENTS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.support.browser import wait_until
from qhybrid_pipelines_tests.support.ledger_plans import plan
from qhybrid_pipelines_tests.support.running_service import RunningService
from qhybrid_pipelines_tests.support.webhook_receiver import Receiver

ROUNDS = 3


def main(events: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        live = Receiver(place, "live").start()
        slow = Receiver(place, "slow", seconds=120.0).start()
        lags: dict[str, list[float]] = {"alone": [], "beside four that do not answer": []}
        with RunningService(place / "home", environment={"QHYBRID_WEBHOOK_LOOPBACK": "1"}) as service:
            made = service.client.post("/v1/webhooks", json={"url": live.url}).json()
            live.secret = made["secret"]
            wait_until(lambda: service.client.get(made["href"]).json()["state"] == "active", 120, "the first message")
            ledger = SqlLedger.open_sqlite(service.home / "ledger.db")
            for number in range(ROUNDS):
                lags["alone"] += measure(ledger, live, f"alone{number}", events)
                bad = [Receiver(place, "dead"), Receiver(place, "dead"), slow, slow]
                hrefs = [service.client.post("/v1/webhooks", json={"url": one.url}).json()["href"] for one in bad]
                lags["beside four that do not answer"] += measure(ledger, live, f"beside{number}", events)
                for href in hrefs:
                    service.client.delete(href)
            ledger.close()
        live.kill()
        slow.kill()
    print(f"{'events to a receiver':32} {'n':>5} {'p50 s':>7} {'p99 s':>7} {'most s':>7}")
    for name, values in lags.items():
        ordered = sorted(values)
        middle, late = ordered[len(ordered) // 2], ordered[int(0.99 * (len(ordered) - 1))]
        print(f"{name:32} {len(ordered):5} {middle:7.3f} {late:7.3f} {ordered[-1]:7.3f}")


def measure(ledger: SqlLedger, live: Receiver, name: str, events: int) -> list[float]:
    """Write jobs of three events each, and return how long each event took."""
    written: dict[str, float] = {}
    for number in range(events // 3):
        job = ledger.plan(plan(f"{name}-{number}"))
        written[job.job_id] = time.time()
        time.sleep(0.05)

    def found() -> list[dict]:
        return [one for one in live.events() if one["subject"] in written]

    wait_until(lambda: len({one["id"] for one in found()}) == 3 * len(written), 120, "all events")
    return [one["_at"] - written[one["subject"]] for one in found()]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
