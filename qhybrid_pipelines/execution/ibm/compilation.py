"""From a template to a circuit in a device's own gates on its own qubits, and from there to the few qubits it touches."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import Compiled, Template
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.execution.compile_cache import (
    CompileCache,
    FreshlyCompiled,
    two_qubit_gates,
    with_circuit_figures,
)
from qhybrid_pipelines.execution.engines.aer import text_problem
from qhybrid_pipelines.execution.ibm.devices import Device

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import Target

#: Searches of the highest level, which differ in their seed. Angles that are not known yet cost some two-qubit gates (up
#: to 4 % were seen); a search for a placement that saves as many is affordable, because a template is compiled once.
TRIES = 4


@lru_cache(maxsize=1)
def compiler_versions() -> dict[str, str]:
    """Return the versions of the packages, and the number of searches, that decide what a compiled circuit looks like."""
    return {name: version(name) for name in ("qiskit", "qiskit-ibm-runtime")} | {"tries": str(TRIES)}


def compile_for(text: str, target: Target, *, level: int, seed: int) -> QuantumCircuit:
    """Return the circuit of a template's text on a device, as wide as the device; inputs stay free.

    The highest level compiles `TRIES` times, from ``seed`` on, and keeps the circuit with the fewest two-qubit gates, of
    these the least deep. The circuit loses its name, which would travel to the vendor.
    """
    from qiskit.transpiler import generate_preset_pass_manager

    circuit = read_circuit(text)
    tries = (
        generate_preset_pass_manager(level, target=target, seed_transpiler=seed + k).run(circuit)
        for k in range(TRIES if level == 3 else 1)
    )
    best = min(tries, key=lambda compiled: (two_qubit_gates(compiled), compiled.depth()))
    best.name = "circuit"
    return best


def compile_template(
    cache: CompileCache, template: Template, device: Device, *, backend: str, max_qubits: int, level: int, seed: int
) -> Compiled:
    """Return a template compiled for a device, from the cache where it was compiled before.

    Args:
        cache: of compiled circuits.
        template: its inputs stay free.
        device: as it is calibrated now.
        backend: full name, for the cache and for errors.
        max_qubits: of the device, or of what is simulated of it.
        level: of qiskit's preset pass managers, 0 to 3.
        seed: of the compiler.

    Raises:
        Rejected: the template is too wide, or its text is faulty.
    """
    if template.n_qubits > max_qubits:
        raise Rejected(f"{template.n_qubits} qubits are more than {max_qubits}, the most that {backend} takes")

    def compile_now() -> FreshlyCompiled:
        problem = text_problem(template)
        if problem:
            raise Rejected(problem)
        return with_circuit_figures(compile_for(template.text, device.target, level=level, seed=seed))

    return cache.get_or_compile(
        template,
        backend=backend,
        target_digest=device.target_digest,
        level=level,
        seed=seed,
        versions=compiler_versions(),
        compile_now=compile_now,
    )


def used_qubits(circuit: QuantumCircuit) -> tuple[int, ...]:
    """Return the indices of the device's qubits that a compiled circuit touches, ascending."""
    return tuple(
        sorted(
            {
                circuit.find_bit(qubit).index
                for instruction in circuit.data
                if instruction.name != "barrier"
                for qubit in instruction.qubits
            }
        )
    )


def narrow_circuit(circuit: QuantumCircuit, used: tuple[int, ...]) -> QuantumCircuit:
    """Return a compiled circuit on its used qubits alone, in ascending order; its classical bits stay as they are."""
    from qiskit import QuantumCircuit, QuantumRegister

    place = {circuit.qubits[index]: position for position, index in enumerate(used)}
    narrow = QuantumCircuit(
        QuantumRegister(len(used), "q"), *circuit.cregs, name=circuit.name, global_phase=circuit.global_phase
    )
    for instruction in circuit.data:
        qubits = [place[qubit] for qubit in instruction.qubits if qubit in place]
        if instruction.name != "barrier":
            narrow.append(instruction.operation, qubits, instruction.clbits, copy=False)
        elif qubits:
            narrow.barrier(*qubits)
    return narrow
