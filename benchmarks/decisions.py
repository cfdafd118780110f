"""Decisions: no promise broken under random faults, and how soon an answer is there while the quantum side is busy.

python benchmarks/decisions.py --faults 10000            # a share of it is in the tests
python benchmarks/decisions.py --load --seconds 20       # rounds without and with a busy worker, one after the other
python benchmarks/decisions.py --confidence 20           # wrong upgrades, and when the gate closes, over so many runs of 200 decisions
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from measuring import machine, show

from qhybrid_pipelines.classical.statistics import wilson_interval
from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK
from qhybrid_pipelines.service.decisions.decider import Decider, moment
from qhybrid_pipelines.service.decisions.decision_body import read_decision
from qhybrid_pipelines.service.decisions.decision_models import Decision
from qhybrid_pipelines.service.decisions.decision_store import DecisionStore
from qhybrid_pipelines.service.decisions.decision_views import decision_fields
from qhybrid_pipelines.service.decisions.solvers import SolverLimits, Solvers
from qhybrid_pipelines.service.problem_documents import ProblemError
from qhybrid_pipelines_tests.support.decision_faults import FaultRun
from qhybrid_pipelines_tests.support.realised_upgrades import CONFIDENCE, decide, dispatch_rounds
from qhybrid_pipelines_tests.support.running_service import RunningService

RATE, DEADLINES_MS, ROUNDS = 50, (20, 200), 3
DECISIONS_PER_RUN = 200
#: A round of dispatch with thirty candidates.
VEHICLES, JOBS = 5, 6


def faults(decisions: int, seed: int) -> None:
    """Make decisions under faults, and print what came of them."""
    started = time.monotonic()

    def progress(number: int) -> None:
        if number % 1000 == 0:
            print(f"{number} decisions after {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        tally = FaultRun(Path(folder), seed).run(decisions, progress)
    row = {
        "decisions": tally.decisions,
        "refused": tally.refused,
        "candidates kept": tally.candidates,
        "upgrades": tally.upgrades,
        "promises broken": len(tally.broken),
        "seconds": round(time.monotonic() - started),
    }
    about = machine("ortools", "numpy") | {"seed": seed, "faults": dict(tally.faults), "outcomes": dict(tally.outcomes)}
    show("Decisions under random faults", [row], about)
    print("\n".join(tally.broken[:20]))


def confidence(runs: int) -> None:
    """Print how many upgrades turn out worse on generated truth, and after how many decisions the gate closes on a wrong assumption."""
    rounds, rows = list(dispatch_rounds(DECISIONS_PER_RUN, first=1000)), []
    for assumed, times in itertools.product((0.03, 0.05, 0.125), (1, 2)):
        found = [
            decide(rounds, assumed=assumed, true=times * assumed, rng=np.random.default_rng(seed))
            for seed in range(runs)
        ]
        upgrades, worse = sum(one.upgrades for one in found), sum(one.worse for one in found)
        closed = sorted(one.closed_at for one in found if one.closed_at is not None)
        rows.append(
            {
                "noise assumed": assumed,
                "true noise": times * assumed,
                "upgrades": upgrades,
                "worse": worse,
                "95 % bound of the share": wilson_interval(worse, upgrades, level=0.9)[1] if upgrades else None,
                "allowed": round(1 - CONFIDENCE, 6),
                "gates closed": f"{len(closed)} of {runs}",
                "after decisions": f"{closed[0]} to {closed[-1]}" if closed else "",
            }
        )
    show(f"Upgrades on generated truth, runs of {DECISIONS_PER_RUN} decisions", rows, machine("numpy", "ortools"))


def cost(decisions: int = 400) -> None:
    """Decide one after the other in this process, and print the processors' time here and in the process that solves."""
    with tempfile.TemporaryDirectory() as folder:
        answering, background = Solvers(SolverLimits(processes=1)), Solvers(SolverLimits(processes=1, idle=True))
        store = DecisionStore(Path(folder) / "decisions.db", lambda: moment(SYSTEM_CLOCK))
        decider = Decider(store, answering, background)
        decider.warm()
        seeds = itertools.count(1)

        def decide() -> None:
            with suppress(ProblemError):  # the machine was too busy for this one, which has taken its time too
                record = decider.decide("benchmark", read_decision(_body(next(seeds), 200)), arrived=decider.now())
                Decision(**decision_fields(record)).model_dump_json()

        for _ in range(20):
            decide()
        [pid] = answering.pids
        here, there = time.process_time(), _processor_seconds(pid)
        for _ in range(decisions):
            decide()
        row = {
            "answers": decisions,
            "in the service ms": 1000 * (time.process_time() - here) / decisions,
            "in the process that solves ms": 1000 * (_processor_seconds(pid) - there) / decisions,
        }
        decider.close()
    show("Processors' time of a decision with 30 candidates", [row], machine("ortools", "numpy"))


def _processor_seconds(pid: int) -> float:
    """Return what a process has used of processors."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(seconds: float) -> None:
    """Ask at a steady rate, without and with a busy quantum worker beside, and print how soon the answers were there."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningService(Path(folder) / "home", "--decisions", own_session=False) as service,
    ):
        seeds = itertools.count(1)
        asyncio.run(_ask(service.url, 200, 5.0, seeds))  # what a first minute is like is another question
        found: dict[tuple[int, bool], list[list[float]]] = {}
        refused: dict[tuple[int, bool], int] = {}
        loads: list[float] = []
        for _ in range(ROUNDS):
            for deadline, busy in itertools.product(DEADLINES_MS, (False, True)):
                with _worker(busy):
                    times, missed = asyncio.run(_ask(service.url, deadline, seconds, seeds))
                found.setdefault((deadline, busy), []).append(times)
                refused[deadline, busy] = refused.get((deadline, busy), 0) + missed
                loads.append(os.getloadavg()[0])
    rows = []
    for (deadline, busy), rounds in found.items():
        times = np.concatenate(rounds)
        p50, p99, worst = (float(np.quantile(times, q)) for q in (0.5, 0.99, 1.0))
        quiet = np.concatenate(found[deadline, False])
        rows.append(
            {
                "deadline ms": deadline,
                "worker beside": "busy" if busy else "none",
                "answers": len(times),
                "refused in time": refused[deadline, busy],
                "p50 ms": p50,
                "p99 ms": p99,
                "longest ms": worst,
                "p99 against none": p99 / float(np.quantile(quiet, 0.99)),
            }
        )
    about = machine("ortools", "numpy", "fastapi", "uvicorn") | {
        "rate": RATE,
        "rounds": ROUNDS,
        "seconds": seconds,
        "loads": [round(one, 1) for one in loads],
    }
    show("Dispatch with 30 candidates at 50 requests a second", rows, about)


async def _ask(url: str, deadline_ms: int, seconds: float, seeds: Iterator[int]) -> tuple[list[float], int]:
    """Send requests at the rate, whatever becomes of those before; return milliseconds of the answers, and how many were refused."""
    times: list[float] = []
    missed = 0

    async def one(client: httpx.AsyncClient) -> None:
        nonlocal missed
        body = _body(next(seeds), deadline_ms)
        started = time.perf_counter()
        answer = await client.post("/v1/decisions", content=body, headers={"Content-Type": "application/json"})
        took = 1000 * (time.perf_counter() - started)
        if answer.status_code == 200:
            times.append(took)
        else:
            assert answer.status_code == 503, answer.text
            missed += 1

    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=url, timeout=60.0, limits=limits, trust_env=False) as client:
        tasks = []
        started = time.perf_counter()
        for number in range(round(seconds * RATE)):
            await asyncio.sleep(max(0.0, started + number / RATE - time.perf_counter()))
            tasks.append(asyncio.create_task(one(client)))
        await asyncio.gather(*tasks)
    return times, missed


def _body(seed: int, deadline_ms: int) -> bytes:
    source = {"generator": "dispatch", "vehicles": VEHICLES, "jobs": JOBS, "seed": seed}
    fields: dict[str, Any] = {
        "specification": {"name": "round", "problem": {"family": "independent_set", "source": source}},
        "deadline_ms": deadline_ms,
        "quantum": False,
    }
    return json.dumps(fields).encode()


@contextmanager
def _worker(busy: bool) -> Iterator[None]:  # noqa: FBT001 - the one thing that differs
    """Keep a process that gives way to others, as the worker does, busy with phases and transforms of 2^20 amplitudes, as a simulation of circuits is.

    It belongs to the session of the service, as the worker does that the service starts: where the kernel groups processes by session,
    a low priority counts within one session only.
    """
    if not busy:
        yield
        return
    command = [sys.executable, "-c", _SIMULATE]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.kill()


_SIMULATE = """
from qhybrid_pipelines.core.system.process_priority import run_when_idle
run_when_idle()
import numpy as np
state = np.full(1 << 20, 2.0 ** -10, dtype=complex)
phases = np.exp(1j * np.random.default_rng(1).random(1 << 20))
while True:
    state = np.fft.ifft(phases * np.fft.fft(phases * state))
"""


def main() -> None:
    """Measure what is asked for."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--faults", type=int, help="so many decisions under random faults")
    arguments.add_argument("--confidence", type=int, metavar="RUNS", help="claims beside what came of them")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--load", action="store_true", help="time until the answer")
    arguments.add_argument("--seconds", type=float, default=20.0, help="of each round of --load")
    arguments.add_argument("--cost", action="store_true", help="processors' time of an answer")
    asked = arguments.parse_args()
    if asked.faults:
        faults(asked.faults, asked.seed)
    if asked.confidence:
        confidence(asked.confidence)
    if asked.cost:
        cost()
    if asked.load:
        load(asked.seconds)


if __name__ == "__main__":
    main()
