"""Readout errors behind the results of fake devices, against Aer's density matrix without them."""

from dataclasses import replace

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qhybrid_pipelines.classical.shot_means import mean_over_shots
from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.execution.ibm.fakes import fake_device
from qhybrid_pipelines.execution.ibm.noise import noise_model_for
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines.quantum.mitigation.readout_inverse import corrected_energies, widest_difference
from qhybrid_pipelines.quantum.qaoa import qaoa_ansatz
from qhybrid_pipelines_tests.support.reduced_models import maxcut

BACKEND = "ibm:fake_manila"


def aers_energy(provider, batch, model):
    """The energy of the compiled circuit with all errors but those of reading, and that with these, by density matrices."""
    from qiskit_aer import AerSimulator

    circuit, used, _ = provider.local.placed(batch)
    bound = circuit.assign_parameters(
        batch.bindings[0, [batch.template.parameters.index(p.name) for p in circuit.parameters]].tolist()
    )
    noise = noise_model_for(fake_device("fake_manila").target, used)
    read_into = [0] * circuit.num_clbits
    asked = QuantumCircuit(circuit.num_qubits)
    for instruction in bound.data:
        qubits = [bound.find_bit(qubit).index for qubit in instruction.qubits]
        if instruction.name == "measure":
            read_into[bound.find_bit(instruction.clbits[0]).index] = qubits[0]
        elif instruction.name != "barrier":
            asked.append(instruction.operation, qubits)
    asked.save_probabilities(read_into)
    quiet = np.asarray(
        AerSimulator(method="density_matrix", noise_model=noise).run(asked, shots=1).result().data(0)["probabilities"]
    )
    read = quiet
    for bit, qubit in enumerate(read_into):
        confusion = noise._local_readout_errors[(qubit,)].probabilities  # rows: what is true
        read = np.einsum("atb,tr->arb", read.reshape(-1, 2, 2**bit), confusion).ravel()
    return quiet @ model.diagonal, read @ model.diagonal


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A provider, a batch of QAOA whose qubits are read badly, its model and its result."""
    provider = IbmProvider(tmp_path_factory.mktemp("ibm"))
    model = maxcut(5, [(0, 1), (1, 2), (2, 3), (3, 4)])
    made = qaoa_ansatz(model, 1)
    batch = CircuitBatch(
        experiment="e",
        backend=BACKEND,
        template=made.template,
        bindings=made.bindings(np.array([[0.6, 0.4]])),
        shots=20_000,
        seeds=np.arange(4, dtype=np.uint64).reshape(1, 4),
    )
    ref = provider.submit(batch, "token")
    return provider, batch, model, provider.fetch(ref)


def test_the_corrected_mean_is_that_of_aer_without_readout_errors_and_the_plain_one_is_not(measured):
    provider, batch, model, raw = measured
    counts = provider.decode(raw, batch)
    errors = provider.readout_errors(raw, batch, None)
    bits, shots, runs = (counts.column(name).to_numpy() for name in ("bits", "count", "repetition"))
    values = corrected_energies(model, bits, errors)
    corrected = mean_over_shots(values, shots, runs, widest=widest_difference(model, errors))
    plain = mean_over_shots(model.energies(bits), shots, runs, widest=widest_difference(model))
    quiet, read = aers_energy(provider, batch, model)
    assert abs(corrected.mean - quiet) < 4 * corrected.standard_error
    assert abs(plain.mean - read) < 4 * plain.standard_error
    assert abs(plain.mean - quiet) > 10 * plain.standard_error
    assert errors.calibration_id == provider.calibration(BACKEND).calibration_id


def test_a_circuit_that_was_compiled_otherwise_has_no_known_errors(measured, monkeypatch):
    provider, batch, _, raw = measured
    head = provider.details(raw)
    monkeypatch.setattr(provider.local, "details", lambda _: {**head, "compiled_sha256": "0" * 64})
    assert provider.readout_errors(raw, batch, None) is None


def test_the_service_does_not_say_which_qubits_a_job_ran_on(measured):
    provider, batch, _, raw = measured
    elsewhere = replace(raw, ref=replace(raw.ref, backend="ibm:ibm_torino"))
    assert provider.readout_errors(elsewhere, batch, None) is None


def test_an_ideal_simulator_reads_without_errors():
    found = ReadoutErrors.none(3)
    assert found.zero_as_one.tolist() == found.one_as_zero.tolist() == [0, 0, 0]
    assert found.calibration_id is None
