"""From a template to OpenQASM 3 as Braket writes it: its own names of gates, nothing included, numbers for angles.

A template is compiled once for the gates that a device takes and bound as often as needed; the service places and routes it
on the qubits. Qubit ``i`` of a program is measured into bit ``i``, so that an outcome's bits are those of the template.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.canonical import content_hash
from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import Compiled, Template
from qhybrid_pipelines.execution.circuit_checks import check_template
from qhybrid_pipelines.execution.compile_cache import CompileCache, FreshlyCompiled, with_circuit_figures

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

#: Our compiler's gate and Braket's name of it. Angles are radians on both sides, ``zz(t)`` is ``exp(-i t ZZ / 2)``.
GATES = {
    "cx": "cnot",
    "cy": "cy",
    "cz": "cz",
    "h": "h",
    "rx": "rx",
    "rxx": "xx",
    "ry": "ry",
    "ryy": "yy",
    "rz": "rz",
    "rzz": "zz",
    "s": "s",
    "sdg": "si",
    "swap": "swap",
    "sx": "v",
    "sxdg": "vi",
    "t": "t",
    "tdg": "ti",
    "x": "x",
    "y": "y",
    "z": "z",
}


def compile_template(
    cache: CompileCache, template: Template, backend: str, gates: tuple[str, ...], *, level: int, seed: int
) -> Compiled:
    """Return a template in the gates that a device takes, inputs free; ``native`` is the circuit.

    Args:
        cache: where it is kept.
        template: to be compiled.
        backend: full name.
        gates: that the device takes, by our compiler's names.
        level: of optimisation.
        seed: of the compiler's search.

    Raises:
        Rejected: the text is faulty, the circuit is not unitary with one measurement of every qubit at its end, or it cannot
            be written with these gates.
    """
    from importlib.metadata import version

    check_template(template)
    return cache.get_or_compile(
        template,
        backend=backend,
        target_digest=content_hash(sorted(gates)),
        level=level,
        seed=seed,
        versions={"qiskit": version("qiskit")},
        compile_now=lambda: _compile(template.text, gates, level=level, seed=seed),
    )


def program_source(circuit: QuantumCircuit, parameters: tuple[str, ...], binding: F64) -> str:
    """Return the program of one point.

    Args:
        circuit: what :func:`compile_template` made.
        parameters: names of the numbers.
        binding: shape ``(len(parameters),)``, radians.

    Raises:
        Rejected: an angle is not finite.
    """
    values = {parameter: binding[parameters.index(parameter.name)] for parameter in circuit.parameters}
    bound = circuit.assign_parameters(values)
    measured = {
        bound.find_bit(one.qubits[0]).index: bound.find_bit(one.clbits[0]).index
        for one in bound.data
        if one.name == "measure"
    }
    width = len(measured)
    lines = ["OPENQASM 3.0;", f"bit[{width}] b;", f"qubit[{width}] q;"]
    for one in bound.data:
        if one.name not in GATES:  # a measurement or a barrier
            continue
        angles = [float(angle) for angle in one.params]
        if not all(math.isfinite(angle) for angle in angles):
            raise Rejected(f"an angle of a gate {one.name} is not finite")
        given = f"({', '.join(repr(angle) for angle in angles)})" if angles else ""
        qubits = ", ".join(f"q[{measured[bound.find_bit(qubit).index]}]" for qubit in one.qubits)
        lines.append(f"{GATES[one.name]}{given} {qubits};")
    lines += [f"b[{bit}] = measure q[{bit}];" for bit in range(width)]
    return "\n".join(lines) + "\n"


def _compile(text: str, gates: tuple[str, ...], *, level: int, seed: int) -> FreshlyCompiled:
    from qiskit.exceptions import QiskitError
    from qiskit.transpiler import generate_preset_pass_manager

    from qhybrid_pipelines.core.jobs.openqasm import read_circuit

    manager = generate_preset_pass_manager(level, basis_gates=sorted(gates), seed_transpiler=seed)
    try:
        return with_circuit_figures(manager.run(read_circuit(text)))
    except QiskitError as error:
        raise Rejected(f"the circuit cannot be written with the gates {', '.join(gates)}: {error.message}") from None
