"""What the emulated devices of Braket are: sizes, prices, gates, and how good they are on an average day.

Figures are plausible for machines of their kind and kept as data; none is a statement about the real product. Prices per shot are
those of copies of Amazon's page of prices, probably of 2025, and so is the fee per task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from qhybrid_pipelines.emulator.braket.quality import header, quality
from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.drift import Characterization
from qhybrid_pipelines.emulator.machines import Fidelity, Machine

TASK_USD = 0.30
"""Fee per task."""
SHOT_SECONDS = 1e-3
"""Virtual seconds that a shot takes on every device."""
PROGRAM, PROGRAM_SET = "braket.ir.openqasm.program", "braket.ir.openqasm.program_set"
MOST_EXECUTABLES = 100
"""Of a program set."""

_COMMON_GATES = (
    "cnot",
    "cy",
    "cz",
    "cphaseshift",
    "h",
    "phaseshift",
    "rx",
    "ry",
    "rz",
    "s",
    "si",
    "swap",
    "t",
    "ti",
    "x",
    "y",
    "z",
)
_IONS = (*_COMMON_GATES, "v", "vi", "xx", "yy", "zz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device.

    Attributes:
        machine: size, shots, quality and queue; its prices are not used.
        region: where it is.
        shot_usd: price of a shot.
        gates: that programs may use.
        kind: of its capabilities' schema, a word of the vendor's.
        set_shots: fewest and most shots of all executables of a program set; None where the device takes none.
    """

    machine: Machine
    region: str
    shot_usd: float
    gates: tuple[str, ...]
    kind: str
    set_shots: tuple[int, int] | None

    @property
    def name(self) -> str:
        """Vendor and name with a dot between them, as the book and the administrator know it."""
        return self.machine.name

    @property
    def arn(self) -> str:
        """As the interface knows it."""
        vendor, _, name = self.name.partition(".")
        return f"arn:aws:braket:{self.region}::device/qpu/{vendor}/{name}"

    def price_usd(self, shots: int) -> float:
        """Return what a task costs."""
        return round(TASK_USD + shots * self.shot_usd, 6)


def _device(
    name: str,
    region: str,
    *,
    qubits: int,
    shot_usd: float,
    fidelity: Fidelity,
    wait: float,
    gates: tuple[str, ...],
    set_shots: tuple[int, int] | None = None,
) -> Device:
    machine = Machine(
        name=name,
        qubits=qubits,
        max_shots=2_000 if name.startswith("aqt") else 10_000,
        max_circuits=1,
        average_fidelity=fidelity,
        serial=True,
        average_wait_seconds=wait,
        one_qubit_gate_usd=0.0,
        two_qubit_gate_usd=0.0,
        minimum_usd=0.0,
    )
    return Device(
        machine=machine,
        region=region,
        shot_usd=shot_usd,
        gates=gates,
        kind=name.partition(".")[0],
        set_shots=set_shots,
    )


DEVICES: Mapping[str, Device] = MappingProxyType(
    {
        device.name: device
        for device in (
            _device(
                "ionq.Forte-1",
                "us-east-1",
                qubits=36,
                shot_usd=0.08,
                fidelity=Fidelity(one_qubit=0.9998, two_qubit=0.9950, spam=0.9960),
                wait=40.0,
                gates=_IONS,
                set_shots=(100, 100_000),
            ),
            _device(
                "iqm.Garnet",
                "eu-north-1",
                qubits=20,
                shot_usd=0.00145,
                fidelity=Fidelity(one_qubit=0.9990, two_qubit=0.9930, spam=0.9750),
                wait=10.0,
                gates=_COMMON_GATES,
                set_shots=(1, 200_000),
            ),
            _device(
                "rigetti.Ankaa-3",
                "us-west-1",
                qubits=82,
                shot_usd=0.0009,
                fidelity=Fidelity(one_qubit=0.9990, two_qubit=0.9900, spam=0.9600),
                wait=10.0,
                gates=_COMMON_GATES,
                set_shots=(1, 200_000),
            ),
            _device(
                "aqt.Ibex-Q1",
                "eu-north-1",
                qubits=12,
                shot_usd=0.0235,
                fidelity=Fidelity(one_qubit=0.9997, two_qubit=0.9870, spam=0.9950),
                wait=30.0,
                gates=_IONS,
            ),
        )
    }
)
"""Every device by name."""
BY_ARN: Mapping[str, Device] = MappingProxyType({device.arn: device for device in DEVICES.values()})


def capabilities(device: Device, day: Characterization) -> str:
    """Return the JSON text in which the interface describes a device, on the day of a characterization."""
    measured = stamp(day.measured_at).removesuffix("Z")
    pairs = [(str(a), str(b)) for a, b in _pairs(device)]
    return json.dumps(
        {
            "braketSchemaHeader": header(f"{device.kind}.{device.kind}_device_capabilities"),
            "service": {
                "braketSchemaHeader": header("device_service_properties"),
                "executionWindows": [
                    {"executionDay": "Everyday", "windowStartHour": "00:00:00", "windowEndHour": "23:59:59"}
                ],
                "shotsRange": [1, device.machine.max_shots],
                "deviceCost": {"price": device.shot_usd, "unit": "shot"},
                "deviceDocumentation": {
                    "imageUrl": "",
                    "summary": "Emulated on this machine",
                    "externalDocumentationUrl": "",
                },
                "deviceLocation": "this machine",
                "updatedAt": measured,
                "getTaskPollIntervalMillis": None,
            },
            "action": {
                PROGRAM: {
                    "actionType": PROGRAM,
                    "version": ["1"],
                    "supportedOperations": list(device.gates),
                    "supportedModifiers": [],
                    "supportedPragmas": [],
                    "forbiddenPragmas": [],
                    "maximumQubitArrays": 1,
                    "maximumClassicalArrays": 1,
                    "forbiddenArrayOperations": [],
                    "requiresAllQubitsMeasurement": True,
                    "supportPhysicalQubits": False,
                    "requiresContiguousQubitIndices": True,
                    "supportsPartialVerbatimBox": False,
                    "supportsUnassignedMeasurements": True,
                    "disabledQubitRewiringSupported": False,
                    "supportedResultTypes": [],
                },
                **_program_sets(device),
            },
            "deviceParameters": {},
            "paradigm": {
                "braketSchemaHeader": header("gate_model_qpu_paradigm_properties"),
                "qubitCount": device.machine.qubits,
                "nativeGateSet": ["cz", "rx", "rz"],
                "connectivity": {
                    "fullyConnected": device.gates is _IONS,
                    "connectivityGraph": {} if device.gates is _IONS else _graph(pairs),
                },
            },
            **quality(device.kind, day, pairs, measured),
        }
    )


def _program_sets(device: Device) -> dict[str, Any]:
    """Return how the interface says which program sets a device takes; nothing for one that takes none."""
    if device.set_shots is None:
        return {}
    limits = {"maximumExecutables": MOST_EXECUTABLES, "maximumTotalShots": device.set_shots[1]}
    fewest = {"minimumTotalShots": device.set_shots[0]} if device.set_shots[0] > 1 else {}
    return {PROGRAM_SET: {"actionType": PROGRAM_SET, "version": ["1"], **limits, **fewest}}


def _pairs(device: Device) -> list[tuple[int, int]]:
    """Return which qubits interact: all of them in a trap, neighbours in a row on a chip."""
    qubits = range(device.machine.qubits)
    if device.gates is _IONS:
        return [(a, b) for a in qubits for b in qubits if a < b]
    return [(a, a + 1) for a in qubits if a + 1 < device.machine.qubits]


def _graph(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    graph: dict[str, list[str]] = {}
    for a, b in pairs:
        graph.setdefault(a, []).append(b)
    return graph
