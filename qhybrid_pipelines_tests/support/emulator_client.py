"""Talking to a running emulator in tests: a small client of its own, so that nothing of the pipeline is in between."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from qhybrid_pipelines.emulator.process import Emulator, start_emulator

BELL = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]
"""Qubits 0 and 1 read alike."""

FLIPPED_FIRST = [{"gate": "x", "target": 0}]
"""Qubit 0 reads 1, all others 0."""


def job_body(
    *circuits: Sequence[Mapping[str, Any]], backend: str = "simulator", shots: int = 100, qubits: int = 3, **more: Any
) -> dict[str, Any]:
    """Return the body of a job; several circuits make a multi-circuit job."""
    chosen = circuits or (BELL,)
    if len(chosen) == 1:
        block: dict[str, Any] = {"gateset": "qis", "qubits": qubits, "circuit": list(chosen[0])}
        kind = "ionq.circuit.v1"
    else:
        block = {"gateset": "qis", "qubits": qubits, "circuits": [{"circuit": list(one)} for one in chosen]}
        kind = "ionq.multi-circuit.v1"
    return {"type": kind, "backend": backend, "shots": shots, "input": block, **more}


class Client:
    """A client of one emulator; answers are `httpx.Response` objects, so that tests see the bare interface."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.session = httpx.Client(timeout=30, verify=False)
        self.session.headers["Authorization"] = f"apiKey {emulator.key}"
        self._admin_session = httpx.Client(timeout=30, verify=False)

    def close(self) -> None:
        self.session.close()
        self._admin_session.close()

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.session.request(method, f"{self.emulator.url}{path}", **options)

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.call("GET", path, params=params)

    def post(self, body: Any) -> httpx.Response:
        return self.call("POST", "/jobs", json=body)

    def submit_job(self, *circuits: Any, **more: Any) -> str:
        """Submit a job and return its id."""
        answer = self.post(job_body(*circuits, **more))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def run_to_end(self, job_id: str) -> dict[str, Any]:
        """Jump to the end of a job and return its status afterwards."""
        self.advance(100_000)
        answer: dict[str, Any] = self.get(f"/jobs/{job_id}").json()
        return answer

    def advance(self, seconds: float) -> None:
        """Let so many virtual seconds pass."""
        self.admin("PUT", "/clock", {"advance_seconds": seconds})

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put a fault plan into force."""
        self.admin("PUT", "/faults", list(rules))

    def book(self) -> list[dict[str, Any]]:
        """Return the book of accepted jobs."""
        jobs: list[dict[str, Any]] = self.admin("GET", "/jobs")["jobs"]
        return jobs

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._admin_session.request(method, f"{self.emulator.admin_url}{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


def wait_until(done: Any, *, seconds: float = 20.0) -> None:
    """Wait until a condition holds; fails after some real seconds."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "the condition did not come to hold"
        time.sleep(0.02)


@contextmanager
def running_cloud(folder: Path, **options: Any) -> Iterator[Client]:
    """Start an emulator, give a client of it, and stop both; `options` are those of `start_emulator`."""
    emulator = start_emulator(folder, **options)
    client = Client(emulator)
    try:
        yield client
    finally:
        client.close()
        emulator.stop()


@contextmanager
def client_in_environment(emulator: Emulator, monkeypatch: Any, **more: str) -> Iterator[Client]:
    """Let the environment name an emulator without faults, and give a client of it."""
    client = Client(emulator)
    client.faults()
    for name, value in {**emulator.environment, **more}.items():
        monkeypatch.setenv(name, value)
    yield client
    client.close()


@contextmanager
def cloud_in_environment(folder: Path, **options: Any) -> Iterator[Client]:
    """Start an emulator that the environment names, and give a client of it: for fixtures of a module.

    Args:
        folder: of the emulator.
        options: of `start_emulator`.
    """
    emulator = start_emulator(folder, **options)
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            client_in_environment(emulator, patch, IONQ_LISTING_LAG_SECONDS="0.05") as client,
        ):
            yield client
    finally:
        emulator.stop()
