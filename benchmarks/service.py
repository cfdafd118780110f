"""What the HTTP service costs: durable acceptance beside the same endpoint without durability, slow connections, and interactive verdicts.

Servers and clients are processes of their own. The two services take turns, so that a busy moment of the machine meets both; the one
without durability answers as soon as a request is checked, and writes nothing.

    python benchmarks/service.py --rounds 5
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from measuring import machine, show

KARATE = {"specification": {"name": "karate", "problem": {"family": "maxcut", "source": "networkx:karate_club"}}}
DURABLE, NOT_DURABLE = "durable", "without durability"
CONNECTIONS, SECONDS = 32, 4.0
SLOW_CONNECTIONS = 300
SERVER = """
import sys
from concurrent.futures import Future
from contextlib import suppress
from qhybrid_pipelines.core.system.stop_request import StopRequested
from qhybrid_pipelines.service.intake import request_store
from qhybrid_pipelines.service import server
from qhybrid_pipelines.settings import prepare_home

def accept_without_writing(self, request, *, shared):
    done = Future()
    done.set_result(request_store.Acceptance(request.answer, new=False))
    return done

if sys.argv[2] == "without durability":
    request_store.RequestStore.accept = accept_without_writing
with suppress(StopRequested):
    server.serve(server.ServiceOptions(home=prepare_home(sys.argv[1]), port=0, interactive=sys.argv[2] == "interactive"))
"""


@contextmanager
def service(folder: Path, kind: str) -> Iterator[tuple[str, int]]:
    """Serve a home of its own, and give address and process once it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder / kind.replace(" ", "-")), kind],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        while not _is_ready(url):
            time.sleep(0.5)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Connection:
    """One connection that is kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> Connection:
        host, port = url.removeprefix("http://").split(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        content = await self._reader.readexactly(int(fields[b"content-length"]))
        return int(head.split()[1]), content

    def send(self, content: bytes) -> None:
        """Send some bytes, whatever they are."""
        self._writer.write(content)

    def close(self) -> None:
        self._writer.close()


async def accept_load(url: str, *, seconds: float) -> list[float]:
    """Send as fast as answers come, over all connections; return how long each took."""
    body, until, took = json.dumps(KARATE).encode(), time.perf_counter() + seconds, list[float]()

    async def send() -> None:
        connection = await Connection.open(url)
        while time.perf_counter() < until:
            began = time.perf_counter()
            status, _ = await connection.ask(
                "POST",
                "/v1/experiments",
                body,
                Content_Type="application/json",
                Idempotency_Key=uuid.uuid4().hex,
            )
            assert status == 202, status
            took.append(time.perf_counter() - began)
        connection.close()

    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return took


async def good_client(url: str, *, seconds: float) -> list[float]:
    """Ask for the list of jobs, one request after the other; return how long each took."""
    connection, until, took = await Connection.open(url), time.perf_counter() + seconds, list[float]()
    while time.perf_counter() < until:
        began = time.perf_counter()
        status, _ = await connection.ask("GET", "/v1/jobs")
        assert status == 200, status
        took.append(time.perf_counter() - began)
    connection.close()
    return took


async def beside_slow_ones(url: str, *, seconds: float) -> list[float]:
    """As `good_client`, while others hold half a header or half a body open and send a byte now and then."""
    slow = [await Connection.open(url) for _ in range(SLOW_CONNECTIONS)]
    for number, connection in enumerate(slow):
        half = b"GET /v1/jobs HTTP/1.1\r\nX-Slow: " if number % 2 else _HALF_BODY
        connection.send(half)
    drip = asyncio.create_task(_drip(slow))
    took = await good_client(url, seconds=seconds)
    drip.cancel()
    for connection in slow:
        connection.close()
    return took


_HALF_BODY = (
    b"POST /v1/experiments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nIdempotency-Key: x\r\n"
    b"Content-Length: 4000\r\n\r\n{"
)


async def _drip(slow: list[Connection]) -> None:
    while True:
        await asyncio.sleep(1.0)
        for connection in slow:
            connection.send(b"x")


def p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98]


def acceptance(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Return accepts per second and p99 of both services, round by round in turns."""
    rates: dict[str, list[float]] = {DURABLE: [], NOT_DURABLE: []}
    tails: dict[str, list[float]] = {DURABLE: [], NOT_DURABLE: []}
    with service(folder, DURABLE) as (durable, _), service(folder, NOT_DURABLE) as (bare, _):
        for url in (durable, bare):
            asyncio.run(accept_load(url, seconds=1.0))
        for _ in range(rounds):
            for kind, url in ((DURABLE, durable), (NOT_DURABLE, bare)):
                took = asyncio.run(accept_load(url, seconds=SECONDS))
                rates[kind].append(len(took) / SECONDS)
                tails[kind].append(p99(took))
    shares = [one / other for one, other in zip(rates[DURABLE], rates[NOT_DURABLE], strict=True)]
    times = [one / other for one, other in zip(tails[DURABLE], tails[NOT_DURABLE], strict=True)]
    rows = [
        {
            "accepting": kind,
            "accepts per second (median)": median(rates[kind]),
            "p99, ms (median)": 1000 * median(tails[kind]),
        }
        for kind in (DURABLE, NOT_DURABLE)
    ]
    rows.append(
        {
            "accepting": "durable / without",
            "accepts per second (median)": median(shares),
            "p99, ms (median)": median(times),
        }
    )
    return rows


def slow_connections(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Return a good client's p50 and p99 alone and beside slow connections, in turns."""
    alone, beside = list[list[float]](), list[list[float]]()
    with service(folder, "slow") as (url, _):
        asyncio.run(good_client(url, seconds=1.0))
        for _ in range(rounds):
            alone.append(asyncio.run(good_client(url, seconds=SECONDS)))
            beside.append(asyncio.run(beside_slow_ones(url, seconds=SECONDS)))
    rows = [
        {
            "good client": name,
            "p50, ms (median)": 1000 * median(median(took) for took in each),
            "p99, ms (median)": 1000 * median(p99(took) for took in each),
        }
        for name, each in (("alone", alone), (f"beside {SLOW_CONNECTIONS} slow connections", beside))
    ]
    ratios = [p99(slow) / p99(free) for slow, free in zip(beside, alone, strict=True)]
    return [*rows, {"good client": "ratio", "p50, ms (median)": "", "p99, ms (median)": median(ratios)}]


def interactive(folder: Path, experiments: int) -> list[dict[str, Any]]:
    """Return how long it takes until the verdict on a maximum cut of 12 nodes is there, and what it costs the worker."""
    took, worked = list[float](), list[float]()
    with service(folder, "interactive") as (url, pid):
        worker = _child(pid, "interactive_worker")
        for seed in range(experiments + 1):
            generator = {"generator": "random_regular", "nodes": 12, "degree": 3, "seed": seed}
            asked = {"name": "twelve", "tier": "interactive", "problem": {"family": "maxcut", "source": generator}}
            request = urllib.request.Request(
                f"{url}/v1/experiments",
                json.dumps({"specification": asked}).encode(),
                {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex, "Prefer": "wait=60"},
            )
            began, before = time.perf_counter(), _processor_seconds(worker)
            with urllib.request.urlopen(request, timeout=120) as answer:
                assert answer.status == 200, answer.status
            if seed:  # the first one is the first of the home as well
                took.append(time.perf_counter() - began)
                worked.append(_processor_seconds(worker) - before)
            time.sleep(2.0)  # Dagster is told in between
    return [
        {
            "maximum cut of 12 nodes": name,
            "p50, s": median(each),
            "p95, s": quantiles(each, n=20)[18],
        }
        for name, each in (("until the verdict is in the answer", took), ("processor of the worker", worked))
    ]


def _child(parent: int, name: str) -> int:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            command = stat.with_name("cmdline").read_bytes()
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent and name.encode() in command:
                return int(stat.parent.name)
        except OSError:
            continue
    raise LookupError(name)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--experiments", type=int, default=20)
    parser.add_argument("--only", choices=("accept", "slow", "interactive"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, about = Path(name), machine("fastapi", "uvicorn", "qhybrid-pipelines")
        if given.only in (None, "accept"):
            show(f"Acceptance over {CONNECTIONS} connections", acceptance(folder, given.rounds), about)
        if given.only in (None, "slow"):
            show("A good client beside slow ones", slow_connections(folder, given.rounds), about)
        if given.only in (None, "interactive"):
            show("Interactive tier, warm", interactive(folder, given.experiments), about)


if __name__ == "__main__":
    main()
