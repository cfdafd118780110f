"""From a template to OpenQASM 3 as Braket writes it: its own names of gates, nothing included, numbers for angles.

A template is compiled once for the gates that a device takes and bound as often as needed; the service places and routes it
on the qubits. Qubit ``i`` of a program is measured into bit ``i``, so that an outcome's bits are those of the template.
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
    return str(programs(circuit, parameters, binding[None], 1)[0]["source"])


def programs(
    circuit: QuantumCircuit, parameters: tuple[str, ...], bindings: F64, repetitions: int
) -> list[dict[str, Any]]:
    """Return the programs of a batch as the service takes them: executable ``point * repetitions + repetition`` is their place in order.

    Points that differ are one program, each of whose angles that are not always the same number is an input with a list of numbers.

    Args:
        circuit: what :func:`compile_template` made.
        parameters: names of the numbers.
        bindings: shape ``(points, len(parameters))``, radians.
        repetitions: how often each point is run.

    Raises:
        Rejected: an angle is not finite.
    """
    bound = [_bind(circuit, parameters, binding) for binding in bindings]
    measured = {
        circuit.find_bit(one.qubits[0]).index: circuit.find_bit(one.clbits[0]).index
        for one in circuit.data
        if one.name == "measure"
    }
    inputs: dict[tuple[float, ...], str] = {}
    lines = []
    for place, one in enumerate(circuit.data):
        if one.name not in GATES:  # a measurement or a barrier
            continue
        angles = [
            tuple(float(instance.data[place].params[which]) for instance in bound) for which in range(len(one.params))
        ]
        if not all(math.isfinite(angle) for column in angles for angle in column):
            raise Rejected(f"an angle of a gate {one.name} is not finite")
        said = [
            repr(column[0]) if len(set(column)) == 1 else inputs.setdefault(column, f"angle_{len(inputs)}")
            for column in angles
        ]
        given = f"({', '.join(said)})" if said else ""
        qubits = ", ".join(f"q[{measured[circuit.find_bit(qubit).index]}]" for qubit in one.qubits)
        lines.append(f"{GATES[one.name]}{given} {qubits};")
    width = len(measured)
    head = ["OPENQASM 3.0;", *(f"input float {name};" for name in inputs.values())]
    lines = [*head, f"bit[{width}] b;", f"qubit[{width}] q;", *lines]
    source = "\n".join([*lines, *(f"b[{bit}] = measure q[{bit}];" for bit in range(width))]) + "\n"
    if not inputs:
        return [{"source": source}] * (len(bindings) * repetitions)
    lists = {name: [angle for angle in column for _ in range(repetitions)] for column, name in inputs.items()}
    return [{"source": source, "inputs": lists}]


def _bind(circuit: QuantumCircuit, parameters: tuple[str, ...], binding: F64) -> QuantumCircuit:
    return circuit.assign_parameters({one: binding[parameters.index(one.name)] for one in circuit.parameters})


def _compile(text: str, gates: tuple[str, ...], *, level: int, seed: int) -> FreshlyCompiled:
    from qiskit.exceptions import QiskitError
    from qiskit.transpiler import generate_preset_pass_manager

    from qhybrid_pipelines.core.jobs.openqasm import read_circuit

    manager = generate_preset_pass_manager(level, basis_gates=sorted(gates), seed_transpiler=seed)
    try:
        return with_circuit_figures(manager.run(read_circuit(text)))
    except QiskitError as error:
        raise Rejected(f"the circuit cannot be written with the gates {', '.join(gates)}: {error.message}") from None
