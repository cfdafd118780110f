"""What the vendor says about its backends: which there are, limits, queue, calibration."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, Rejected, Unavailable
from qhybrid_pipelines.core.jobs.backend_declaration import THIS_MACHINE
from qhybrid_pipelines.core.jobs.circuit_jobs import BackendStatus, Calibration, Capabilities
from qhybrid_pipelines.core.system.files import remove_leftovers, write_bytes
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound
from qhybrid_pipelines.execution.ionq import NAME
from qhybrid_pipelines.execution.ionq.client import IonQClient
from qhybrid_pipelines.execution.ionq.declarations import MACHINES, SIMULATOR_DECLARATION
from qhybrid_pipelines.execution.ionq.gates import GATES
from qhybrid_pipelines.execution.ionq.payload import SIMULATOR

#: Where the vendor processes jobs, which its interface does not say: the operator knows it from the contract.
REGION_VARIABLE = "IONQ_REGION"

#: Named until the service at the address has been asked once: loading the code location makes no request.
USUAL_DEVICES = (SIMULATOR, "qpu.aria-1", "qpu.forte-1")
_DEVICE = re.compile(r"simulator|qpu\.[a-z0-9][a-z0-9.-]{0,60}")

#: Where a backend does not state its limits, those that the vendor publishes: shots in the interface's description for the
#: simulator and in its own client for the machines, circuits and gates of one job in the description of October 2026.
SIMULATOR_SHOTS, MACHINE_SHOTS, MACHINE_CIRCUITS, GATES_PER_JOB = 1_000_000, 10_000, 5_000, 150_000
#: The simulator returns whole distributions, up to a megabyte for each circuit. A smaller job costs nothing there.
SIMULATOR_CIRCUITS = 100
#: Circuits x shots of one job of a machine: each may come back as an outcome of its own, some 30 bytes, and an answer of
#: more than 64 MiB is not read.
MACHINE_EXECUTIONS = 2_000_000

_REMEMBERED_SECONDS = 180.0


class Backends:
    """Looks at backends; what hardly changes is remembered for some minutes, and their names in a file per address."""

    def __init__(self, client: IonQClient, folder: Path) -> None:
        self._client, self._folder = client, folder
        remove_leftovers(folder)
        self._known: dict[tuple[str, str], tuple[float, Capabilities]] = {}
        self._listed_at: dict[str, float] = {}

    def names(self) -> tuple[str, ...]:
        """Return the full names of the backends as the service listed them last, without asking it."""
        try:
            listed = json.loads(self._note(self._client.url).read_text(encoding="utf-8"))["backends"]
            devices = tuple(device for device in listed if _DEVICE.fullmatch(device))
        except (InvalidInput, OSError, ValueError, KeyError, TypeError):
            devices = ()
        return tuple(f"{NAME}:{device}" for device in devices or USUAL_DEVICES)

    def ask_names(self) -> tuple[str, ...]:
        """Ask which backends there are, and remember it. Raises `ProviderError` without a usable answer."""
        url = self._client.url
        _, entries = self._client.get("backends", public=True)
        if not isinstance(entries, list):
            raise Unavailable("the answer is not a list of backends")
        devices = [str(entry["backend"]) for entry in entries if isinstance(entry, dict) and "backend" in entry]
        write_bytes(self._note(url), canonical_json({"backends": devices}).encode())
        self._listed_at[url] = time.monotonic()
        return tuple(f"{NAME}:{device}" for device in devices)

    def capabilities(self, backend: str) -> Capabilities:
        """Return limits and abilities as the service states them. Raises `Rejected` for a backend that is not offered."""
        device = device_name(backend)
        key = (self._client.url, backend)
        then, known = self._known.get(key, (0.0, None))
        if known is not None and time.monotonic() - then < _REMEMBERED_SECONDS:
            return known
        entry = self._entry(device)
        self._refresh_names()
        stated = entry.get("limits")
        limits = stated if isinstance(stated, dict) else {}
        simulator, local = device == SIMULATOR, self._client.on_this_machine
        circuits_stated = "max_circuits_per_job" in limits
        found = Capabilities(
            backend=backend,
            max_qubits=_whole(entry, "qubits"),
            min_shots=_whole(limits, "min_shots", 1),
            max_shots=_whole(limits, "max_shots", SIMULATOR_SHOTS if simulator else MACHINE_SHOTS),
            max_circuits_per_job=_whole(
                limits, "max_circuits_per_job", SIMULATOR_CIRCUITS if simulator else MACHINE_CIRCUITS
            ),
            max_executions_per_job=None if simulator or circuits_stated else MACHINE_EXECUTIONS,
            max_gates_per_job=None if circuits_stated else GATES_PER_JOB,
            native_gates=tuple(sorted(GATES)),
            parametric=False,
            simulator=simulator,
            noisy=not simulator,
            readout_calibrated=not simulator,
            listing_lag_seconds=0.0,
            mode="emulator" if local else "simulator" if simulator else "hardware",
            region=THIS_MACHINE if local else os.environ.get(REGION_VARIABLE) or None,
            **(SIMULATOR_DECLARATION if simulator else MACHINES).capability_fields(),
        )
        self._known[key] = (time.monotonic(), found)
        return found

    def status(self, backend: str) -> BackendStatus:
        """Return whether it takes jobs and how long they wait on average, with one request."""
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

    def _refresh_names(self) -> None:
        """Ask which backends there are, once in a while; not knowing it hinders nothing."""
        listed_at = self._listed_at.get(self._client.url)
        if listed_at is None or time.monotonic() - listed_at > _REMEMBERED_SECONDS:
            try:
                self.ask_names()
            except ProviderError:
                self._listed_at[self._client.url] = time.monotonic()

    def _names_now(self) -> str:
        try:
            return ", ".join(self.ask_names())
        except ProviderError as error:
            return f"others, but does not say which ({error})"

    def _note(self, url: str) -> Path:
        return self._folder / f"{sha256_hex(url)[:32]}.json"

    def _entry(self, device: str) -> dict[str, Any]:
        try:
            _, entry = self._client.get("backends", device, public=True)
        except ResourceNotFound:
            raise Rejected(f"the provider has no backend {device}; it has {self._names_now()}") from None
        if not isinstance(entry, dict) or entry.get("backend") != device:
            raise Unavailable(f"the answer is not about backend {device}")
        return entry


def device_name(backend: str) -> str:
    """Return the vendor's name of a backend, without asking. Raises `Rejected` for what cannot be one."""
    provider, _, device = backend.partition(":")
    if provider != NAME or not _DEVICE.fullmatch(device):
        raise Rejected(f"no backend {backend!r}; names are like {NAME}:{SIMULATOR} or {NAME}:qpu.forte-1")
    return device


def _whole(entry: dict[str, Any], key: str, default: int | None = None) -> int:
    value = entry.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Unavailable(f"the backend's {key} is {value!r}")
    return value
