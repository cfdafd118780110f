"""A circuit that needs no compiler comes out as the compiler would give it, instruction by instruction; others go through it."""

from __future__ import annotations

import random

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.transpiler import generate_preset_pass_manager

from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.engines import aer, gate_translation, lightning

CIRCUITS = 30
TURNS = ("rx", "ry", "rz", "p", "cp", "crx", "cry", "crz", "rxx", "ryy", "rzz")
WIDTHS = {"ccx": 3, "cswap": 3} | dict.fromkeys(
    ("cx", "cy", "cz", "cp", "crx", "cry", "crz", "swap", "rxx", "ryy", "rzz"), 2
)
ENGINES = pytest.mark.parametrize("engine", [aer, lightning], ids=["aer", "lightning"])


def make_circuit(number: int, names: list[str], *, measured: bool) -> QuantumCircuit:
    chosen = random.Random(number)
    width = chosen.randint(2, 7)
    circuit = QuantumCircuit(width, width, global_phase=chosen.choice([0, 0.5]))
    inputs = [Parameter(f"turn_{i}") for i in range(3)]
    for _ in range(chosen.randint(1, 40)):
        name = chosen.choice([*names, "barrier"])
        qubits = chosen.sample(range(width), min(width, WIDTHS.get(name, 1)))
        angle = [chosen.choice([chosen.uniform(-4, 4), 2 * chosen.choice(inputs)])] if name in TURNS else []
        if name == "barrier":
            circuit.barrier()
        elif len(qubits) == WIDTHS.get(name, 1):
            getattr(circuit, name)(*angle, *qubits)
    if measured:
        circuit.measure(range(width), range(width))
    return circuit


def instructions(circuit: QuantumCircuit):
    places = [
        (one.name, *(circuit.find_bit(bit).index for bit in (*one.qubits, *one.clbits)), *map(str, one.params))
        for one in circuit.data
    ]
    return places, str(circuit.global_phase), [p.name for p in circuit.parameters], circuit.layout, circuit.num_clbits


@ENGINES
def test_it_is_what_the_compiler_gives(engine):
    target = engine._target()
    compiler = generate_preset_pass_manager(0, target=target, seed_transpiler=0)
    names = [name for name in lightning.GATES if name in target.operation_names]
    circuits = [make_circuit(number, names, measured=engine is aer) for number in range(CIRCUITS)]
    if engine is aer:
        texts = [canary_batch(shape, width=9, qubit=2, backend="local:aer")[0] for shape in ("single", "batch", "qaoa")]
        circuits += [read_circuit(batch.template.text) for batch in texts]
    assert all(gate_translation._has_only(circuit, target) for circuit in circuits)
    for circuit in circuits:
        assert instructions(engine.compile_circuit(circuit)) == instructions(compiler.run(circuit))
    # The order of what may be exchanged counts here: most circuits as they were written would not pass.
    assert sum(instructions(circuit) != instructions(compiler.run(circuit)) for circuit in circuits) > CIRCUITS / 2


@ENGINES
def test_other_gates_and_control_flow_go_through_the_compiler(engine):
    circuit = QuantumCircuit(3, 3)
    circuit.dcx(0, 1)
    assert not gate_translation._has_only(circuit, engine._target())
    assert "dcx" not in engine.compile_circuit(circuit).count_ops()


def test_what_a_measurement_decides_is_not_taken_for_gates():
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)
    assert not gate_translation._has_only(circuit, aer._target())
