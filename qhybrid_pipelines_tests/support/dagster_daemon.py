"""Dagster's daemon as a user starts it, in a folder of its own: a process with children that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
#: A test has less patience than a deployment: it shortens the pauses between Dagster's looks, and nothing else.
PAUSES = {"QHYBRID_SENSOR_SECONDS": "1", "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1"}


class DaemonProcess:
    """A folder as a checkout is one for Dagster, with its state under ``data``, and a daemon that comes and goes.

    Args:
        folder: to be made.
        environment: of all its processes, beside what the test has itself.
        settings: the dagster.yaml, as a path in the checkout.

    Attributes:
        folder: of ``dagster.yaml`` and ``workspace.yaml``.
        home: ``data`` in it.
        environment: of all its processes, complete.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], settings: str = "dagster.yaml") -> None:
        self.folder, self.home = folder, folder / "data"
        self.home.mkdir(parents=True)
        read = yaml.safe_load((ROOT / settings).read_text())
        read["run_monitoring"] |= {"poll_interval_seconds": 1, "free_slots_after_run_end_seconds": 1}
        read["run_queue"] = {"dequeue_interval_seconds": 1}
        (folder / "dagster.yaml").write_text(yaml.safe_dump(read))
        (folder / "workspace.yaml").write_text((ROOT / "workspace.yaml").read_text())
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DAGSTER", "QHYBRID", "IONQ"))}
        own = {"DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT)}
        self.environment = {**inherited, **PAUSES, **own, **environment}
        self._daemon: subprocess.Popen[bytes] | None = None
        self._web_server: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What the daemon and its children say."""
        return self.folder / "daemon.log"

    def start(self) -> None:
        """Start the daemon in a session of its own; its code server and run workers belong to it."""
        self._daemon = self._start("dagster-daemon", "run")

    def serve(self, port: int) -> str:
        """Start the web server beside the daemon and return the address of its page."""
        self._web_server = self._start("dagster-webserver", "-h", "127.0.0.1", "-p", str(port))
        return f"http://127.0.0.1:{port}"

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [Path(sys.executable).with_name(program), *arguments, "-w", "workspace.yaml"],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill the daemon and the web server with everything that they started, as a power cut would."""
        for process in (self._daemon, self._web_server):
            if process is not None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._daemon = self._web_server = None

    def processes(self) -> dict[int, list[str]]:
        """Return the command lines of the daemon's session, by process id."""
        found: dict[int, list[str]] = {}
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and self._daemon and os.getsid(int(folder.name)) == self._daemon.pid:
                    arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                    found[int(folder.name)] = arguments
            except OSError:
                continue  # it has ended
        return found
