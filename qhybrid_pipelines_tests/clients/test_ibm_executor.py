"""The program ``executor`` with release 0.51 of IBM's client: its own models read what is sent, and write what is decoded.

``make test-ibm`` runs this, and all other tests of the IBM adapter, with that release; the pinned one has none of its models.
"""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.ibm.executor import SCHEMA, executor_params
from qhybrid_pipelines.execution.ibm.results import PAYLOAD, decode_result
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines_tests.support.ibm_double import CRN, KEY, Cloud, serve

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
