"""From a template to the vendor's JSON gates (gate set ``qis``, interface v0.4): compiled once, bound as often as needed.

Every pair of ions interacts, so nothing is routed; compiling only rewrites what the gate set does not have. The gates
keep their inputs free until binding, because the interface takes circuits with numbers only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.canonical import content_hash
from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import Compiled, Template
from qhybrid_pipelines.execution.circuit_checks import check_template
from qhybrid_pipelines.execution.compile_cache import CompileCache, FreshlyCompiled, with_circuit_figures

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

Gate = dict[str, Any]

#: Our compiler's gate, the vendor's name of it, and how many of its qubits come first as controls. Angles are radians
#: on both sides and mean the same: ``rzz(t)`` and ``zz`` with rotation ``t`` are ``exp(-i t ZZ / 2)``.
GATES: dict[str, tuple[str, int]] = {
    "cx": ("x", 1),
    "cy": ("y", 1),
    "cz": ("z", 1),
    "h": ("h", 0),
    "rx": ("rx", 0),
    "rxx": ("xx", 0),
    "ry": ("ry", 0),
    "ryy": ("yy", 0),
    "rz": ("rz", 0),
    "rzz": ("zz", 0),
    "s": ("s", 0),
    "sdg": ("si", 0),
    "swap": ("swap", 0),
    "sx": ("v", 0),
    "sxdg": ("vi", 0),
    "t": ("t", 0),
    "tdg": ("ti", 0),
    "x": ("x", 0),
    "y": ("y", 0),
    "z": ("z", 0),
}
#: All that the compiler is told about a device; the vendor compiles for its ions itself.
TARGET_DIGEST = content_hash(sorted(GATES))


def compile_template(cache: CompileCache, template: Template, backend: str, *, level: int, seed: int) -> Compiled:
    """Return a template in the vendor's gates, inputs free; ``native`` is the circuit.

    Raises:
        Rejected: the text is faulty, or the circuit is not unitary with one measurement of every qubit at its end.
    """
    from importlib.metadata import version

    check_template(template)
    return cache.get_or_compile(
        template,
        backend=backend,
        target_digest=TARGET_DIGEST,
        level=level,
        seed=seed,
        versions={"qiskit": version("qiskit")},
        compile_now=lambda: _compile(template.text, level=level, seed=seed),
    )


def bind(circuit: QuantumCircuit, parameters: tuple[str, ...], bindings: F64) -> list[list[Gate]]:
    """Return the gates of a compiled circuit for every row of ``bindings``.

    Qubits are numbered by the bit that they are measured into, so that an outcome read as a number, qubit 0 its least
    significant bit, is the packed outcome.

    Args:
        circuit: what :func:`compile_template` made.
        parameters: names of the columns.
        bindings: shape ``(points, len(parameters))``, radians.
    """
    bit_of_qubit = {
        circuit.find_bit(instruction.qubits[0]).index: circuit.find_bit(instruction.clbits[0]).index
        for instruction in circuit.data
        if instruction.name == "measure"
    }
    # The compiler may have dropped inputs that have no effect.
    columns = [(parameter, parameters.index(parameter.name)) for parameter in circuit.parameters]
    bound = (circuit.assign_parameters({parameter: row[at] for parameter, at in columns}) for row in bindings)
    return [_gates(numbers, bit_of_qubit) for numbers in bound]


def gate_counts(circuit: QuantumCircuit) -> tuple[int, int]:
    """Return how many gates act on one and on two qubits."""
    sizes = [instruction.operation.num_qubits for instruction in circuit.data if instruction.name in GATES]
    return sizes.count(1), sizes.count(2)


def _compile(text: str, *, level: int, seed: int) -> FreshlyCompiled:
    from qiskit.transpiler import generate_preset_pass_manager

    from qhybrid_pipelines.core.jobs.openqasm import read_circuit

    manager = generate_preset_pass_manager(level, basis_gates=sorted(GATES), seed_transpiler=seed)
    return with_circuit_figures(manager.run(read_circuit(text)))


def _gates(circuit: QuantumCircuit, bit_of_qubit: dict[int, int]) -> list[Gate]:
    gates = []
    for instruction in circuit.data:
        if instruction.name not in GATES:  # a measurement or a barrier
            continue
        name, controls = GATES[instruction.name]
        qubits = [bit_of_qubit[circuit.find_bit(qubit).index] for qubit in instruction.qubits]
        gate: Gate = {"gate": name, "targets": qubits[controls:]}
        if controls:
            gate["controls"] = qubits[:controls]
        if instruction.params:
            angle = float(instruction.params[0])
            if not math.isfinite(angle):
                raise Rejected(f"an angle of a gate {name} is not finite")
            gate["rotation"] = angle
        gates.append(gate)
    return gates
