"""What the emulated cloud remembers when it is killed, and that races have one outcome."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import httpx

from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines_tests.support.emulator_client import BELL, FLIPPED_FIRST, Client


def test_cancellation_and_completion_race_to_one_outcome(tmp_path: Path) -> None:
    """One is cancelled before any can be done and one after all are; the others race with time, which another thread moves."""
    running = start_emulator(tmp_path, speed=1, seed=3)
    client = Client(running)
    try:
        jobs = [client.submit_job(backend="simulator") for _ in range(60)]

        def cancel(job: str) -> tuple[str, str]:
            own = Client(running)
            said = own.call("PUT", f"/jobs/{job}/status/cancel").json()["status"]
            shown = own.get(f"/jobs/{job}").json()["status"]
            own.close()
            return said, shown

        def move_time() -> None:
            own = Client(running)
            for _ in range(40):
                own.advance(0.1)
            own.close()

        with ThreadPoolExecutor(9) as pool:
            late = client.submit_job(backend="simulator")
            early = client.submit_job(backend="simulator")
            outcomes = {early: cancel(early)}
            moving = pool.submit(move_time)
            outcomes |= dict(zip(jobs, pool.map(cancel, jobs), strict=True))
            moving.result()
        client.advance(1000)
        outcomes[late] = cancel(late)
        final = {job["id"]: job["state"] for job in client.book()}
        assert all(said == shown for said, shown in outcomes.values())
        assert {job: said for job, (said, _) in outcomes.items()} == final
        assert {"canceled", "completed"} == set(final.values()), "both happened"
    finally:
        client.close()
        running.stop()


def test_a_killed_cloud_remembers_everything(tmp_path: Path) -> None:
    running = start_emulator(tmp_path, speed=1000, seed=11)
    client = Client(running)
    try:
        jobs = [client.submit_job(BELL, FLIPPED_FIRST, backend="qpu.aria-1", shots=100) for _ in range(5)]
        client.advance(50_000)
        results = [client.get(f"/jobs/{job}/results/shots").json() for job in jobs]
        history = client.get("/backends/qpu.aria-1/characterizations", limit=2).json()
        before, clock = client.book(), client.admin("GET", "/clock")["now_seconds"]
        running.restart()
        assert client.admin("GET", "/clock")["now_seconds"] >= clock
        assert client.book() == before
        assert [client.get(f"/jobs/{job}/results/shots").json() for job in jobs] == results
        shown = [one["id"] for one in client.get("/backends/qpu.aria-1/characterizations").json()["characterizations"]]
        assert set(shown) >= {one["id"] for one in history["characterizations"]}
        client.submit_job()
        assert len({job["id"] for job in client.book()}) == 6
    finally:
        client.close()
        running.stop()


def test_kills_during_submission_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    running = start_emulator(tmp_path, speed=1000, seed=11)
    acknowledged: list[str] = []

    def submit(number: int) -> None:
        with closing(Client(running)) as own, suppress(httpx.HTTPError):
            for _ in range(40):
                acknowledged.append(own.submit_job(metadata={"worker": str(number)}))  # noqa: PERF401 - may break off

    try:
        for _ in range(3):
            with ThreadPoolExecutor(4) as pool:
                futures = [pool.submit(submit, number) for number in range(4)]
                threading.Event().wait(0.08)
                running.kill()
                for future in futures:
                    future.result()
            running.restart()
        with closing(Client(running)) as client:
            book = client.book()
        ids = [job["id"] for job in book]
        assert set(acknowledged) <= set(ids)
        assert len(ids) == len(set(ids))
        assert len(ids) - len(acknowledged) <= 12, "at most one answer per worker and kill was lost"
    finally:
        running.stop()
