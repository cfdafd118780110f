"""Programs mean what their templates mean, whatever gates a device takes; numbers in them are the batch's, digit for digit."""

from __future__ import annotations

import re

import numpy as np
import pytest
from qiskit.quantum_info import Statevector

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.emulator.braket.openqasm import Program
from qhybrid_pipelines.emulator.sampling import exact_probabilities
from qhybrid_pipelines.execution.braket.programs import GATES, compile_template, program_source, programs
from qhybrid_pipelines.execution.compile_cache import CompileCache

TEXT = """OPENQASM 3.0;
include "stdgates.inc";
gate rzz(a) p, q { cx p, q; rz(a) q; cx p, q; }
input float[64] beta_0;
input float[64] gamma_0;
bit[3] c;
qubit[3] q;
h q[0];
ry(0.3) q[1];
rzz(gamma_0) q[0], q[1];
rzz(2 * gamma_0) q[1], q[2];
sx q[2];
rx(beta_0) q[0];
rx(beta_0) q[1];
cx q[2], q[0];
c[0] = measure q[0];
c[1] = measure q[1];
c[2] = measure q[2];
"""
TEMPLATE = Template(text=TEXT, parameters=("beta_0", "gamma_0"), n_qubits=3)
SETS = {
    "all": tuple(GATES),
    "a chip": ("cz", "rx", "rz"),
    "ions": ("rx", "ry", "rz", "rzz"),
    "no angle twice": ("h", "cx", "rz"),
}


@pytest.mark.parametrize("gates", SETS.values(), ids=SETS)
def test_a_program_means_what_its_template_means(gates, tmp_path):
    compiled = compile_template(CompileCache(tmp_path), TEMPLATE, "braket:x", gates, level=3, seed=7)
    binding = np.array([0.731, -1.2345678901234567])
    source = program_source(compiled.native, TEMPLATE.parameters, binding)
    used = set(re.findall(r"^([a-z]+)[ (]", source, re.MULTILINE)) - {"bit", "qubit"}
    assert used <= {GATES[name] for name in gates}
    found = exact_probabilities(Program(source, {}).circuit)
    circuit = read_circuit(TEXT).assign_parameters(dict(zip(TEMPLATE.parameters, binding, strict=True)))
    expected = Statevector(circuit.remove_final_measurements(inplace=False)).probabilities()
    assert np.allclose([found.get(str(state), 0.0) for state in range(8)], expected, atol=1e-12)


@pytest.mark.parametrize("gates", SETS.values(), ids=SETS)
def test_a_program_of_many_points_means_each_of_them(gates, tmp_path):
    compiled = compile_template(CompileCache(tmp_path), TEMPLATE, "braket:x", gates, level=3, seed=7)
    bindings = np.array([[0.731, -1.2345678901234567], [0.2, -1.2345678901234567], [0.2, 0.9]])
    [program] = programs(compiled.native, TEMPLATE.parameters, bindings, 2)
    lists = program["inputs"]
    assert re.findall(r"input float (\w+);", program["source"]) == list(lists)
    assert {len(values) for values in lists.values()} == {6}
    for point, binding in enumerate(bindings):
        alone = exact_probabilities(Program(program_source(compiled.native, TEMPLATE.parameters, binding), {}).circuit)
        for executable in (2 * point, 2 * point + 1):
            inputs = {name: values[executable] for name, values in lists.items()}
            assert exact_probabilities(Program(program["source"], inputs).circuit) == alone


def test_points_that_do_not_differ_need_no_inputs(tmp_path):
    compiled = compile_template(CompileCache(tmp_path), TEMPLATE, "braket:x", tuple(GATES), level=1, seed=7)
    found = programs(compiled.native, TEMPLATE.parameters, np.array([[0.3, 0.4]] * 2), 3)
    assert found == [{"source": program_source(compiled.native, TEMPLATE.parameters, np.array([0.3, 0.4]))}] * 6


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(Rejected, match="cannot be written with the gates x"):
        compile_template(CompileCache(tmp_path), TEMPLATE, "braket:x", ("x",), level=1, seed=7)
    measured_between = Template(
        text=TEXT.replace("sx q[2];", "c[1] = measure q[1];\nx q[1];"), parameters=TEMPLATE.parameters, n_qubits=3
    )
    with pytest.raises(Rejected, match="one measurement of every qubit"):
        compile_template(CompileCache(tmp_path), measured_between, "braket:x", tuple(GATES), level=1, seed=7)
