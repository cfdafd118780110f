"""Any unitary circuit through PennyLane's lightning state vector, sampled with our own seeds.

A sweep is broadcast below PennyLane's Python: one state in memory, one list of gates, and for every point the list with that
point's angles. Building PennyLane operations for each point would cost more than simulating up to about 14 qubits.
Gates hold Python's global lock, so that one process keeps one core busy, whatever the machine has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.execution.counts import counts_table
from qhybrid_pipelines.execution.engines.aer import (
    PreparedCircuit,
    exact_simulation_problem,
    measured_qubits,
    prepare_circuit,
)
from qhybrid_pipelines.execution.engines.engine import Engine, EngineRun
from qhybrid_pipelines.execution.engines.gate_translation import translate
from qhybrid_pipelines.execution.sampling import sample_rows

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

#: Raised with every change that can move a probability by one bit.
VERSION = "1"

#: Names of our gates in lightning, and whether the inverse is meant.
GATES = {
    "h": ("Hadamard", False),
    "x": ("PauliX", False),
    "y": ("PauliY", False),
    "z": ("PauliZ", False),
    "s": ("S", False),
    "sdg": ("S", True),
    "t": ("T", False),
    "tdg": ("T", True),
    "sx": ("SX", False),
    "rx": ("RX", False),
    "ry": ("RY", False),
    "rz": ("RZ", False),
    "p": ("PhaseShift", False),
    "cx": ("CNOT", False),
    "cy": ("CY", False),
    "cz": ("CZ", False),
    "cp": ("ControlledPhaseShift", False),
    "crx": ("CRX", False),
    "cry": ("CRY", False),
    "crz": ("CRZ", False),
    "swap": ("SWAP", False),
    "rxx": ("IsingXX", False),
    "ryy": ("IsingYY", False),
    "rzz": ("IsingZZ", False),
    "ccx": ("Toffoli", False),
    "cswap": ("CSWAP", False),
}

#: Points whose angles are computed at once.
BLOCK_POINTS = 256


class Lightning:
    """State vectors of PennyLane's lightning; terminal measurements only, no noise."""

    name = "lightning"
    max_qubits = 20
    preference = 20
    pointwise = True

    def version(self) -> str:
        """Return the version of this engine and of lightning."""
        return f"{VERSION}, pennylane-lightning {version('pennylane-lightning')}"

    def unsupported_reason(self, batch: CircuitBatch) -> str | None:
        """Return why the engine cannot run a batch, or None if it can."""
        return exact_simulation_problem(batch.template)

    def run(self, batch: CircuitBatch) -> EngineRun:
        """Simulate a batch."""
        prepared, compile_seconds = prepare_circuit(batch.template, keep_measurements=False, compiled=compile_circuit)
        begin = time.perf_counter()
        counts = counts_table(sample_rows(exact_probabilities(batch, prepared), batch.seeds, batch.shots))
        return EngineRun(counts=counts, compile_seconds=compile_seconds, execute_seconds=time.perf_counter() - begin)


@lru_cache(maxsize=1)
def _target() -> Any:
    from qiskit.transpiler import Target

    return Target.from_configuration(basis_gates=list(GATES))


def compile_circuit(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return a circuit in lightning's own gates; inputs stay free."""
    return translate(circuit, _target())


def exact_probabilities(batch: CircuitBatch, prepared: PreparedCircuit) -> Iterator[F64]:
    """Yield the ``(2**n,)`` probabilities of every point, indexed by the packed outcome."""
    from pennylane_lightning.lightning_qubit_ops import StateVectorC128

    outcomes = 1 << batch.template.n_qubits
    state = StateVectorC128(batch.template.n_qubits)
    steps, angles = _compile_program(prepared.circuit, measured_qubits(batch.template.text) or ())
    calls = [(getattr(state, step.gate), step.wires, step.inverse, step.angles) for step in steps]

    def simulate_point(row: list[float]) -> F64:
        state.resetStateVector()
        for apply, wires, inverse, columns in calls:
            apply(wires, inverse, [row[column] for column in columns])
        amplitudes = np.empty(outcomes, dtype=np.complex128)
        state.getState(amplitudes)
        parts = amplitudes.view(np.float64)
        np.square(parts, out=parts)
        return np.asarray(parts[0::2] + parts[1::2], dtype=np.float64)

    if not prepared.circuit.parameters:  # all points are the same circuit
        row = simulate_point(angles(np.empty((1, 0)))[0])
        yield from (row for _ in range(batch.points))
        return
    for first in range(0, batch.points, BLOCK_POINTS):
        yield from map(simulate_point, angles(prepared.values(batch.bindings[first : first + BLOCK_POINTS])))


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCall:
    """One gate: its name in lightning, its wires, and which of the angles it takes."""

    gate: str
    inverse: bool
    wires: list[int]
    angles: tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class _Gate:
    """One gate by its name in lightning."""

    name: str
    inverse: bool
    qubits: tuple[int, ...]
    angles: list[Any]


def _gates(circuit: QuantumCircuit) -> list[_Gate]:
    """Return the gates of a circuit; rotations about z, y, z that meet on a qubit become one.

    A wide state is bound by memory: every gate passes over it once, whatever it does there.
    """
    gates: list[_Gate] = []
    open_rotations: dict[int, _Gate] = {}  # by qubit, the rotation that nothing else has followed yet
    for instruction in circuit.data:
        if instruction.name == "barrier":
            continue
        qubits = tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)
        name, inverse = GATES[instruction.name]
        gate = _Gate(name=name, inverse=inverse, qubits=qubits, angles=list(instruction.params))
        before = open_rotations.get(qubits[0])
        joined = _merge_rotations(before, gate) if before is not None else None
        if before is not None and joined is not None:
            before.name, before.angles = "Rot", joined
            continue
        for qubit in qubits:
            open_rotations.pop(qubit, None)
        if name in {"RY", "RZ"}:
            open_rotations[qubits[0]] = gate
        gates.append(gate)
    return gates


def _merge_rotations(before: _Gate, gate: _Gate) -> list[Any] | None:
    """Return the angles of the rotation about z, y and z, in this order, that two rotations make up, if they do."""
    if (before.name, gate.name) == ("RY", "RZ"):
        return [0.0, *before.angles, *gate.angles]
    if (before.name, gate.name) == ("RZ", "RY"):
        return [*before.angles, *gate.angles, 0.0]
    if (before.name, gate.name) == ("Rot", "RZ") and before.angles[2] == 0.0:
        return [*before.angles[:2], *gate.angles]
    return None


def _compile_program(
    circuit: QuantumCircuit, measured: tuple[int, ...]
) -> tuple[list[GateCall], Callable[[F64], list[list[float]]]]:
    """Return the steps of a circuit, and what gives the angles of each point.

    Lightning's wire 0 is the most significant; bit ``b`` of the outcome is read from the wire of qubit ``measured[b]``.
    """
    wire_of = {qubit: circuit.num_qubits - 1 - bit for bit, qubit in enumerate(measured)}
    columns: dict[Any, int] = {}
    steps = [
        GateCall(
            gate=gate.name,
            inverse=gate.inverse,
            wires=[wire_of[qubit] for qubit in gate.qubits],
            angles=tuple(columns.setdefault(angle, len(columns)) for angle in gate.angles),
        )
        for gate in _gates(circuit)
    ]
    inputs = list(circuit.parameters)

    def angles(values: F64) -> list[list[float]]:
        """Return the angles of every point, given the ``(points, inputs)`` values of the inputs."""
        all_angles = np.empty((len(values), len(columns)))
        for expression, column in columns.items():
            all_angles[:, column] = _evaluate_expression(expression, inputs, values)
        rows: list[list[float]] = all_angles.tolist()
        return rows

    return steps, angles


def _evaluate_expression(expression: Any, inputs: list[Any], values: F64) -> Any:
    """Return a number, or the value of an expression at every point.

    Expressions are nearly always a multiple of one input, or a sum of such: these are computed for all points at once, and
    element by element, so that an angle does not depend on other points.
    """
    parameters = getattr(expression, "parameters", ())
    if not parameters:
        return float(expression)
    used = [(parameter, values[:, inputs.index(parameter)]) for parameter in parameters]
    slopes = [expression.gradient(parameter) for parameter, _ in used]
    if any(getattr(slope, "parameters", ()) for slope in slopes):
        rows = zip(*(column.tolist() for _, column in used), strict=True)
        return [float(expression.bind(dict(zip(parameters, row, strict=True)))) for row in rows]
    total = np.full(len(values), float(expression.bind(dict.fromkeys(parameters, 0.0))))
    for slope, (_, column) in zip(slopes, used, strict=True):
        total += float(slope) * column
    return total


ENGINE: Engine = Lightning()
