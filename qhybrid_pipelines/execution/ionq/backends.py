"""What the vendor says about its backends: limits, queue, calibration."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from qhybrid_pipelines.core.errors import Rejected, Unavailable
from qhybrid_pipelines.core.jobs import BackendStatus, Calibration, Capabilities, JobState
from qhybrid_pipelines.execution.http_errors import ResourceNotFound
from qhybrid_pipelines.execution.ionq import NAME
from qhybrid_pipelines.execution.ionq.client import IonQClient
from qhybrid_pipelines.execution.ionq.gates import GATES
from qhybrid_pipelines.execution.ionq.payload import SIMULATOR

#: Listed without asking, so that loading the code location makes no request.
BACKENDS = tuple(f"{NAME}:{device}" for device in (SIMULATOR, "qpu.aria-1", "qpu.forte-1"))

#: Where a backend does not state its limits, those that the vendor publishes: the interface's description for the
#: simulator, its own client for the machines. How many circuits fit into one job is not published; ours keeps requests
#: and results at some megabytes.
SIMULATOR_SHOTS, MACHINE_SHOTS, CIRCUITS_PER_JOB = 1_000_000, 10_000, 100

_REMEMBERED_SECONDS = 180.0


class Backends:
    """Looks at backends; what hardly changes is remembered for some minutes."""

    def __init__(self, client: IonQClient) -> None:
        self._client = client
        self._known: dict[tuple[str, str], tuple[float, Capabilities]] = {}

    def capabilities(self, backend: str) -> Capabilities:
        """Return limits and abilities as the service states them. Raises `Rejected` for a backend that is not offered."""
        device = device_name(backend)
        key = (self._client.url, backend)
        then, known = self._known.get(key, (0.0, None))
        if known is not None and time.monotonic() - then < _REMEMBERED_SECONDS:
            return known
        entry = self._entry(device)
        stated = entry.get("limits")
        limits = stated if isinstance(stated, dict) else {}
        simulator, local = device == SIMULATOR, self._client.on_this_machine
        found = Capabilities(
            backend=backend,
            max_qubits=_whole(entry, "qubits"),
            min_shots=_whole(limits, "min_shots", 1),
            max_shots=_whole(limits, "max_shots", SIMULATOR_SHOTS if simulator else MACHINE_SHOTS),
            max_circuits_per_job=_whole(limits, "max_circuits_per_job", CIRCUITS_PER_JOB),
            native_gates=tuple(sorted(GATES)),
            parametric=False,
            simulator=simulator,
            noisy=not simulator,
            dedupe="tag_lookup",
            listing_lag_seconds=0.0,
            states=(
                JobState.SUBMITTED,
                JobState.QUEUED,
                JobState.RUNNING,
                JobState.COMPLETED,
                JobState.FAILED,
                JobState.CANCELLED,
            ),
            queue="first come, first served; the average wait is published per backend",
            security="API key in a header over HTTPS, read for each request",
            mode="emulator" if local else "simulator" if simulator else "hardware",
            sdks="REST interface v0.4, qiskit-ionq, Cirq, PennyLane, Amazon Braket, Azure Quantum",
            observability="status, timestamps of submission, start and end, cost, dated characterizations",
            integration="an account and its API key",
        )
        self._known[key] = (time.monotonic(), found)
        return found

    def status(self, backend: str) -> BackendStatus:
        """Return whether it takes jobs and how long they wait on average: one look."""
        entry = self._entry(device_name(backend))
        wait = entry.get("average_queue_time")  # milliseconds
        seconds = wait / 1000 if isinstance(wait, int | float) and not isinstance(wait, bool) and wait >= 0 else None
        return BackendStatus(online=entry.get("status") == "available", queue_seconds=seconds)

    def calibration(self, backend: str) -> Calibration | None:
        """Return the newest characterization of a machine, None for the simulator."""
        device = device_name(backend)
        if device == SIMULATOR:
            return None
        _, answer = self._client.get("backends", device, "characterizations", params=[("limit", "1")], public=True)
        entries = answer.get("characterizations") if isinstance(answer, dict) else None
        if not entries:
            return None
        try:
            newest: dict[str, Any] = max(entries, key=lambda entry: str(entry["date"]))
            measured = datetime.fromisoformat(newest["date"])
            identifier = str(newest["id"])
        except (KeyError, TypeError, ValueError):
            raise Unavailable("a characterization lacks its id or date") from None
        return Calibration(
            calibration_id=identifier,
            measured_at=measured if measured.tzinfo else measured.replace(tzinfo=UTC),
            fetched_at=datetime.now(UTC),
            payload=newest,
        )

    def _entry(self, device: str) -> dict[str, Any]:
        try:
            _, entry = self._client.get("backends", device, public=True)
        except ResourceNotFound:
            raise Rejected(f"the provider has no backend {device} any more") from None
        if not isinstance(entry, dict) or entry.get("backend") != device:
            raise Unavailable(f"the answer is not about backend {device}")
        return entry


def device_name(backend: str) -> str:
    """Return the vendor's name of a backend. Raises `Rejected` for one that is not offered."""
    if backend not in BACKENDS:
        raise Rejected(f"no backend {backend!r}; there are {', '.join(BACKENDS)}")
    return backend.partition(":")[2]


def _whole(entry: dict[str, Any], key: str, default: int | None = None) -> int:
    value = entry.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Unavailable(f"the backend's {key} is {value!r}")
    return value
