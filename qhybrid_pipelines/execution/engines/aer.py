"""Reading a template, making it ready for a simulator, binding its inputs by name; and what both Aer engines share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput, Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import Compiled, Template
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.execution.engines.gate_translation import translate

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

#: Gates of our templates that Aer runs as they are.
NATIVE_GATES = ("cx", "cz", "h", "rx", "rxx", "ry", "ryy", "rz", "rzz", "x")


def aer_version() -> str:
    """Return the version of Aer."""
    from importlib.metadata import version

    return f"qiskit-aer {version('qiskit-aer')}"


@lru_cache(maxsize=1)
def _target() -> Any:
    # A simulator builds its target again whenever it is asked, and the compiler asks more than a hundred times: 60 ms
    # per circuit. So it is asked once.
    from qiskit_aer import AerSimulator

    return AerSimulator(method="statevector").target


def compile_circuit(circuit: QuantumCircuit, *, level: int = 0, seed: int = 0) -> QuantumCircuit:
    """Return a circuit in Aer's own gates; inputs stay free. Level 0 by default: Aer fuses gates by itself."""
    return translate(circuit, _target(), level=level, seed=seed)


def text_problem(template: Template) -> str | None:
    """Return why a template's text cannot be run with its bindings, or None."""
    try:
        circuit = _read(template.text)
    except InvalidInput as error:
        return error.problem
    if (circuit.num_qubits, circuit.num_clbits) != (template.n_qubits, template.n_qubits):
        return (
            f"the circuit has {circuit.num_qubits} qubits and {circuit.num_clbits} bits, not {template.n_qubits} each"
        )
    if {parameter.name for parameter in circuit.parameters} != set(template.parameters):
        return "the circuit's inputs are not those of the template"
    return None


def exact_simulation_problem(template: Template) -> str | None:
    """Return why the probabilities of a template's outcomes cannot be computed from one state vector, or None."""
    problem = text_problem(template)
    if problem is None and measured_qubits(template.text) is None:
        return "the circuit is not unitary up to one measurement of every bit at its end"
    return problem


@lru_cache(maxsize=16)
def _read(text: str) -> QuantumCircuit:
    return read_circuit(text)


@lru_cache(maxsize=16)
def measured_qubits(text: str) -> tuple[int, ...] | None:
    """Return the qubit behind every bit, or None unless the circuit is unitary and then measures each bit once."""
    from qiskit.circuit import Gate

    circuit = _read(text)
    qubit_of: dict[int, int] = {}
    for instruction in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if instruction.name == "barrier":
            continue
        if any(qubit in qubit_of.values() for qubit in qubits):
            return None
        if instruction.name == "measure":
            qubit_of[circuit.find_bit(instruction.clbits[0]).index] = qubits[0]
        elif not isinstance(instruction.operation, Gate):
            return None
    if len(qubit_of) != circuit.num_clbits or circuit.num_clbits != circuit.num_qubits:
        return None
    return tuple(qubit_of[bit] for bit in range(circuit.num_clbits))


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCircuit:
    """A compiled circuit and, for each of its inputs, the column of the bindings.

    qiskit sorts inputs by name and a compiler may drop some, so columns are matched by name.
    """

    circuit: QuantumCircuit
    columns: tuple[int, ...]

    def values(self, bindings: F64) -> F64:
        """Return the ``(points, inputs)`` values in the circuit's own order of inputs."""
        return bindings[:, list(self.columns)]


def prepare_circuit(
    template: Template,
    *,
    keep_measurements: bool,
    compiled: Callable[[QuantumCircuit], QuantumCircuit] = compile_circuit,
) -> tuple[PreparedCircuit, float]:
    """Return the compiled circuit of a template and the seconds it took.

    Args:
        template: its text was found faultless.
        keep_measurements: False takes the measurements away, for an engine that asks for probabilities.
        compiled: returns a circuit in the simulator's own gates, with its inputs free.
    """
    begin = time.perf_counter()
    circuit = _read(template.text)
    if not keep_measurements:
        circuit = circuit.remove_final_measurements(inplace=False)
    circuit = compiled(circuit)
    columns = tuple(template.parameters.index(parameter.name) for parameter in circuit.parameters)
    return PreparedCircuit(circuit=circuit, columns=columns), time.perf_counter() - begin


def compile_template(template: Template, *, level: int, seed: int) -> Compiled:
    """Return a template compiled for Aer; ``native`` is the circuit.

    Raises:
        Rejected: the template's text is faulty.
    """
    from qiskit.qasm3 import dumps

    problem = text_problem(template)
    if problem:
        raise Rejected(problem)
    begin = time.perf_counter()
    circuit = compile_circuit(_read(template.text), level=level, seed=seed)
    seconds = time.perf_counter() - begin
    return Compiled(
        template_id=template.template_id,
        compiled_sha256=sha256_hex(dumps(circuit)),
        depth=circuit.depth(lambda instruction: instruction.operation.name != "measure"),
        two_qubit_gates=sum(instruction.operation.num_qubits == 2 for instruction in circuit.data),
        compile_seconds=seconds,
        native=circuit,
    )
