"""Devices of Amazon Braket: their names, and what the service says of their limits, windows, gates and prices."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any

from qhybrid_pipelines.core.canonical import content_hash
from qhybrid_pipelines.core.errors import InvalidInput, Rejected, Unavailable
from qhybrid_pipelines.core.jobs.backend_declaration import THIS_MACHINE
from qhybrid_pipelines.core.jobs.circuit_jobs import BackendStatus, Calibration, Capabilities
from qhybrid_pipelines.execution.braket import NAME
from qhybrid_pipelines.execution.braket.calibration import quality_payload
from qhybrid_pipelines.execution.braket.client import BraketClient
from qhybrid_pipelines.execution.braket.declarations import DEVICES
from qhybrid_pipelines.execution.braket.payload import ACTION, SET_ACTION
from qhybrid_pipelines.execution.braket.programs import GATES
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound

ARNS_VARIABLE = "BRAKET_DEVICE_ARNS"
#: Gate devices that are not retired, as amazon-braket-sdk 1.127.5 names them.
USUAL_ARNS = (
    "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1",
    "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-Enterprise-1",
    "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet",
    "arn:aws:braket:eu-north-1::device/qpu/iqm/Emerald",
    "arn:aws:braket:us-west-1::device/qpu/rigetti/Cepheus-1-108Q",
    "arn:aws:braket:us-west-1::device/qpu/rigetti/Ankaa-3",
    "arn:aws:braket:eu-north-1::device/qpu/aqt/Ibex-Q1",
)

_ARN = re.compile(r"arn:aws[a-z-]*:braket:([a-z0-9-]+)::device/qpu/([a-z0-9-]{1,40})/([A-Za-z0-9_-]{1,60})")
_REMEMBERED_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramSets:
    """Limits of a task of many circuits: how many there may be, and fewest and most shots of all together."""

    circuits: int
    shots: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What the service says of a device.

    Attributes:
        arn: its name at AWS.
        qubits: how many it has.
        shots: fewest and most of a task.
        sets: limits of program sets; None where it takes none.
        gates: those of ours that it takes, by our compiler's names.
        price: in USD, and of what it is the price; None where nothing is said.
        windows: when it runs tasks, in words.
        updated_at: when its figures were measured, else when they were published.
        quality: what it says about its qubits and gates.
    """

    arn: str
    qubits: int
    shots: tuple[int, int]
    sets: ProgramSets | None
    gates: tuple[str, ...]
    price: tuple[float, str] | None
    windows: str
    updated_at: datetime | None
    quality: dict[str, Any]


class Devices:
    """The devices behind the port, each asked for in its own region and remembered for some minutes."""

    def __init__(self) -> None:
        self._clients: dict[str, BraketClient] = {}
        self._known: dict[tuple[str, str], tuple[float, Device]] = {}

    @property
    def requests(self) -> int:
        """How many requests were made to the service so far."""
        return sum(client.requests for client in self._clients.values())

    def client(self, region: str) -> BraketClient:
        """Return the client of a region."""
        return self._clients.setdefault(region, BraketClient(region))

    def device(self, backend: str) -> Device:
        """Return what a device is.

        Raises:
            Rejected: there is no such device.
            ProviderError: no usable answer.
        """
        arn = device_arn(backend)
        key = (self.client(region_of(arn)).url, arn)
        then, known = self._known.get(key, (0.0, None))
        if known is None or time.monotonic() - then > _REMEMBERED_SECONDS:
            known = read_device(arn, self._ask(arn))
            self._known[key] = (time.monotonic(), known)
        return known

    def capabilities(self, backend: str, *, listing_lag_seconds: float, acceptance_seconds: float) -> Capabilities:
        """Return limits and abilities as the service states them. Raises as `device`."""
        found = self.device(backend)
        region = region_of(found.arn)
        local = self.client(region).on_this_machine
        fields = DEVICES.capability_fields()
        return Capabilities(
            backend=backend,
            max_qubits=found.qubits,
            min_shots=found.shots[0],
            max_shots=found.shots[1],
            max_circuits_per_job=1 if found.sets is None else found.sets.circuits,
            min_executions_per_job=1 if found.sets is None else found.sets.shots[0],
            max_executions_per_job=None if found.sets is None else found.sets.shots[1],
            native_gates=tuple(sorted(GATES[name] for name in found.gates)),
            parametric=False,
            simulator=False,
            noisy=True,
            listing_lag_seconds=listing_lag_seconds,
            acceptance_seconds=acceptance_seconds,
            mode="emulator" if local else "hardware",
            region=THIS_MACHINE if local else region,
            **fields | {"queue": f"{fields['queue']}; {found.windows}"},
        )

    def status(self, backend: str) -> BackendStatus:
        """Return whether a device takes tasks, how many wait, and why it does not run them, with one request."""
        said = self._ask(device_arn(backend))
        word = said.get("deviceStatus")
        if not isinstance(word, str):
            raise Unavailable(f"the answer does not say whether {backend} is there")
        queues = said.get("deviceQueueInfo")
        waiting = [one for one in queues if isinstance(one, dict)] if isinstance(queues, list) else []
        sizes = [
            int(one["queueSize"])
            for one in waiting
            if one.get("queue") == "QUANTUM_TASKS_QUEUE" and re.fullmatch("[0-9]{1,15}", str(one.get("queueSize")))
        ]
        return BackendStatus(
            online=word == "ONLINE",
            queued_jobs=sum(sizes) if sizes else None,
            reason=None if word == "ONLINE" else _why(word, said.get("deviceStatusReason")),
        )

    def calibration(self, backend: str) -> Calibration | None:
        """Return what a device says about its quality, without a date where it has none; None where it says nothing."""
        found = self.device(backend)
        if found.updated_at is None and not found.quality:
            return None
        return Calibration(
            calibration_id=content_hash({"device": found.arn, "quality": found.quality})[:32],
            measured_at=found.updated_at,
            fetched_at=datetime.now(UTC),
            payload=found.quality,
        )

    def _ask(self, arn: str) -> dict[str, Any]:
        try:
            return self.client(region_of(arn)).device(arn)
        except ResourceNotFound:
            raise Rejected(f"the service has no device {arn}; {ARNS_VARIABLE} names further ones") from None


def device_arns() -> dict[str, str]:
    """Return the ARN of every device by the full name of its backend, without asking.

    Raises:
        InvalidInput: an ARN in BRAKET_DEVICE_ARNS is not that of a quantum device.
    """
    named = [arn.strip() for arn in os.environ.get(ARNS_VARIABLE, "").split(",") if arn.strip()]
    arns: dict[str, str] = {}
    for arn in (*USUAL_ARNS, *named):
        parts = _ARN.fullmatch(arn)
        if parts is None:
            raise InvalidInput(
                f"{ARNS_VARIABLE} has {arn!r}, which is not the ARN of a quantum device",
                remedy=f"Write ARNs such as {USUAL_ARNS[0]}, with commas between them.",
            )
        arns[f"{NAME}:{parts[2]}.{parts[3]}"] = arn
    return arns


def device_arn(backend: str) -> str:
    """Return the ARN of a backend, without asking. Raises `Rejected` for a name that stands for none."""
    known = device_arns()
    if backend not in known:
        raise Rejected(f"no backend {backend!r}; there are {', '.join(known)}. {ARNS_VARIABLE} names further devices")
    return known[backend]


def region_of(arn: str) -> str:
    """Return the region of a device or task."""
    return arn.split(":")[3]


def read_device(arn: str, said: dict[str, Any]) -> Device:
    """Read what the service says. Raises `Unavailable` naming what is missing or cannot be read."""
    text = said.get("deviceCapabilities")
    try:
        stated: dict[str, Any] = json.loads(text) if isinstance(text, str) else {}
        service, paradigm = stated["service"], stated["paradigm"]
        fewest, most = (int(number) for number in service["shotsRange"])
        operations = stated["action"][ACTION]["supportedOperations"]
        cost = service.get("deviceCost")
        standard = stated.get("standardized") or {}
        return Device(
            arn=arn,
            qubits=int(paradigm["qubitCount"]),
            shots=(fewest, most),
            sets=_program_sets(stated["action"].get(SET_ACTION), most),
            gates=tuple(ours for ours, theirs in GATES.items() if theirs in operations),
            price=None if cost is None else _price(cost),
            windows=_windows(service.get("executionWindows") or []),
            updated_at=read_time(standard.get("updatedAt") or service.get("updatedAt")),
            quality=quality_payload(int(paradigm["qubitCount"]), standard, stated.get("provider") or {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise Unavailable(f"the capabilities of {arn} cannot be read: {type(error).__name__} {error}") from None


def _program_sets(stated: dict[str, Any] | None, most_shots: int) -> ProgramSets | None:
    """Return the limits of program sets; None where a device takes none, or fewer shots in them than in a task of one circuit."""
    if stated is None:
        return None
    circuits, most = int(stated["maximumExecutables"]), int(stated["maximumTotalShots"])
    fewest = int(stated.get("minimumTotalShots") or 1)
    return ProgramSets(circuits=circuits, shots=(fewest, most)) if circuits > 1 and most >= most_shots else None


def _price(cost: dict[str, Any]) -> tuple[float, str]:
    """Return a price in USD, and of what it is the price. Raises `ValueError` for one that nobody can be charged."""
    price = float(cost["price"])
    if not 0 <= price < inf:
        raise ValueError(f"the price is {price:g}")
    return price, str(cost["unit"])


def _windows(windows: list[dict[str, Any]]) -> str:
    said = [f"{one['executionDay']} {one['windowStartHour']}-{one['windowEndHour']} UTC" for one in windows]
    return f"runs tasks {', '.join(said)}" if said else "states no times at which it runs tasks"


def _why(word: str, reason: Any) -> str:
    """Return why a device runs nothing, in the vendor's words."""
    if not isinstance(reason, dict) or not reason.get("reason"):
        return word
    until = read_time(reason.get("estimatedEndAt"))
    return f"{word}: {reason['reason']}" + (f", until about {until:%Y-%m-%d %H:%M} UTC" if until else "")


def read_time(value: Any) -> datetime | None:
    """Return a time of the service, seconds or text; one without a zone is UTC, one that cannot be read counts as missing."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
