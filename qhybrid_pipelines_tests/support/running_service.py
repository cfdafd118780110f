"""``qhybrid serve`` as a real process, and requests to it through a real connection."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

COMMAND = str(Path(sys.executable).with_name("qhybrid"))
KARATE = {"name": "web karate", "problem": {"family": "maxcut", "source": "networkx:karate_club"}}


class RunningService:
    """A service of a home.

    Args:
        home: its folder.
        options: of the command.
        environment: beside that of this process.
        own_session: it is started as from another terminal than this process.

    Attributes:
        home: its folder.
        url: without a slash at the end.
        client: with a pool of connections.
    """

    def __init__(
        self, home: Path, *options: str, environment: Mapping[str, str] | None = None, own_session: bool = True
    ) -> None:
        self.home, self._options, self._environment = home, options, dict(environment or {})
        self._own_session = own_session
        self.start()

    def start(self, *, port: int = 0) -> None:
        """Start it, and return once it listens; it may not be ready yet."""
        self._log = self.home.with_name(f"{self.home.name}.service.log").open("a")
        self._process = subprocess.Popen(
            [COMMAND, "serve", "--home", str(self.home), "--port", str(port), *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **self._environment},
            start_new_session=self._own_session,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("ready http://"), line + self.log
        self.url = line.split()[1]
        self.client = httpx.Client(base_url=self.url, timeout=60.0, trust_env=False)

    @property
    def log(self) -> str:
        return Path(self._log.name).read_text()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self, seconds: float = 180.0) -> RunningService:
        until = time.monotonic() + seconds
        while (answer := self.client.get("/readyz")).status_code != 200:
            assert time.monotonic() < until, (answer.text, self.log)
            time.sleep(0.1)
        return self

    def post(self, specification: Mapping[str, Any], *, key: str | None = None, **fields: Any) -> httpx.Response:
        """Send an experiment."""
        return self.client.post(
            "/v1/experiments",
            json={"specification": specification, **fields},
            headers={"Idempotency-Key": str(uuid.uuid4()) if key is None else key},
        )

    def estimate(self, specification: Mapping[str, Any], **fields: Any) -> httpx.Response:
        return self.client.post("/v1/estimates", json={"specification": specification, **fields})

    def wait_registered(self, key: str, seconds: float = 30.0) -> None:
        until = time.monotonic() + seconds
        while self.client.get(f"/v1/experiments/{key}").json()["state"] == "accepted":
            assert time.monotonic() < until, self.log
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a power cut would for the process."""
        self._process.send_signal(signal.SIGKILL)
        self._finish()

    def stop(self) -> int:
        """End it politely, and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._finish()

    def _finish(self) -> int:
        code = self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()
        self.client.close()
        return code

    def __enter__(self) -> Self:
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    """Tell whether an answer is the problem document that it should be."""
    fields = answer.json()
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert (answer.status_code, fields["status"]) == (status, status), answer.text
    assert fields["correlation_id"] == answer.headers["x-correlation-id"]
    assert fields["remedy"]
    assert fields["detail"]
    return bool(fields["code"] == code)
