"""A circuit from a file becomes a template with the same meaning, numbers in full, and a text that reads back unchanged."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.quantum.circuits import batch_from_row, batch_to_row, build_batch
from qhybrid_pipelines.quantum.qasm import write_circuit
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines.quantum.user_circuits.canonical import to_canonical
from qhybrid_pipelines.quantum.user_circuits.precheck import check_circuit
from qhybrid_pipelines.quantum.user_circuits.reader import read_user_circuit
from qhybrid_pipelines_tests.support.reduced_models import ising, make_reduced_model, make_spec
from qhybrid_pipelines_tests.support.user_circuits import V2, V3, circuits

MANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RZZ = "gate rzz(a) x, y { cx x, y; rz(a) y; cx x, y; }\n"
RING = f"""{V3}{RZZ}// two angles
input float[64] gamma;
input float beta;
qubit[3] q;
bit[3] c;
h q;
rzz(2*gamma) q[0], q[1];
rzz(2*gamma) q[1], q[2];
rz(gamma/3 - 0.1) q[0];
rx(pi/2) q[1];
rx(beta) q;
c = measure q;
"""


def unitary(circuit):
    from qiskit.quantum_info import Operator

    return Operator(circuit.remove_final_measurements(inplace=False))


def bound(text: str, values: dict[str, float]):
    circuit = read_circuit(text)
    return circuit.assign_parameters({parameter: values[parameter.name] for parameter in circuit.parameters})


def meaning(text: str, angles: list[float]):
    """The unitary that the canonical form has at some values of the file's inputs."""
    found = to_canonical(check_circuit(text))
    assert write_circuit(read_circuit(found.text)) == found.text
    assert list(found.parameters) == sorted(found.parameters)
    values = {
        name: constant + sum(factor * angles[index] for index, factor in slopes)
        for name, (constant, slopes) in zip(found.parameters, found.angles, strict=True)
    }
    return unitary(bound(found.text, values))


@MANY
@given(circuit=circuits(inputs=0))
def test_what_qiskit_writes_as_version_2_keeps_its_meaning(circuit):
    from qiskit import qasm2

    assert meaning(qasm2.dumps(circuit), []).equiv(unitary(circuit))


@MANY
@given(circuit=circuits(inputs=2), angles=st.tuples(st.floats(-4, 4), st.floats(-4, 4)))
def test_what_qiskit_writes_as_version_3_keeps_its_meaning_at_all_inputs(circuit, angles):
    from qiskit import qasm3

    text = qasm3.dumps(circuit)
    assert check_circuit(text).inputs == ("a0", "a1")
    expected = circuit.assign_parameters(dict(zip(circuit.parameters, angles, strict=True)))
    assert meaning(text, list(angles)).equiv(unitary(expected))


def test_constants_become_inputs_in_full_and_quarter_turns_stay():
    circuit = read_user_circuit(RING.encode(), file="ring.qasm")
    assert circuit.inputs == ("gamma", "beta")
    ansatz = circuit.ansatz
    assert ansatz.template.parameters == ("t_0", "t_1", "t_2")
    assert "rx(pi/2)" in ansatz.template.text
    bindings = ansatz.bindings(np.array([[0.7, 0.2], [1.0, 2.0]]))
    assert np.array_equal(bindings, [[2 * 0.7, 0.7 / 3 - 0.1, 0.2], [2.0, 1 / 3 - 0.1, 2.0]])
    exact = 0.1234567890123456789
    assert to_canonical(check_circuit(f"{V3}qubit q;\nrz({exact!r}) q;\n")).angles == ((exact, ()),)
    assert to_canonical(check_circuit(f"{V3}qubit q;\nrz(-3*pi/4) q;\n")).angles == ()
    assert to_canonical(check_circuit(f"{V3}qubit q;\nrz(-3*pi/4 + 1e-9) q;\n")).angles[0][0] == -3 * math.pi / 4 + 1e-9


def test_an_angle_may_hang_on_several_inputs():
    text = f"{V3}input float a; input float b; input float unused;\nqubit q;\nrx(a - 2*b + 0.5) q;\n"
    bindings = read_user_circuit(text.encode(), file="f").ansatz.bindings(np.array([[1.0, 0.25, 9.0]]))
    assert bindings.tolist() == [[1.0]]


def test_names_of_inputs_do_not_matter():
    renamed = RING.replace("gamma", "Θ").replace("beta", "_x")
    assert (
        read_user_circuit(renamed.encode(), file="f").ansatz.template
        == read_user_circuit(RING.encode(), file="g").ansatz.template
    )


def test_a_qubit_becomes_the_bit_that_it_is_measured_into():
    text = f"{V2}qreg a[1];\nqreg b[2];\ncreg c[3];\nx a[0];\nbarrier a;\nmeasure a[0] -> c[2];\n"
    text += "measure b[0] -> c[0];\nmeasure b[1] -> c[1];\n"
    assert "x q[2];" in to_canonical(check_circuit(text)).text
    unmeasured = to_canonical(check_circuit(f"{V2}qreg a[1];\nqreg b[2];\nx b[0];\n")).text
    assert "x q[1];" in unmeasured
    assert "c[2] = measure q[2];" in unmeasured


def test_loops_are_written_out():
    found = to_canonical(
        check_circuit(
            f"{V3}qubit[2] q;\nfor uint i in [0:2:4] {{ rx(i*0.1) q[0]; }}\nfor int j in {{1, 5}} {{ x q; }}\n"
        )
    )
    assert found.angles == ((0.2, ()), (0.4, ()))
    assert found.text.count("x q[1];") == 2


def test_a_borrowed_name_keeps_its_own_body():
    text = f"{V2}qreg q[2];\ngate rzz2(a) x,y {{ h x; }}\nrzz2(0.3) q[0],q[1];\n".replace("rzz2", "ryy")
    assert "\nh q[0];" in to_canonical(check_circuit(text)).text


def test_a_borrowed_name_is_not_the_standard_gate_because_they_agree_at_one_angle():
    text = f"{V3}gate rzz(a) x, y {{ }}\nqubit[2] q;\nrzz(0) q[0], q[1];\nrzz(0.5) q[0], q[1];\n"
    steps = [step.operation for step in read_circuit(text).data]
    assert steps[1].definition.count_ops() == {}
    assert meaning(text, []).equiv(np.eye(4))


def test_a_standard_gate_is_known_by_its_matrix_also_at_sums_of_inputs():
    found = to_canonical(check_circuit(RING))
    assert (found.two_qubit_gates, found.text.count("rzz(t_0)")) == (2, 2)


def test_depth_and_two_qubit_gates_leave_barriers_out():
    found = to_canonical(check_circuit(f"{V2}qreg q[2];\nh q;\nbarrier q;\ncx q[0],q[1];\n"))
    assert (found.depth, found.two_qubit_gates) == (2, 1)


def test_pairs_are_the_qubits_that_a_gate_joins_and_no_barrier_is_one():
    found = to_canonical(check_circuit(f"{V2}qreg q[4];\nbarrier q;\nccx q[2],q[0],q[1];\ncx q[3],q[1];\nh q;\n"))
    assert found.pairs == ((0, 1), (0, 2), (1, 2), (1, 3))


def test_reading_again_is_remembered_and_the_same():
    first = read_user_circuit(RING.encode(), file="ring.qasm")
    assert read_user_circuit(RING.encode(), file="ring.qasm") is first
    read_user_circuit.cache_clear()
    again = read_user_circuit(RING.encode(), file="ring.qasm")
    assert again.ansatz.template.template_id == first.ansatz.template.template_id
    assert np.array_equal(again.ansatz.matrix, first.ansatz.matrix)


REDUCED_MODEL = make_reduced_model(ising([0.3, -1, 0], {(0, 1): 1.0, (1, 2): 0.5}))


@pytest.mark.parametrize("strategy", ["random", "grid", "refine", "fixed_angles", "ramp"])
def test_the_sweep_varies_the_inputs(strategy):
    circuit = read_user_circuit(RING.encode(), file="ring.qasm")
    spec = make_spec(strategy=strategy, points=9)
    plan = plan_sweep(REDUCED_MODEL, spec, circuit)
    assert plan.angles.shape == (9, 2)
    assert plan.layers == 0
    assert len(np.unique(plan.angles, axis=0)) == 9
    if strategy in ("random", "grid"):
        assert plan.angle_source[1:] == (strategy,) * 8
        assert np.abs(plan.angles).max() <= math.pi
        assert np.ptp(plan.angles, axis=0).min() > math.pi
    if strategy == "ramp":
        assert plan.angle_source[1] == "random near zero: ramp has no meaning for a circuit from a file"
    planned = build_batch(
        REDUCED_MODEL, plan.angles, spec, experiment="e-00000000", backend="local:auto", circuit=circuit
    )
    assert planned.ansatz == "file"
    assert planned.batch.structure is None
    again = batch_from_row(batch_to_row(planned))
    assert again.payload_sha256 == planned.batch.payload_sha256


def test_a_circuit_without_inputs_is_one_point():
    circuit = read_user_circuit(f"{V2}qreg q[3];\nh q;\nrx(0.3) q[0];\n".encode(), file="fixed.qasm")
    plan = plan_sweep(REDUCED_MODEL, make_spec(strategy="random", points=50), circuit)
    assert plan.angles.shape == (1, 0)
    assert plan.angle_source == ("the circuit has no inputs",)
    batch = build_batch(
        REDUCED_MODEL, plan.angles, make_spec(), experiment="e-00000000", backend="local:auto", circuit=circuit
    ).batch
    assert batch.bindings.tolist() == [[0.3]]


def test_a_centre_has_as_many_angles_as_the_circuit():
    circuit = read_user_circuit(RING.encode(), file="ring.qasm")
    plan = plan_sweep(REDUCED_MODEL, make_spec(strategy="refine", center=(0.1, 0.2), layers=1, points=3), circuit)
    assert plan.angles[0].tolist() == [0.1, 0.2]
    with pytest.raises(InvalidInput, match="has 4 angles, the circuit 2"):
        plan_sweep(REDUCED_MODEL, make_spec(strategy="refine", center=(0.1, 0.2, 0.3, 0.4)), circuit)


def test_another_width_than_the_reduced_model_names_both():
    circuit = read_user_circuit(RING.encode(), file="ring.qasm")
    reduced_model = make_reduced_model(ising([0.3, -1], {(0, 1): 1.0}))
    for use in (
        lambda: plan_sweep(reduced_model, make_spec(), circuit),
        lambda: build_batch(reduced_model, np.zeros((1, 2)), make_spec(), experiment="e", backend="b", circuit=circuit),
    ):
        with pytest.raises(
            InvalidInput, match="3 qubits, and reduction leaves a reduced model of 2 variables"
        ) as caught:
            use()
        assert (caught.value.file, caught.value.field) == ("ring.qasm", "problem.circuit")
        assert "for 2 qubits" in caught.value.remedy


def twelve_angles():
    """A composite gate with more angles than one digit counts, and the numbers that they get."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    layer = QuantumCircuit(2, name="layer")
    for i in range(12):
        layer.rx(Parameter(f"a{i}"), i % 2)
        layer.cx(0, 1)
    return layer, {f"a{i}": 0.1 * i * i - 0.7 for i in range(12)}


def test_a_composite_gate_of_twelve_angles_keeps_them_in_place_as_qiskit_exports_it():
    from qiskit import QuantumCircuit, qasm2, qasm3

    layer, values = twelve_angles()
    circuit = QuantumCircuit(3)
    circuit.append(layer.to_gate(), (2, 0))
    circuit.append(layer.to_gate(), (1, 2))
    bound = circuit.assign_parameters(values)
    text = qasm3.dumps(circuit)
    assert "gate layer(a0, a1, a10" in text
    assert meaning(text, [values[name] for name in check_circuit(text).inputs]).equiv(unitary(bound))
    for text in (qasm2.dumps(bound), qasm3.dumps(bound)):
        assert "gate layer" in text
        assert meaning(text, []).equiv(unitary(bound))


def test_angles_that_qiskit_exports_in_another_order_than_it_calls_them_are_warned_of():
    """Its exporter sorts the angles of a gate with mapped parameters by name, and calls the gate in the map's order."""
    assert check_circuit(RING).warnings == ()
    text = f"{V3}gate layer(a, b) q {{ rx(a) q; rz(b) q; }}\ninput float a;\ninput float b;\nqubit q;\nlayer(b, a) q;\n"
    (warning,) = check_circuit(text).warnings
    assert "line 7" in warning
    assert "by place" in warning
    assert read_user_circuit(text.encode(), file="f").warnings == (warning,)


def test_qubits_of_a_device_as_qiskit_compiles_and_exports_them():
    from qiskit import QuantumCircuit, qasm3, transpile

    plain = QuantumCircuit(4)
    plain.h(0)
    for i in range(3):
        plain.cx(i, i + 1)
        plain.rz(0.3 + i, i + 1)
    compiled = transpile(
        plain,
        coupling_map=[[i, i + 1] for i in range(3)] + [[i + 1, i] for i in range(3)],
        basis_gates=["rz", "sx", "x", "cx"],
        initial_layout=range(4),
        optimization_level=0,
    )
    text = qasm3.dumps(compiled)
    assert "$3" in text
    assert meaning(text, []).equiv(unitary(plain))
