"""Starting the emulator as a process of its own, for tests, benchmarks and the demo.

Only the standard library is used, so that importing this costs nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STOP_SECONDS = 10.0

DEFAULT_KEY = "q7Zk2mXw9Tfr"
"""No part of it is a word: half of a key is hidden wherever it occurs, in the names of fields too."""
IBM_INSTANCE = "crn:v1:bluemix:public:quantum-computing:us-east:a/emulated:00000000-0000-4000-8000-000000000004::"
"""Name of the service instance of IBM's face."""


class EmulatorStartError(RuntimeError):
    """The process ended instead of listening; the message is what it said."""


class Emulator:
    """A running emulator.

    Attributes:
        folder: its state.
        key: the API key that it accepts.
        url: of the interface, for example ``http://127.0.0.1:8765/v0.4``; the same after a restart.
    """

    def __init__(self, folder: Path, *, key: str, port: int, options: list[str]) -> None:
        self.folder, self.key = folder, key
        self._options = options
        self._process, self.url = self._start_process(port)

    @property
    def admin_url(self) -> str:
        """Address below which the administrator's pages are."""
        return self.url.rpartition("/")[0] + "/_admin"

    @property
    def sapi_url(self) -> str:
        """Address of the annealing face."""
        return self.url.rpartition("/")[0] + "/sapi/v2/"

    @property
    def braket_environment(self) -> dict[str, str]:
        """The environment variables that lead a client of Braket and its S3 here, and nowhere else."""
        address = self.url.rpartition("/")[0]
        return {
            "BRAKET_ENDPOINT": f"{address}/braket",
            "AWS_ENDPOINT_URL_S3": f"{address}/s3",
            "AWS_ACCESS_KEY_ID": "AKIDLOOPBACK",
            "AWS_SECRET_ACCESS_KEY": self.key,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AMZN_BRAKET_OUT_S3_BUCKET": "amazon-braket-results",
            "BRAKET_ACCEPTANCE_SECONDS": "0",
        }

    @property
    def ibm_environment(self) -> dict[str, str]:
        """The environment variables that lead our adapter for IBM here. IBM's own client needs a proxy: its hosts are fixed."""
        address = self.url.rpartition("/")[0]
        return {
            "QISKIT_IBM_URL": f"{address}/ibm/api/v1",
            "QISKIT_IBM_IAM_URL": f"{address}/ibm",
            "QISKIT_IBM_TOKEN": self.key,
            "QISKIT_IBM_INSTANCE": IBM_INSTANCE,
            "QISKIT_IBM_BACKENDS": "ibm_manila,ibm_torino,ibm_fez,ibm_marrakesh",
            "QISKIT_IBM_ACCEPTANCE_SECONDS": "0",
        }

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def port(self) -> int:
        """Port it listens on."""
        return int(self.url.split(":")[2].partition("/")[0])

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that lead a client here; a request is accepted at once, or by a fault that says when."""
        return {"IONQ_API_URL": self.url, "IONQ_API_KEY": self.key, "IONQ_ACCEPTANCE_SECONDS": "0"}

    def stop(self) -> None:
        """End it politely; no harm when it has ended before."""
        self._end_process(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut would for the process."""
        self._end_process(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again on the same folder and port; a running one is killed before."""
        self.kill()
        self._process, self.url = self._start_process(self.port)

    def _end_process(self, how: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # a client may keep a slow answer open
            self._process.kill()
            self._process.wait()

    def _start_process(self, port: int) -> tuple[subprocess.Popen[str], str]:
        """Start the process and wait until it listens."""
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(  # noqa: S603 - our own module, our own arguments
                [
                    *(sys.executable, "-m", "qhybrid_pipelines.emulator", "start"),
                    *("--folder", str(self.folder), "--port", str(port), *self._options),
                ],
                # not on the command line, which every user of this machine can read
                env={**os.environ, "QHYBRID_EMULATOR_KEY": self.key},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
            assert process.stdout is not None
            with process.stdout as out:
                line = out.readline()
            if not line.startswith("ready "):
                process.wait()
                said.seek(0)
                raise EmulatorStartError(said.read().strip() or "the emulator ended without a word")
        return process, line.split()[1]


def start_emulator(
    folder: Path,
    *,
    key: str = DEFAULT_KEY,
    speed: float = 60.0,
    seed: int | None = None,
    faults: Path | None = None,
    drift_hours: float | None = None,
    port: int = 0,
    interface: str | None = None,
    billing_unit: str | None = None,
    noise: str | None = None,
) -> Emulator:
    """Start an emulator and return when it listens.

    Args:
        folder: its state; made when absent.
        key: the API key that it accepts.
        speed: virtual seconds per real second.
        seed: of everything drawn; None keeps the folder's.
        faults: file with a fault plan; None keeps the folder's.
        drift_hours: virtual hours between two characterizations; None keeps the folder's.
        port: 0 takes any free one.
        interface: the vendor's published form, ``2026-04`` (also where it is None) or ``2026-10``.
        billing_unit: ``usd`` (also where it is None) or ``credit``.
        noise: ``uniform``, ``local`` or, with a bad qubit, ``local:3``; None keeps the folder's.

    Raises:
        EmulatorStartError: it could not start.
    """
    options = ["--speed", str(speed)]
    for name, value in (
        ("--seed", seed),
        ("--faults", faults),
        ("--drift-hours", drift_hours),
        ("--noise", noise),
        ("--interface", interface),
        ("--billing-unit", billing_unit),
    ):
        if value is not None:
            options += [name, str(value)]
    return Emulator(folder, key=key, port=port, options=options)


@contextmanager
def running_emulator(
    folder: Path, *, key: str = DEFAULT_KEY, speed: float = 60.0, seed: int | None = None, faults: Path | None = None
) -> Iterator[Emulator]:
    """Start an emulator and stop it at the end; see `start_emulator`."""
    emulator = start_emulator(folder, key=key, speed=speed, seed=seed, faults=faults)
    try:
        yield emulator
    finally:
        emulator.stop()
