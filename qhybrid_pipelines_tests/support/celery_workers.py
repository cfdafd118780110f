"""A real Redis server on loopback, and Celery workers in namespaces of their own, which come and go.

A worker has a host name and process ids of its own, as another machine has, so that nobody can ask for its processes, and killing it
takes everything that runs in it along. Debian's package: redis-server.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from qhybrid_pipelines_tests.support import machines_in_namespaces
from qhybrid_pipelines_tests.support.browser import get_free_port, wait_until
from qhybrid_pipelines_tests.support.machines_in_namespaces import as_machine


def reason_against() -> str | None:
    """Return why there can be no broker and workers here, or None."""
    return machines_in_namespaces.reason_against("Celery", ("redis-server", "redis-cli", "nsenter"))


class Broker:
    """A Redis server with a port of its own that keeps nothing on disk.

    Args:
        folder: of its log.

    Attributes:
        url: as Celery wants it.
    """

    def __init__(self, folder: Path) -> None:
        self._port, self._log = get_free_port(), folder / "redis.log"
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["redis-server", "--bind", "127.0.0.1", "--port", str(self._port), "--save", "", "--appendonly", "no"],
                stdout=log, stderr=log, cwd=self._log.parent, start_new_session=True,
            )  # fmt: skip
        wait_until(self._answers, 30, "the broker to answer")

    def kill(self) -> None:
        """Kill it; what it knew is gone."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        asked = ["redis-cli", "-p", str(self._port), "ping"]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == "PONG"


@contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    """Give a broker that has started."""
    broker = Broker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


class Workers:
    """Workers, each a machine with a name.

    Args:
        folder: in which they are started, with a dagster.yaml.
        environment: of all of them.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, concurrency: int = 2) -> None:
        """Start a worker, as when a machine comes up; return when it takes tasks."""
        path = self.log(name)
        before = path.read_text(errors="replace").count(" ready.") if path.exists() else 0
        command = [sys.executable, "-m", "qhybrid_pipelines.launchers.celery_launcher", "worker"]
        command += ["--concurrency", str(concurrency), "--loglevel", "INFO"]
        with path.open("ab") as log:
            self._workers[name] = subprocess.Popen(
                as_machine(name, *command),
                cwd=self._folder, env=self._environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until(lambda: path.read_text(errors="replace").count(" ready.") > before, 180, f"{name} to be ready")

    def kill(self, name: str) -> None:
        """Kill a worker with everything on it, as a power cut would."""
        process = self._workers.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_process(self, name: str, pid: int) -> None:
        """Kill one process of a worker, whose id is that of the worker's own namespace."""
        inside = ["nsenter", f"--target={self._pid(name)}", "--pid", "--mount", "kill", "-KILL", str(pid)]
        subprocess.run(inside, check=True)

    def _pid(self, name: str) -> int:
        """Return the process id here of the first process in a worker's namespaces, the child of `unshare`."""
        unshare = self._workers[name].pid
        return int(Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()[0])

    def stop(self) -> None:
        """Kill all that are left."""
        for name in list(self._workers):
            self.kill(name)

    def log(self, name: str) -> Path:
        """Return the file with what a worker says."""
        return self._folder / f"{name}.log"

    def logs(self) -> str:
        """Return the ends of what the workers say."""
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-5000:]}" for path in self._folder.glob("*.log")
        )
