"""The program ``executor`` with release 0.51 of IBM's client: its own models read what is sent, and write what is decoded.

``make test-ibm`` runs this, and all other tests of the IBM adapter, with that release; the pinned one has none of its models.
"""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import Ambiguous, CorruptResult
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.ibm.orders import RuntimeRefusal, read_order
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.ibm.executor import SCHEMA, executor_params
from qhybrid_pipelines.execution.ibm.results import PAYLOAD, decode_result
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines_tests.support.emulator_client import running_cloud
from qhybrid_pipelines_tests.support.ibm_double import CRN, KEY, Cloud, serve
from qhybrid_pipelines_tests.support.ibm_own_client import run_ibm_client

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(
        find_spec("ibm_quantum_schemas") is None,
        reason="SKIPPED LOUDLY: needs qiskit-ibm-runtime 0.51; make test-ibm has it",
    ),
]


def turned_circuit():
    """Two inputs in an order that is not the alphabet's, one register."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    circuit = QuantumCircuit(2)
    for qubit, name in enumerate(("zeta", "alpha")):
        circuit.rx(Parameter(name), qubit)
    circuit.measure_all(inplace=True)
    return circuit


def test_the_vendors_own_model_reads_what_is_sent():
    from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS

    circuit, values = turned_circuit(), np.arange(12.0).reshape(3, 2, 2)
    params = executor_params(circuit, values, shots=77, passed_through={PAYLOAD: "hash"})
    converter = QUANTUM_PROGRAM_PARAMS_CONVERTERS[SCHEMA]
    program, _ = converter.decoder(converter.model.model_validate(json.loads(json.dumps(params))))
    [item] = program.items
    assert (program.shots, program.passthrough_data) == (77, {PAYLOAD: "hash"})
    assert np.array_equal(item.circuit_arguments, values)
    assert [parameter.name for parameter in item.circuit.parameters] == [one.name for one in circuit.parameters]
    assert item.circuit.count_ops()["rx"] == 2


def result_bytes(batch, outcomes, *, payload: str) -> bytes:
    """A result as the vendor's model writes it, every shot of a point the outcome that it must have."""
    from ibm_quantum_schemas.common import CompressedTensorModel
    from ibm_quantum_schemas.executor.version_2_0.models import (
        ItemMetadataModel,
        MetadataModel,
        QuantumProgramResultItemModel,
        QuantumProgramResultModel,
    )

    bits = np.zeros((batch.points, batch.repetitions, batch.shots, batch.template.n_qubits), dtype=bool)
    for point, outcome in enumerate(outcomes):
        for bit in range(batch.template.n_qubits):
            bits[point, :, :, bit] = bool(outcome >> bit & 1)
    item = QuantumProgramResultItemModel(
        results={"c": CompressedTensorModel.from_numpy(bits)}, metadata=ItemMetadataModel()
    )
    model = QuantumProgramResultModel(
        data=[item], metadata=MetadataModel(chunk_timing=[]), passthrough_data={PAYLOAD: payload}
    )
    return model.model_dump_json().encode()


@pytest.mark.parametrize("width", [3, 8, 11])
def test_a_result_of_the_vendors_model_is_decoded_bit_by_bit(width):
    batch, outcomes = canary_batch("batch", width=width, qubit=1, backend="ibm:ibm_manila", shots=40, repetitions=2)
    content = result_bytes(batch, outcomes, payload=batch.payload_sha256)
    counts = decode_result(content, batch).to_pylist()
    assert [(row["point"], row["repetition"], row["bits"], row["count"]) for row in counts] == [
        (point, repetition, outcome, 40) for point, outcome in enumerate(outcomes) for repetition in range(2)
    ]


def test_another_batchs_result_and_a_damaged_one_are_refused():
    batch, outcomes = canary_batch("batch", width=3, qubit=1, backend="ibm:ibm_manila", shots=40)
    other = canary_batch("batch", width=3, qubit=2, backend="ibm:ibm_manila", shots=40)[0]
    content = result_bytes(batch, outcomes, payload=batch.payload_sha256)
    with pytest.raises(CorruptResult, match="payload"):
        decode_result(content, other)
    for damaged in (content[: len(content) // 2], content.replace(b"v2.0", b"v9.0"), content.replace(b'"c"', b'"d"')):
        with pytest.raises(CorruptResult):
            decode_result(damaged, batch)


def test_the_service_is_asked_for_the_program_that_the_environment_names(monkeypatch, tmp_path):
    cloud = Cloud()
    server, url = serve(cloud)
    try:
        for name, value in {
            "QISKIT_IBM_TOKEN": KEY,
            "QISKIT_IBM_INSTANCE": CRN,
            "QISKIT_IBM_BACKENDS": "ibm_manila",
            "QISKIT_IBM_URL": f"{url}/api/v1",
            "QISKIT_IBM_IAM_URL": url,
            "QISKIT_IBM_PROGRAM": "executor",
        }.items():
            monkeypatch.setenv(name, value)
        batch, _ = canary_batch("batch", width=4, qubit=1, backend="ibm:ibm_manila", shots=40, repetitions=2)
        IbmProvider(tmp_path).submit(batch, "token")
        [job] = cloud.jobs.values()
        said = json.loads(job["body"])
    finally:
        server.shutdown()
        server.server_close()
    assert said["program_id"] == "executor"
    assert said["params"]["schema_version"] == SCHEMA
    assert said["params"]["quantum_program"]["passthrough_data"] == {PAYLOAD: batch.payload_sha256}


# At the emulated cloud, which runs the program by the same models.


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    monkeypatch.setenv("QISKIT_IBM_PROGRAM", "executor")
    with running_cloud(tmp_path / "cloud", speed=1000.0, seed=7, drift_hours=1e5) as client:
        yield client


def test_our_adapter_lives_its_life_with_the_program(cloud, monkeypatch, tmp_path):
    for name, value in cloud.emulator.ibm_environment.items():
        monkeypatch.setenv(name, value)
    provider, backend = IbmProvider(tmp_path / "ibm"), "ibm:ibm_manila"
    batch, outcomes = canary_batch("batch", width=4, qubit=1, backend=backend, shots=90, repetitions=2)
    cloud.faults({"route": "POST /ibm/jobs", "nth": 1, "fault": "after_accept", "params": {"drop": True}})
    with pytest.raises(Ambiguous):
        provider.submit(batch, "1" * 32)
    found = provider.find(backend, "1" * 32)
    [bought] = cloud.book()
    assert (found.provider_job_id, bought["type"]) == (bought["id"], "executor")
    cloud.advance(1e6)
    [snapshot] = provider.poll([found])
    assert snapshot.state is JobState.COMPLETED
    raw = provider.fetch(found)
    counts = provider.decode(raw, batch).to_pylist()
    for point, outcome in enumerate(outcomes):
        rows = [row for row in counts if row["point"] == point and row["repetition"] == 0]
        assert sum(row["count"] for row in rows) == batch.shots
        assert max(rows, key=lambda row: row["count"])["bits"] == outcome
    other = canary_batch("batch", width=4, qubit=2, backend=backend, shots=90, repetitions=2)[0]
    with pytest.raises(CorruptResult, match="payload"):
        provider.decode(raw, other)


LIFE = """
import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit_ibm_runtime import Executor, QiskitRuntimeService, SamplerV2
from qiskit_ibm_runtime.exceptions import IBMRuntimeError
from qiskit_ibm_runtime.executor_sampler import Sampler
from qiskit_ibm_runtime.quantum_program import QuantumProgram
service = QiskitRuntimeService()
backend = service.backend("ibm_manila")
circuit = QuantumCircuit(5, 2)
circuit.rz(Parameter("a"), 3)
circuit.x(3)
circuit.measure([3, 1], [0, 1])
program = QuantumProgram(shots=300, passthrough_data={"of": ["mine", 3]})
program.append_circuit_item(circuit, circuit_arguments=np.zeros((2, 3, 1)))
executor = Executor(backend)
executor.options.environment.job_tags = ["blue"]
job = executor.run(program)
result = job.result()
bits = result[0]["c"]
assert bits.shape == (2, 3, 300, 2), bits.shape
assert bits[..., 0].mean() > 0.9 and bits[..., 1].mean() < 0.1
assert result.passthrough_data == {"of": ["mine", 3]}
assert [one.job_id() for one in service.jobs(job_tags=["blue"], program_id="executor")] == [job.job_id()]
again = service.job(job.job_id())
assert np.array_equal(again.result()[0]["c"], bits)
assert again.metrics()["executions"] == 1800
sampled = Sampler(backend).run([(circuit, [0.0])], shots=200).result()
counts = sampled[0].data.c.get_counts()
assert max(counts, key=counts.get) == "01", counts
try:
    executor.run(QuantumProgram(shots=1_000_000, items=program.items))
except IBMRuntimeError as error:
    assert "1000000 shots" in str(error), error
else:
    raise AssertionError("nothing was refused")
"""


def test_the_vendors_executor_and_the_sampler_that_is_built_on_it(cloud, tmp_path):
    run_ibm_client(cloud.emulator, tmp_path, "-c", LIFE)
    assert [job["type"] for job in cloud.book()] == ["executor"] * 2


def test_what_the_face_does_not_run_is_refused_by_name():
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(5, 1)
    circuit.measure(0, 0)
    good = executor_params(circuit, np.zeros((1, 0)), shots=10, passed_through={})
    body = {"backend": "ibm_manila", "program_id": "executor"}
    assert read_order(json.dumps(body | {"params": good}).encode()).executions == 10
    program = good["quantum_program"]
    for params, words in (
        (good | {"schema_version": "v9.0"}, "schema_version is 'v9.0'"),
        (good | {"quantum_program": program | {"meas_level": "kerneled"}}, "meas_level 'kerneled' is not emulated"),
        (good | {"quantum_program": program | {"shots": 0}}, "cannot be read"),
        (good | {"quantum_program": program | {"items": []}}, "cannot be read"),
        ({"schema_version": SCHEMA}, "cannot be read"),
    ):
        with pytest.raises(RuntimeRefusal, match=words):
            read_order(json.dumps(body | {"params": params}).encode())
