"""A load of accepted experiments on a service that is killed in the middle of it, and the judgement of what came of them."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from dataclasses import dataclass

import httpx

from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines_tests.support.running_service import KARATE, RunningService

CLIENTS = 8


class Load:
    """Clients that send as fast as they are answered; knows what was sent and what was acknowledged.

    Attributes:
        acknowledged: number and body of the answer, by key of the request.
        sent: keys of all requests, answered or not.
    """

    def __init__(self) -> None:
        self.acknowledged: dict[str, tuple[int, bytes]] = {}
        self.sent: set[str] = set()
        self._numbers = iter(range(1_000_000))
        self._lock = threading.Lock()

    def until_killed(self, service: RunningService, *, acknowledged: int) -> None:
        """Send, kill the service once so many more were acknowledged, and return when all clients have ended."""
        goal = len(self.acknowledged) + acknowledged
        threads = [threading.Thread(target=self._send, args=(service.url,)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 60
        while len(self.acknowledged) < goal:
            assert time.monotonic() < until, service.log
            time.sleep(0.01)
        service.kill()
        for thread in threads:
            thread.join()

    def _send(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=30.0, trust_env=False) as client:
            while True:
                with self._lock:
                    number = next(self._numbers)
                key = f"load-{number}"
                self.sent.add(key)
                try:
                    answer = client.post(
                        "/v1/experiments",
                        json={"specification": {**KARATE, "seed": number}},
                        headers={"Idempotency-Key": key},
                    )
                except httpx.HTTPError:
                    return  # killed in between: nobody knows
                if answer.status_code == 202:
                    self.acknowledged[key] = (number, answer.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a load; all but the first two have to be 0.

    Attributes:
        sent: requests, answered or not.
        acknowledged: of them.
        lost: acknowledged and not stored, or not registered in the end.
        doubled: stored or registered more than once, or stored anew when the request was repeated.
        invented: stored without having been sent.
        changed: repeated, and answered otherwise than the first time.
    """

    sent: int
    acknowledged: int
    lost: int
    doubled: int
    invented: int
    changed: int


def judge(load: Load, service: RunningService, *, register_seconds: float = 120.0) -> Outcome:
    """Return what became of a load, after every acknowledged request was sent once more; the service is running again."""
    stored = stored_keys(service)
    changed = sum(
        service.post({**KARATE, "seed": number}, key=key).content != body
        for key, (number, body) in load.acknowledged.items()
    )
    again = stored_keys(service)
    wanted = {json.loads(body)["experiment"] for _, body in load.acknowledged.values()}
    register = Specifications(Home(service.home))
    until = time.monotonic() + register_seconds
    while (wanted - set(register.keys()) or len(register.keys()) < len(stored)) and time.monotonic() < until:
        time.sleep(0.2)
    return Outcome(
        sent=len(load.sent),
        acknowledged=len(load.acknowledged),
        lost=len(set(load.acknowledged) - set(stored)) + len(wanted - set(register.keys())),
        doubled=len(stored) - len(set(stored)) + len(again) - len(stored) + abs(len(register.keys()) - len(stored)),
        invented=len(set(stored) - load.sent),
        changed=changed,
    )


def stored_keys(service: RunningService) -> list[str]:
    """Return the keys of all stored requests, in their order."""
    connection = sqlite3.connect(service.home / "service.db")
    try:
        rows = connection.execute("SELECT idempotency_key FROM request ORDER BY number").fetchall()
    finally:
        connection.close()
    return [key for (key,) in rows]
