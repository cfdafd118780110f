"""Other people's clients live their whole lives against the emulated cloud, each in an environment of its own.

They were written against the real service by people who do not know the emulator: IonQ's generated clients of April and October
2026, the plug-ins of Cirq, PennyLane, Qiskit and qBraid, D-Wave's own client for the annealing face, Amazon's for that of Braket, and for IBM's the one of computing centres. Their requirements
exclude ours and each other's, so each environment is made from an exact list in ``constraints/clients/``. What the client asserts about its results stands in
``life_*.py``; here the cloud's own book is the judge of what was accepted.

``make test-clients``; not part of the test command, because the environments come from the network.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import Statevector

from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.emulator.process import IBM_INSTANCE, start_emulator
from qhybrid_pipelines.execution.braket.payload import task_body
from qhybrid_pipelines.execution.braket.programs import GATES, compile_template, program_source, programs
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.compile_cache import CompileCache
from qhybrid_pipelines.execution.ibm.codecs import encoder
from qhybrid_pipelines_tests.support.client_environments import LISTS, check_list, make_environment
from qhybrid_pipelines_tests.support.emulator_client import Client

SAPI, BRAKET, IBM = "sapi-3", "braket", "ibm"
LIVES = (
    ("amazon-braket-sdk", "3.11", "life_amazon_braket_sdk", BRAKET),
    ("cirq-ionq", "3.11", "life_cirq_ionq", "2026-04"),
    ("dwave-system", "3.11", "life_dwave_system", SAPI),
    ("ionq-core-0.1", "3.12", "life_ionq_core", "2026-04"),
    ("ionq-core-0.2", "3.12", "life_ionq_core", "2026-10"),
    ("pennylane-ionq", "3.11", "life_pennylane_ionq", "2026-04"),
    ("qiskit-ionq", "3.11", "life_qiskit_ionq", "2026-04"),
    ("qbraid", "3.11", "life_qbraid", "2026-04"),
    ("qrmi", "3.11", "life_qrmi", IBM),
)

pytestmark = pytest.mark.clients


@pytest.mark.parametrize(("name", "version", "life", "form"), LIVES, ids=[f"{one[0]}-{one[3]}" for one in LIVES])
def test_a_client_lives_its_whole_life(name, version, life, form, *, tmp_path):
    python = make_environment(name, version)
    # an annealer's queue is short: a problem is cancelled while it waits
    speed = {SAPI: 1.0, BRAKET: 600.0, IBM: 50.0}.get(form, 3600.0)
    interface = None if form in (SAPI, BRAKET, IBM) else form
    emulator = start_emulator(tmp_path / "cloud", speed=speed, seed=7, interface=interface)
    root = emulator.url.rpartition("/")[0]
    address = {SAPI: emulator.sapi_url, BRAKET: root, IBM: root}.get(form, emulator.url)
    given = {BRAKET: program_of_ours, IBM: job_of_ours}.get(form, str)
    try:
        script = Path(__file__).with_name(f"{life}.py")
        ended = subprocess.run(
            [python, "-P", script, address, emulator.key],
            input=given(),
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
        said = json.loads(ended.stdout.splitlines()[-1])
        own = Client(emulator)
        book = own.book()
        own.close()
    finally:
        emulator.stop()
    accepted = Counter(job["id"] for job in book)
    assert set(accepted) == set(said["ids"]), "every job that was accepted is known to its client"
    assert set(accepted.values()) == {1}
    print(f"{name} on Python {version}, interface {form}: {len(book)} jobs", file=sys.stderr)


def program_of_ours() -> str:
    """Return a program as the adapter writes it, for Amazon's own simulator, and the probabilities of its template."""
    text = (
        'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float[64] a;\nbit[4] c;\nqubit[4] q;\nh q[0];\ncx q[0], q[1];\n'
        "ry(a) q[2];\nrx(2 * a) q[3];\ncx q[2], q[3];\nsx q[1];\nrz(a) q[1];\nsx q[1];\nswap q[0], q[3];\n"
        + "".join(f"c[{bit}] = measure q[{bit}];\n" for bit in range(4))
    )
    template = Template(text=text, parameters=("a",), n_qubits=4)
    with tempfile.TemporaryDirectory() as folder:
        compiled = compile_template(CompileCache(Path(folder)), template, "braket:x", tuple(GATES), level=3, seed=7)
    source = program_source(compiled.native, ("a",), np.array([0.83]))
    circuit = read_circuit(text).assign_parameters([0.83]).remove_final_measurements(inplace=False)
    shares = Statevector(circuit).probabilities_dict()  # qubit 0 is the rightmost there, and the leftmost at Amazon
    wanted = {state[::-1]: float(share) for state, share in shares.items()}
    told = {"source": source, "shots": 20_000, "probabilities": wanted}
    return json.dumps(told | set_of_ours())


def set_of_ours() -> dict[str, object]:
    """Return a program set as the adapter sends it, and the outcome of each of its circuits, qubit 0 leftmost as at Amazon."""
    batch, outcomes = canary_batch("batch", width=3, qubit=2, backend="braket:x", shots=50, repetitions=1)
    with tempfile.TemporaryDirectory() as folder:
        compiled = compile_template(
            CompileCache(Path(folder)), batch.template, "braket:x", tuple(GATES), level=1, seed=7
        )
    found = programs(compiled.native, batch.template.parameters, batch.bindings, batch.repetitions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMZN_BRAKET_OUT_S3_BUCKET", "amazon-braket-results")
        body = task_body(batch, found, "token", device_arn="arn:aws:braket:x", region="x")
    return {"set": json.loads(body)["action"], "set_outcomes": [f"{outcome:03b}"[::-1] for outcome in outcomes]}


def job_of_ours() -> str:
    """Return an instance, and a job of IBM's as its client writes it: on a device's own qubits, bit 1 is always 1."""
    circuit = QuantumCircuit(5, 2)
    circuit.x(1)
    circuit.measure([0, 1], [0, 1])
    params = {"pubs": [SamplerPub.coerce((circuit, None, 100))], "options": {}, "version": 2, "support_qiskit": True}
    return json.dumps({"instance": IBM_INSTANCE, "params": params}, cls=encoder())


def test_every_list_is_exact_and_has_a_life():
    names = {path.stem for path in LISTS.glob("*.txt") if not path.stem.startswith("duckdb")}
    assert names == {name for name, *_ in LIVES}
    for name in names:
        check_list(name, name.removesuffix("-0.1").removesuffix("-0.2"))
