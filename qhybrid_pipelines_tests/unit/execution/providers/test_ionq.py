"""The adapter at the emulator: what its faults are taken for, what leaves this machine, and rotated keys."""

from __future__ import annotations

import json
import os
import re
import time
from itertools import count

import httpx
import numpy as np
import pytest

from qhybrid_pipelines.core.errors import Ambiguous, Throttled, Unavailable
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.http.transport import RequestLimits
from qhybrid_pipelines.execution.ionq.client import IonQClient
from qhybrid_pipelines.execution.providers.ionq import IonQProvider

SIMULATOR = "ionq:simulator"
PATIENCE = RequestLimits(connect_seconds=1, read_seconds=0.4, total_seconds=0.8)
NUMBERS = count()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    running = start_emulator(tmp_path_factory.mktemp("cloud"), speed=2000.0, seed=3)
    yield running
    running.stop()


@pytest.fixture
def provider(emulator, tmp_path, monkeypatch):
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    admin(emulator, "PUT", "/faults", [])
    return IonQProvider(tmp_path / "ionq", IonQClient(limits=PATIENCE))


def admin(emulator, method: str, path: str, body=None):
    answer = httpx.request(method, emulator.admin_url + path, json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def accepted(emulator, token: str) -> int:
    return sum(job["name"] == token for job in admin(emulator, "GET", "/jobs")["jobs"])


def new_token() -> str:
    return f"{next(NUMBERS):032x}"


def batch(backend: str = SIMULATOR) -> CircuitBatch:
    return canary_batch("single", width=3, qubit=1, backend=backend)[0]


def completed(provider, ref):
    for _ in range(500):
        [look] = provider.poll([ref])
        if look.state is JobState.COMPLETED:
            return look
        time.sleep(0.005)
    raise AssertionError(look)


@pytest.mark.parametrize(
    ("fault", "error", "jobs"),
    [
        (("throttle", {"retry_after": 4}), Throttled, 0),
        (("before_accept", {"status": 503}), Ambiguous, 0),
        (("before_accept", {"drop": True}), Ambiguous, 0),
        (("before_accept", {"status": 401}), Throttled, 0),
        (("after_accept", {"status": 504}), Ambiguous, 1),
        (("after_accept", {"drop": True}), Ambiguous, 1),
        (("slow", {"seconds": 2.0, "accept": "first"}), Ambiguous, 1),
        (("reset", {}), Ambiguous, None),
        (("truncated_json", {}), Ambiguous, 1),
        (("html_200", {"accept": False}), Ambiguous, 0),
        (("html_200", {"accept": True}), Ambiguous, 1),
    ],
)
def test_a_submission_that_fails_is_in_doubt_and_can_be_looked_up(fault, error, jobs, provider, emulator):
    name, params = fault
    provider.capabilities(SIMULATOR)
    admin(emulator, "PUT", "/faults", [{"route": "POST /jobs", "nth": 1, "fault": name, "params": params}])
    token = new_token()
    with pytest.raises(error) as caught:
        provider.submit(batch(), token)
    assert type(caught.value) is error
    if name == "throttle":
        assert caught.value.retry_after_seconds == 4
    if params.get("status") == 401:
        assert "IONQ_API_KEY" in str(caught.value)
    found = accepted(emulator, token)
    assert found == (found if jobs is None else jobs)
    ref = provider.find(SIMULATOR, token)
    assert (ref is not None) == bool(found)


def test_a_job_is_not_sent_before_its_note_is_on_the_disk(provider, emulator, monkeypatch):
    provider.submit(batch(), new_token())  # from here on all folders are there
    token = new_token()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            provider.submit(batch(), token)
    assert accepted(emulator, token) == 0
    provider.submit(batch(), token)
    assert accepted(emulator, token) == 1


@pytest.mark.parametrize("fault", ["before_accept", "reset", "truncated_json", "html_200", "throttle", "slow"])
@pytest.mark.parametrize("route", ["GET /jobs", "GET /jobs/{id}", "GET /jobs/{id}/results"])
def test_a_look_that_fails_can_be_repeated_and_the_result_is_had(route, fault, provider, emulator):
    ref = provider.submit(batch(), new_token())
    completed(provider, ref)
    admin(emulator, "PUT", "/faults", [{"route": route, "nth": 1, "fault": fault}])
    errors = []
    for _ in range(4):
        try:
            [look] = provider.poll([ref])
            counts = provider.decode(provider.fetch(ref), batch())
            break
        except (Unavailable, Throttled) as error:
            errors.append(error)
    assert look.state is JobState.COMPLETED
    assert counts.column("bits").to_pylist() == [2]
    assert len(errors) <= 1
    assert errors or fault == "slow"


def test_a_result_that_is_missing_for_a_while_is_waited_for(provider, emulator):
    admin(emulator, "PUT", "/faults", [{"nth": 1, "fault": "result_missing", "params": {"n": 2}}])
    ref = provider.submit(batch(), new_token())
    completed(provider, ref)
    for _ in range(2):
        with pytest.raises(Unavailable):
            provider.fetch(ref)
    assert provider.decode(provider.fetch(ref), batch()).num_rows == 1


def test_jobs_that_fail_or_vanish_are_told_apart(provider, emulator):
    rules = [{"nth": 1, "fault": "failed"}, {"nth": 2, "times": 1, "fault": "lost"}]
    admin(emulator, "PUT", "/faults", rules)
    refs = [provider.submit(batch(), new_token()) for _ in range(3)]
    completed(provider, refs[2])
    failed, lost, _ = provider.poll(refs)
    assert (failed.state, failed.raw_status) == (JobState.FAILED, "failed")
    assert "QuantumComputerError" in failed.message
    assert failed.cost_usd == 0.0
    assert (lost.state, lost.raw_status) == (JobState.FAILED, "lost")


def test_a_key_rotated_while_a_job_is_open(provider, emulator, tmp_path, monkeypatch):
    file = tmp_path / "key"
    file.write_text(emulator.key)
    monkeypatch.setenv("IONQ_API_KEY_FILE", str(file))
    ref = provider.submit(batch(), new_token())
    admin(emulator, "PUT", "/key", {"key": "another-emulator-key"})
    try:
        with pytest.raises(Unavailable, match="IONQ_API_KEY_FILE") as caught:
            provider.poll([ref])
        assert emulator.key not in str(caught.value)
        with pytest.raises(Throttled, match="IONQ_API_KEY_FILE"):
            provider.submit(batch(), new_token())
        file.write_text("another-emulator-key")
        assert completed(provider, ref).state is JobState.COMPLETED
    finally:
        admin(emulator, "PUT", "/key", {"key": emulator.key})


def test_two_hundred_open_jobs_are_eight_requests(provider, emulator):
    refs = [provider.submit(batch("ionq:qpu.forte-1"), new_token()) for _ in range(200)]
    before, counted = provider.requests, admin(emulator, "GET", "/requests")["requests"]["GET /jobs"]
    looks = provider.poll(refs)
    ended = sum(look.state is JobState.COMPLETED for look in looks)
    assert provider.requests - before == 200 / 25 + ended
    assert admin(emulator, "GET", "/requests")["requests"]["GET /jobs"] - counted == 200 / 25


# --- what leaves this machine -----------------------------------------------------------------------------------------

PLANTED = ["patient-4711", "Ward Nightingale", "salary_eur"]


def private_batch() -> CircuitBatch:
    """A batch made from a problem whose every name is private."""
    from qhybrid_pipelines.core.binary_models.ising import IsingModel
    from qhybrid_pipelines.quantum.qaoa import qaoa_ansatz

    model = IsingModel(
        linear=np.array([0.5, -1.0, 0.25]),
        pairs=np.array([[0, 1], [1, 2]], dtype=np.int32),
        couplings=np.array([1.0, -0.75]),
        offset=48_211.5,
    )
    ansatz = qaoa_ansatz(model, 1, mixer="x", cardinality=None)
    return CircuitBatch(
        experiment=f"maxcut-{PLANTED[0]}",
        backend="ionq:qpu.aria-1",
        template=ansatz.template,
        bindings=ansatz.bindings(np.array([[0.1, 0.2], [0.3, 0.4]])),
        shots=10,
        seeds=np.array([[424_242], [434_343]], dtype=np.uint64),
    )


def test_only_circuits_angles_shots_backend_and_a_token_leave(provider, emulator, monkeypatch, tmp_path):
    monkeypatch.setenv("QHYBRID_PRINCIPAL", PLANTED[1])
    sent = private_batch()
    token = new_token()
    provider.estimate(sent)
    provider.submit(sent, token)
    provider.find(sent.backend, token)
    received = admin(emulator, "GET", "/bodies")["bodies"]
    everything = json.dumps(received)
    for word in (*PLANTED, emulator.key, "48211.5", "424242", "maxcut", sent.template.parameters[0], "input float"):
        assert word not in everything, word
    [body] = [json.loads(entry["body"]) for entry in received if token in entry["body"]]
    assert set(body) == {"type", "name", "metadata", "backend", "shots", "input", "settings"}
    assert body["name"] == token
    assert body["metadata"] == {"qhybrid_token": token}
    assert body["settings"] == {"error_mitigation": {"debiasing": False}}
    assert set(body["input"]) == {"gateset", "qubits", "circuits"}
    for circuit in body["input"]["circuits"]:
        assert set(circuit) == {"name", "circuit"}
        assert re.fullmatch(r"\d+-[0-9a-f]{16}", circuit["name"])
        for gate in circuit["circuit"]:
            assert set(gate) <= {"gate", "targets", "controls", "rotation"}
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert emulator.key.encode() not in kept
    assert PLANTED[0].encode() not in kept
