"""Gates for the vendor: against its own encoder, against exact simulation, and for circuits that it cannot take."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.providers import Options
from qiskit.qasm3 import dumps
from qiskit.quantum_info import Statevector

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.emulator.gates import probabilities
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.compile_cache import CompileCache
from qhybrid_pipelines.execution.ionq.gates import GATES, bind, compile_template, gate_counts
from qhybrid_pipelines.execution.ionq.payload import circuit_names, job_body
from qhybrid_pipelines.quantum.hardware_efficient import hardware_efficient_ansatz
from qhybrid_pipelines.quantum.qaoa import qaoa_ansatz

LEVELS = (0, 1, 2, 3)


def ring(n: int) -> IsingModel:
    pairs = np.array([[i, (i + 1) % n] if i + 1 < n else [0, i] for i in range(n)], dtype=np.int32)
    return IsingModel(
        linear=np.linspace(-1, 1, n), pairs=pairs, couplings=np.linspace(0.3, 1.7, len(pairs)), offset=0.0
    )


def every_gate() -> Template:
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    for index, name in enumerate(("rx", "ry", "rz")):
        getattr(circuit, name)(Parameter(f"one_{name}"), index)
    for index, name in enumerate(("rxx", "ryy", "rzz")):
        getattr(circuit, name)(Parameter(f"two_{name}"), index, index + 1)
    for name in ("x", "y", "z", "s", "sdg", "t", "tdg", "sx", "sxdg"):
        getattr(circuit, name)(1)
        circuit.ry(Parameter(f"apart_{name}"), 1)
    for name in ("cx", "cy", "cz", "swap", "ch"):
        getattr(circuit, name)(3, 0)
    circuit.ccx(0, 2, 3)
    registers = QuantumCircuit(4, 4)
    registers.compose(circuit, inplace=True)
    registers.measure(range(4), range(4))
    return Template(text=dumps(registers), parameters=tuple(p.name for p in circuit.parameters), n_qubits=4)


TEMPLATES = {
    "qaoa": lambda: qaoa_ansatz(ring(5), 2, mixer="x", cardinality=None).template,
    "ring mixer": lambda: qaoa_ansatz(ring(4), 1, mixer="xy", cardinality=2).template,
    "warm start": lambda: qaoa_ansatz(ring(4), 1, mixer="warm_start").template,
    "hardware-efficient": lambda: hardware_efficient_ansatz(4, 2).template,
    "every gate": every_gate,
    "canary": lambda: canary_batch("batch", width=5, qubit=1, backend="ionq:simulator")[0].template,
}


def angles(template: Template, rows: int = 3, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-7, 7, size=(rows, len(template.parameters)))


def exact(template: Template, row: np.ndarray) -> np.ndarray:
    circuit = read_circuit(template.text)
    values = dict(zip(template.parameters, row, strict=True))
    bound = circuit.assign_parameters({p: values[p.name] for p in circuit.parameters})
    return Statevector(bound.remove_final_measurements(inplace=False)).probabilities()


def spread(gates: list[dict], width: int) -> np.ndarray:
    """Probabilities of all outcomes, by the emulator's own reading of the gates."""
    touched, weights = probabilities(gates, "qis")
    full = np.zeros(2**width)
    for state, weight in enumerate(weights):
        full[sum(((state >> place) & 1) << qubit for place, qubit in enumerate(touched))] += weight
    return full


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_gates_say_what_the_template_says(name, level, tmp_path):
    template = TEMPLATES[name]()
    compiled = compile_template(CompileCache(tmp_path), template, "ionq:simulator", level=level, seed=7)
    rows = angles(template)
    for row, gates in zip(rows, bind(compiled.native, template.parameters, rows), strict=True):
        assert np.allclose(spread(gates, template.n_qubits), exact(template, row), atol=1e-9)


def in_order(gates: list[dict]) -> list[dict]:
    return [dict(sorted(gate.items())) for gate in gates]


def sent_back(gates: list[dict], qubit_of_bit: list[int]) -> list[dict]:
    """Our gates on the qubits of the compiled circuit: the vendor's client sends how they are measured beside them."""
    places = ("targets", "controls")
    return in_order([gate | {k: [qubit_of_bit[bit] for bit in gate[k]] for k in places if k in gate} for gate in gates])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_vendors_own_encoder_writes_the_same_gates(name, tmp_path):
    from qiskit_ionq.helpers import qiskit_circ_to_ionq_circ, qiskit_to_ionq

    template = TEMPLATES[name]()
    compiled = compile_template(CompileCache(tmp_path), template, "ionq:qpu.aria-1", level=3, seed=7)
    rows = angles(template)
    ours = bind(compiled.native, template.parameters, rows)
    bound = []
    for row, gates in zip(rows, ours, strict=True):
        values = dict(zip(template.parameters, row, strict=True))
        bound.append(compiled.native.assign_parameters({p: values[p.name] for p in compiled.native.parameters}))
        theirs, measured, qubit_of_bit = qiskit_circ_to_ionq_circ(bound[-1])
        assert measured == template.n_qubits
        assert sent_back(gates, qubit_of_bit) == in_order(theirs)
    backend = SimpleNamespace(
        name="ionq_qpu.aria-1",
        gateset=lambda: "qis",
        options=Options(noise_model="ideal", sampler_seed=None, error_mitigation=None),
    )
    whole = json.loads(qiskit_to_ionq(bound, backend, {"shots": 50}))
    batch = replace(
        canary_batch("single", width=template.n_qubits, qubit=0, backend="ionq:qpu.aria-1", shots=50)[0],
        template=template,
        bindings=rows,
        seeds=np.arange(3, dtype=np.uint64).reshape(3, 1),
    )
    mine = json.loads(job_body(batch, ours, "t" * 32))
    assert (mine["type"], mine["backend"], mine["shots"]) == (whole["type"], "qpu.aria-1", whole["shots"])
    assert mine["input"]["gateset"] == whole["input"]["gateset"]
    assert mine["input"]["qubits"] == whole["input"]["qubits"]
    for one, other in zip(mine["input"]["circuits"], whole["input"]["circuits"], strict=True):
        assert sent_back(one["circuit"], qubit_of_bit) == in_order(other["circuit"])


@settings(deadline=None, max_examples=20)
@given(order=st.permutations(range(5)), turned=st.integers(0, 4))
def test_outcomes_are_bits_however_qubits_are_measured(order, turned, tmp_path_factory):
    """Qubit ``q`` is measured into bit ``order[q]``; so turning qubit ``q`` sets that bit."""
    circuit = QuantumCircuit(5, 5)
    circuit.x(turned)
    circuit.measure(range(5), order)
    template = Template(text=dumps(circuit), parameters=(), n_qubits=5)
    cache = CompileCache(tmp_path_factory.mktemp("cache"))
    compiled = compile_template(cache, template, "ionq:simulator", level=3, seed=7)
    [gates] = bind(compiled.native, (), np.empty((1, 0)))
    assert np.argmax(spread(gates, 5)) == 1 << order[turned]


def test_angles_keep_every_digit(tmp_path):
    batch, _ = canary_batch("batch", width=3, qubit=0, backend="ionq:simulator")
    value = math.nextafter(1 / 3, 1)
    bindings = np.full_like(batch.bindings, value)
    batch = replace(batch, bindings=bindings)
    compiled = compile_template(CompileCache(tmp_path), batch.template, batch.backend, level=3, seed=7)
    body = job_body(batch, bind(compiled.native, batch.template.parameters, bindings), "t")
    rotations = {g["rotation"] for c in json.loads(body)["input"]["circuits"] for g in c["circuit"]}
    assert rotations == {value}


def test_an_interaction_stays_one_gate(tmp_path):
    template = TEMPLATES["qaoa"]()
    compiled = compile_template(CompileCache(tmp_path), template, "ionq:qpu.aria-1", level=3, seed=7)
    assert gate_counts(compiled.native)[1] == compiled.two_qubit_gates == 2 * 5
    [gates] = bind(compiled.native, template.parameters, angles(template, 1))
    assert sum(gate["gate"] == "zz" for gate in gates) == 10
    assert gate_counts(compiled.native)[0] == sum(gate["gate"] != "zz" for gate in gates)


@pytest.mark.parametrize(
    "body",
    [
        "h q[0];\nc[0] = measure q[0];\nx q[0];\nc[1] = measure q[1];",
        "reset q[0];\nc[0] = measure q[0];\nc[1] = measure q[1];",
        "c[0] = measure q[0];",
        "c[0] = measure q[0];\nc[0] = measure q[1];",
    ],
    ids=["gate after measurement", "reset", "one bit unmeasured", "one bit twice"],
)
def test_circuits_beyond_the_gate_list_are_rejected(body, tmp_path):
    text = f'OPENQASM 3.0;\ninclude "stdgates.inc";\nbit[2] c;\nqubit[2] q;\n{body}\n'
    template = Template(text=text, parameters=(), n_qubits=2)
    with pytest.raises(Rejected, match="measurement"):
        compile_template(CompileCache(tmp_path), template, "ionq:simulator", level=1, seed=0)


def test_faulty_texts_are_rejected(tmp_path):
    with pytest.raises(Rejected):
        compile_template(
            CompileCache(tmp_path),
            Template(text="nothing", parameters=(), n_qubits=1),
            "ionq:simulator",
            level=1,
            seed=0,
        )


def test_names_differ_by_all_that_decides_a_result():
    batch, _ = canary_batch("batch", width=4, qubit=1, backend="ionq:simulator", repetitions=2)
    others = [
        replace(batch, shots=batch.shots + 1),
        replace(batch, bindings=batch.bindings + 1e-15),
        replace(batch, seeds=batch.seeds + np.uint64(1)),
        canary_batch("single", width=4, qubit=1, backend="ionq:simulator", repetitions=2)[0],
    ]
    names = circuit_names(batch)
    assert len(set(names)) == len(names) == 6
    assert [name.partition("-")[0] for name in names] == [str(place) for place in range(6)]
    for other in others:
        assert not set(names) & set(circuit_names(other))


def test_the_gate_set_is_the_published_one():
    published = [
        "x",
        "y",
        "z",
        "rx",
        "ry",
        "rz",
        "h",
        "s",
        "si",
        "v",
        "vi",
        "t",
        "ti",
        "not",
        "cnot",
        "swap",
        "xx",
        "yy",
        "zz",
        "pauliexp",
    ]
    assert {name for name, _ in GATES.values()} <= set(published)
