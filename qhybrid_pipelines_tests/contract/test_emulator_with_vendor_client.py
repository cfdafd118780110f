"""The vendor's own client, ``qiskit-ionq``, lives its whole life against the emulator.

This is the emulator's independent truth: the client was written by the vendor against the real cloud, and nothing of it
is replaced here. Only the address and the key differ.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.providers import JobStatus
from qiskit.quantum_info import SparsePauliOp, Statevector

from qhybrid_pipelines.emulator.process import Emulator, start_emulator
from qhybrid_pipelines_tests.support.emulator_client import Client

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the vendor's package warns while it is imported; nothing of ours is involved
    from qiskit_ionq import ErrorMitigation, IonQProvider
    from qiskit_ionq.exceptions import IonQAPIError, IonQJobFailureError

pytestmark = [
    # the client chooses a random delay and tells of its own retries by warnings
    pytest.mark.filterwarnings("ignore:Retrying:UserWarning"),
    pytest.mark.filterwarnings("ignore:Unable to retrieve result:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:qiskit_ionq"),
    pytest.mark.filterwarnings("ignore::qiskit_ionq.exceptions.IonQTranspileLevelWarning"),
]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = start_emulator(tmp_path_factory.mktemp("cloud"), key="vendor-test", speed=3600, seed=7, drift_hours=12)
    yield running
    running.stop()


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    own = Client(emulator)
    own.faults()
    yield own
    own.close()


@pytest.fixture
def provider(emulator: Emulator, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)  # the client reads a .env of the current folder
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    return IonQProvider()


def ghz(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits, qubits, name=f"ghz{qubits}")
    circuit.h(0)
    for target in range(1, qubits):
        circuit.cx(0, target)
    circuit.measure(range(qubits), range(qubits))
    return circuit


def flipped(qubit: int, qubits: int = 4) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits, qubits, name=f"flip{qubit}")
    circuit.x(qubit)
    circuit.measure(range(qubits), range(qubits))
    return circuit


@pytest.mark.parametrize(("name", "qubits"), [("simulator", 29), ("qpu.aria-1", 25), ("qpu.forte-1", 36)])
def test_backend_objects_know_their_size(provider: Any, name: str, qubits: int) -> None:
    assert provider.get_backend(name).num_qubits == qubits


def test_single_circuit_from_submission_to_counts(provider: Any, client: Client) -> None:
    backend = provider.get_backend("qpu.aria-1")
    client.admin("PUT", "/backends/qpu.aria-1", {"extra_wait_seconds": 7200.0})
    job = backend.run(transpile(flipped(0), backend, optimization_level=1), shots=500)
    client.admin("PUT", "/backends/qpu.aria-1", {"extra_wait_seconds": 0.0})
    assert job.status() in (JobStatus.INITIALIZING, JobStatus.QUEUED)
    client.advance(100_000)
    assert job.status() is JobStatus.DONE
    counts = job.get_counts()
    assert sum(counts.values()) == 500
    assert max(counts, key=counts.get) == "0001"
    assert math.isfinite(job.result().time_taken)


def test_statuses_pass_through_the_vendor_s_words(provider: Any, client: Client) -> None:
    backend = provider.get_backend("qpu.forte-1")
    seen = []
    for state in ("submitted", "ready", "started"):
        client.faults({"fault": "stuck", "params": {"state": state}})
        job = backend.run(ghz(3), shots=10)
        client.advance(100_000)
        seen.append(job.status())
    assert seen == [JobStatus.INITIALIZING, JobStatus.QUEUED, JobStatus.RUNNING]


def test_multi_circuit_results_come_back_in_order_and_exact(provider: Any, client: Client) -> None:
    backend = provider.get_backend("qpu.aria-1")
    circuits = [flipped(2), flipped(0), ghz(4), flipped(2)]
    job = backend.run(circuits, shots=1000)
    client.advance(100_000)
    counts = job.get_counts()
    assert [sum(one.values()) for one in counts] == [1000] * 4
    assert [max(one, key=one.get) for one in (counts[0], counts[1], counts[3])] == ["0100", "0001", "0100"]
    assert counts[2].get("0000", 0) > 400
    assert counts[2].get("1111", 0) > 400
    assert counts[0] != counts[3], "equal circuits are different runs"
    assert job.status(detailed=True)["statuses"] == [JobStatus.DONE] * 4


def test_memory_agrees_with_counts_on_both_paths(provider: Any, client: Client) -> None:
    backend = provider.get_backend("qpu.aria-1")
    single, several = (
        backend.run(ghz(3), shots=200, memory=True),
        backend.run([ghz(3), flipped(1)], shots=200, memory=True),
    )
    client.advance(100_000)
    memory = single.get_memory()
    assert {value: memory.count(value) for value in set(memory)} == dict(single.get_counts())
    result = several.result()
    for index in range(2):
        memory = result.get_memory(index)
        assert {value: memory.count(value) for value in set(memory)} == dict(result.get_counts(index))


def every_gate() -> QuantumCircuit:
    """A circuit with each gate that the client can send, at angles without symmetry."""
    circuit = QuantumCircuit(4)
    for qubit in range(4):
        circuit.ry(0.3 + 0.4 * qubit, qubit)
    for name in ("x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "t", "tdg"):
        getattr(circuit, name)(1)
        circuit.rx(0.37, 1)
    circuit.rx(0.7, 0)
    circuit.rz(1.1, 2)
    circuit.p(0.9, 3)
    circuit.cx(0, 1)
    circuit.cy(1, 2)
    circuit.cz(2, 3)
    circuit.ch(3, 0)
    circuit.csx(0, 2)
    circuit.crx(0.4, 1, 3)
    circuit.cry(0.5, 3, 2)
    circuit.crz(0.6, 2, 0)
    circuit.cp(0.8, 0, 3)
    circuit.rxx(0.9, 0, 1)
    circuit.ryy(1.2, 1, 2)
    circuit.rzz(1.4, 2, 3)
    circuit.swap(0, 3)
    circuit.ccx(0, 1, 2)
    circuit.mcp(0.7, [0, 1], 3)
    circuit.h(range(4))
    return circuit


def test_every_gate_means_what_qiskit_means(provider: Any, client: Client) -> None:
    circuit = every_gate()
    exact = Statevector(circuit).probabilities()
    circuit.measure_all()
    shots = 1_000_000
    job = provider.get_backend("simulator").run(circuit, shots=shots, sampler_seed=1)
    client.advance(1000)
    seen = np.zeros(16)
    found = client.get(f"/jobs/{job.job_id()}/results/probabilities").json()
    for state, probability in found.items():
        seen[int(state)] = probability
    assert np.abs(seen - exact).max() < 5 * 0.5 / np.sqrt(shots)
    assert math.isclose(seen.sum(), 1.0)


def test_pauli_evolution(provider: Any, client: Client) -> None:
    operator = SparsePauliOp(["XXI", "IZZ", "YYI"], [0.4, 0.9, -0.2]).simplify()
    circuit = QuantumCircuit(3)
    circuit.ry(0.8, 0)
    circuit.append(PauliEvolutionGate(SparsePauliOp(["XXI", "YYI"], [0.4, -0.2]), time=0.7), [0, 1, 2])
    circuit.append(PauliEvolutionGate(SparsePauliOp(["IZZ"], [0.9]), time=0.7), [0, 1, 2])
    circuit.h(range(3))
    exact = Statevector(circuit.decompose(["PauliEvolution"], reps=1)).probabilities()
    assert operator.num_qubits == 3
    circuit.measure_all()
    job = provider.get_backend("simulator").run(circuit, shots=1_000_000)
    client.advance(1000)
    found = client.get(f"/jobs/{job.job_id()}/results/probabilities").json()
    assert max(abs(found.get(str(state), 0.0) - exact[state]) for state in range(8)) < 0.003


def test_native_gates_mean_what_the_client_s_matrices_mean(provider: Any, client: Client) -> None:
    from qiskit_ionq import GPI2Gate, GPIGate, MSGate, ZZGate

    for name, pair in (("qpu.aria-1", MSGate(0.1, 0.35, 0.2)), ("qpu.forte-1", ZZGate(0.15))):
        circuit = QuantumCircuit(2)
        circuit.append(GPI2Gate(0.2), [0])
        circuit.append(GPI2Gate(0.6), [1])
        circuit.append(GPIGate(0.4), [1])
        circuit.append(pair, [0, 1])
        circuit.append(GPI2Gate(0.9), [0])
        circuit.append(GPI2Gate(0.3), [1])
        exact = Statevector.from_int(0, 4)
        for instruction in circuit.data:
            where = [circuit.qubits.index(qubit) for qubit in instruction.qubits]
            exact = exact.evolve(np.asarray(instruction.operation.__array__()), where)
        circuit.measure_all()
        backend = provider.get_backend("simulator", gateset="native")
        backend.set_options(noise_model="ideal")
        job = backend.run(circuit, shots=1_000_000)
        client.advance(1000)
        found = client.get(f"/jobs/{job.job_id()}/results/probabilities").json()
        assert max(abs(found.get(str(s), 0.0) - p) for s, p in enumerate(exact.probabilities())) < 0.003, name


def test_the_simulator_imitates_a_machine(provider: Any, client: Client) -> None:
    backend = provider.get_backend("simulator")
    ideal, noisy = backend.run(ghz(4), shots=2000), backend.run(ghz(4), shots=2000, noise_model="aria-1")
    client.advance(1000)
    states = [set(client.get(f"/jobs/{job.job_id()}/results/probabilities").json()) for job in (ideal, noisy)]
    assert states[0] == {"0", "15"}
    assert states[1] > states[0]


def test_cancelling(provider: Any, client: Client) -> None:
    backend = provider.get_backend("qpu.aria-1")
    client.admin("PUT", "/backends/qpu.aria-1", {"extra_wait_seconds": 1e6})
    job = backend.run(ghz(3), shots=10)
    client.admin("PUT", "/backends/qpu.aria-1", {"extra_wait_seconds": 0.0})
    job.cancel()
    assert job.status() is JobStatus.CANCELLED


def test_failure_reaches_the_client_as_its_error(provider: Any, client: Client) -> None:
    client.faults({"fault": "failed", "params": {"code": "QuantumComputerError"}})
    job = provider.get_backend("qpu.aria-1").run(ghz(3), shots=10)
    client.advance(100_000)
    with pytest.raises(IonQJobFailureError, match="QuantumComputerError"):
        job.status()


def test_retrieving_by_id_after_the_cloud_was_killed(provider: Any, client: Client, emulator: Emulator) -> None:
    backend = provider.get_backend("qpu.aria-1")
    job = backend.run([ghz(3), flipped(1)], shots=300)
    client.advance(100_000)
    before = job.get_counts()
    emulator.restart()
    assert backend.retrieve_job(job.job_id()).get_counts() == before


def test_estimate_and_characterization(provider: Any, client: Client) -> None:
    backend = provider.get_backend("qpu.forte-1")
    estimate = backend.client.estimate_job(backend="qpu.forte-1", oneq_gates=100, twoq_gates=50, qubits=5, shots=1000)
    assert estimate.cost == pytest.approx(1000 * (100 * 0.0001645 + 50 * 0.001121))
    assert estimate.cost_unit == "usd"
    assert estimate.exec_time > 0
    assert estimate.total_runtime > estimate.exec_time
    found = backend.calibration()
    assert found.qubits == 36
    assert 0.9 < found.median_spam_fidelity < 1
    assert found.date <= datetime.fromtimestamp(client.admin("GET", "/clock")["now_seconds"], tz=UTC)
    assert len(found.connectivity) == 36 * 35 // 2
    assert backend.status() is True
    assert len(backend.client.get_calibration_data("qpu.forte-1", limit=3)) == 3
    assert provider.get_backend("simulator").client.get_calibration_data("simulator") == []


def test_debiasing_and_dry_run(provider: Any, client: Client) -> None:
    backend = provider.get_backend("qpu.forte-1")
    with pytest.raises(IonQAPIError, match="500 shots"):
        backend.run(ghz(2), shots=100, error_mitigation=ErrorMitigation.DEBIASING)
    mitigated = backend.run(ghz(2), shots=600, error_mitigation=ErrorMitigation.DEBIASING)
    dry = backend.run(ghz(2), shots=600, dry_run=True)
    client.advance(100_000)
    assert sum(mitigated.get_counts().values()) == 600
    assert dry.status() is JobStatus.DONE
    assert dry.dry_run
    assert [job["charged_usd"] for job in client.book()[-2:]] == [25.7899, 0.0]


def test_a_wrong_key_is_an_error_of_the_client(provider: Any, emulator: Emulator) -> None:
    stranger = IonQProvider(token="stranger", url=emulator.url).get_backend("simulator")
    with pytest.raises(IonQAPIError) as caught:
        stranger.run(ghz(2), shots=10)
    assert caught.value.status_code == 401


def test_the_client_pays_twice_for_an_answer_that_was_lost(provider: Any, client: Client) -> None:
    """The reason why our own adapter sends one request per attempt and looks before it repeats."""
    before = len(client.book())
    client.faults({"route": "POST /jobs", "fault": "after_accept", "nth": 1})
    provider.get_backend("simulator").run(ghz(2), shots=10)
    assert len(client.book()) - before == 2


def test_a_job_deleted_by_the_client_is_gone_for_it_but_not_from_the_book(provider: Any, client: Client) -> None:
    backend = provider.get_backend("simulator")
    job = backend.run(ghz(2), shots=10)
    backend.client.delete_job(job.job_id())
    with pytest.raises(IonQAPIError) as caught:
        backend.retrieve_job(job.job_id())
    assert caught.value.status_code == 404
    assert client.book()[-1]["id"] == job.job_id()
