"""From circuits in a device's own gates, as the vendor's format carries them, to what the emulator simulates.

Circuits are bound to each row of their values and cut down to the qubits that they use. What is measured in the middle, reset
or conditional is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.emulator.circuits import BadRequest, Circuit
from qhybrid_pipelines.emulator.ibm.devices import Snapshot
from qhybrid_pipelines.emulator.machines import WIDEST_SIMULATION_QUBITS

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

_GATES: Mapping[str, Callable[[list[int], list[float]], dict[str, Any]]] = MappingProxyType(
    {
        "x": lambda qubits, _: {"gate": "x", "target": qubits[0]},
        "sx": lambda qubits, _: {"gate": "v", "target": qubits[0]},
        "rz": lambda qubits, angles: {"gate": "rz", "target": qubits[0], "rotation": angles[0]},
        "rx": lambda qubits, angles: {"gate": "rx", "target": qubits[0], "rotation": angles[0]},
        "cx": lambda qubits, _: {"gate": "cnot", "control": qubits[0], "target": qubits[1]},
        "cz": lambda qubits, _: {"gate": "z", "control": qubits[0], "target": qubits[1]},
        "rzz": lambda qubits, angles: {"gate": "zz", "targets": qubits, "rotation": angles[0]},
    }
)
_NOTHING = frozenset({"id", "barrier", "delay"})
"""Instructions after which the state is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a circuit is on its device.

    Attributes:
        used: qubits of the device, ascending; the simulation numbers them by their place here.
        measured: by bit of the circuit, the place of the qubit that it is read from.
    """

    used: tuple[int, ...]
    measured: Mapping[int, int]


def layout_of(circuit: QuantumCircuit, device: Snapshot, place: str) -> Layout:
    """Return where a circuit is.

    Raises:
        BadRequest: the device, or this emulator, cannot run it; ``place`` says which circuit it is.
    """
    used: set[int] = set()
    measured: dict[int, int] = {}
    qubits = device.configuration["n_qubits"]
    if circuit.num_qubits > qubits:
        raise BadRequest(f"{place} has {circuit.num_qubits} qubits, the device {qubits}.", place)
    for instruction in circuit.data:
        name = instruction.name
        acting = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if name in _NOTHING:
            continue
        if read := [qubit for qubit in acting if qubit in measured.values()]:
            raise BadRequest(f"{place}: {name} acts on qubit {read[0]}, which was measured before.", place)
        used.update(acting)
        if name == "measure":
            measured[circuit.find_bit(instruction.clbits[0]).index] = acting[0]
        elif name not in _GATES or name not in device.gates:
            raise BadRequest(f"{place}: {name} is not a gate of the device, or not emulated.", place)
        elif len(acting) == 2 and frozenset(acting) not in device.pairs:
            raise BadRequest(f"{place}: {name} acts on qubits {acting}, which are not coupled.", place)
    if len(used) > WIDEST_SIMULATION_QUBITS:
        problem = f"{place} acts on {len(used)} qubits; this emulator simulates at most {WIDEST_SIMULATION_QUBITS}."
        raise BadRequest(problem, place)
    order = tuple(sorted(used))
    where = {qubit: index for index, qubit in enumerate(order)}
    return Layout(used=order, measured={bit: where[qubit] for bit, qubit in measured.items()})


def simulated(circuit: QuantumCircuit, layout: Layout) -> Circuit:
    """Return a circuit without free inputs as the emulator simulates it.

    Raises:
        TypeError, ValueError: an angle is not a finite number.
    """
    where = {qubit: index for index, qubit in enumerate(layout.used)}
    gates = [
        _GATES[instruction.name](
            [where[circuit.find_bit(qubit).index] for qubit in instruction.qubits],
            [_finite(angle) for angle in instruction.params],
        )
        for instruction in circuit.data
        if instruction.name not in _NOTHING and instruction.name != "measure"
    ]
    return Circuit(name=None, qubits=len(layout.used), gateset="chip", gates=gates)


def _finite(angle: Any) -> float:
    value = float(angle)
    if not math.isfinite(value):
        raise ValueError(f"{value} is not an angle")
    return value
