"""IBM's service path against a stand-in whose answers are scripted: one POST, tags, states, odd answers, secrets.

The contract suite, and what the vendor's own client does, are run against the emulated cloud: contract/test_ibm_conformance.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import (
    Ambiguous,
    CorruptResult,
    InvalidInput,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
    UnknownProviderStatus,
)
from qhybrid_pipelines.core.jobs.circuit_jobs import CancelOutcome, JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.conformance import ProviderUnderTest, fetch_when_completed
from qhybrid_pipelines.execution.ibm.bit_arrays import counts_from_bytes
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines_tests.support.ibm_double import (
    CREATED,
    CRN,
    KEY,
    cloud_in_environment,
    vendor_codecs,
)

BACKEND = "ibm:ibm_manila"


@pytest.fixture
def cloud(monkeypatch):
    with cloud_in_environment(monkeypatch, "ibm_manila, ibm_other") as cloud:
        yield cloud


@pytest.fixture
def provider(cloud, tmp_path):
    return IbmProvider(tmp_path)


def canary(shape="batch", **changes):
    return canary_batch(shape, width=4, qubit=1, backend=BACKEND, repetitions=2, **changes)[0]


def test_what_leaves_is_circuit_bindings_shots_hash_and_tag(cloud, provider):
    _, RuntimeDecoder = vendor_codecs()
    batch = replace(canary(), experiment="confidential-experiment-name")
    provider.label_jobs("opaque-home")
    provider.submit(batch, "opaque-token")
    [job] = cloud.jobs.values()
    said = json.loads(job["body"], cls=RuntimeDecoder)
    assert set(said) == {"program_id", "backend", "tags", "params"}
    assert said["tags"] == ["opaque-token", "qhybrid", "qhybrid-home-opaque-home"]
    assert set(said["params"]) == {"pubs", "options", "version", "support_qiskit"}
    [(circuit, values, shots)] = said["params"]["pubs"]
    assert circuit.metadata == {"payload": batch.payload_sha256}
    assert circuit.name == "circuit"
    assert circuit.num_qubits == 5  # placed on the device
    assert set(circuit.count_ops()) <= {"rz", "sx", "x", "cx", "measure", "barrier"}
    assert (np.shape(values), shots) == ((batch.points, batch.repetitions, 4), batch.shots)
    sent = b"".join(body for method, _, body in cloud.requests if "/jobs" in _)
    assert b"confidential" not in sent
    assert KEY.encode() not in sent


@pytest.mark.parametrize(
    "switches",
    [
        (),
        ("dynamical_decoupling:XX",),
        ("dynamical_decoupling:XY4", "twirling:gates"),
        ("twirling:gates", "twirling:measurement"),
    ],
)
def test_switches_against_errors_are_sent_as_the_vendors_own_options(cloud, provider, switches):
    from dataclasses import asdict

    from qiskit_ibm_runtime.options import SamplerOptions

    wanted = SamplerOptions()
    wanted.dynamical_decoupling.enable = wanted.twirling.enable_gates = wanted.twirling.enable_measure = False
    for name in switches:
        if name.startswith("dynamical_decoupling"):
            wanted.dynamical_decoupling.enable, wanted.dynamical_decoupling.sequence_type = True, name.partition(":")[2]
        else:
            wanted.twirling.enable_gates = "twirling:gates" in switches
            wanted.twirling.enable_measure = "twirling:measurement" in switches
    provider.submit(replace(canary(), suppression=switches), "token")
    [job] = cloud.jobs.values()
    assert json.loads(job["body"])["params"]["options"] == SamplerOptions._get_program_inputs(asdict(wanted))["options"]
    assert provider.capabilities(BACKEND).suppression == ("dynamical_decoupling", "twirling")


def test_the_successor_of_the_sampler_gets_no_switch(cloud, provider, monkeypatch):
    monkeypatch.setenv("QISKIT_IBM_PROGRAM", "executor")
    with pytest.raises(Rejected, match="no switch for twirling gates"):
        provider.submit(replace(canary(), suppression=("twirling:gates",)), "token")
    assert not cloud.jobs


def test_a_job_goes_through_its_states_with_the_vendors_times_and_use(cloud, provider):
    ref = provider.submit(canary(), "token")
    words = [provider.poll([ref])[0].state for _ in range(3)]
    assert words == [JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED]
    [done] = provider.poll([ref])
    assert done.submitted_at == CREATED
    assert (done.started_at - done.submitted_at).seconds == 30
    assert (done.completed_at - done.started_at).seconds == 12
    assert done.cost_usd == pytest.approx(3 * 1.6)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"status": "Failed", "reason": "it broke", "reason_code": 9999}, JobState.FAILED),
        ({"status": "Cancelled"}, JobState.CANCELLED),
        ({"status": "Cancelled", "reason_code": 1305}, JobState.FAILED),
        ({"status": "Cancelled", "reason": "Ran too long", "reasonCode": None}, JobState.FAILED),
        ({"status": "Cancelled", "reason": "Job exceeded the maximum execution time of 300 s"}, JobState.FAILED),
        ({"status": "Cancelled", "reason": "stopped", "reasonCode": "1305"}, JobState.FAILED),
        ({"status": "Cancelled", "reason": "by the user, before its time came"}, JobState.CANCELLED),
    ],
)
def test_ends_without_a_result(cloud, provider, said, state):
    ref = provider.submit(canary(), "token")
    cloud.jobs[ref.provider_job_id]["state"] = said
    [seen] = provider.poll([ref])
    assert (seen.state, seen.raw_status, seen.message) == (state, said["status"], said.get("reason"))
    with pytest.raises(Unavailable):
        provider.fetch(ref)


@pytest.mark.parametrize("status", ["Cancelled - Ran too long", "CANCELLED - RAN TOO LONG", "Cancelled (time limit)"])
def test_a_status_that_says_ran_too_long_is_a_failure_and_its_reason(cloud, provider, status):
    ref = provider.submit(canary(), "token")
    cloud.jobs[ref.provider_job_id]["state"] = {"status": status}
    [seen] = provider.poll([ref])
    assert (seen.state, seen.message) == (JobState.FAILED, status)


def test_an_unknown_word_is_loud_and_keeps_what_was_seen_before(cloud, provider):
    refs = [provider.submit(canary(), f"token-{i}") for i in range(2)]
    cloud.jobs[refs[1].provider_job_id]["state"] = {"status": "Pondering"}
    with pytest.raises(UnknownProviderStatus, match="Pondering") as caught:
        provider.poll(refs)
    assert [snapshot.ref for snapshot in caught.value.seen] == refs[:1]


POST = "POST /api/v1/jobs"


@pytest.mark.parametrize(
    ("fault", "error", "accepted"),
    [
        ((400, {}, b'{"errors": []}'), Rejected, 0),
        ((409, {}, b"instance limit"), Rejected, 0),
        ((429, {"Retry-After": "7"}, b""), Throttled, 0),
        ((403, {}, b"not yours"), Throttled, 0),
        ((500, {}, b""), Ambiguous, 0),
        ((504, {}, b""), Ambiguous, 0),
        ((200, {}, b"<html>"), Ambiguous, 0),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), Ambiguous, 0),
        ("cut off", Ambiguous, 1),
    ],
    ids=str,
)
def test_a_submission_is_sent_once_and_its_failure_is_named(cloud, provider, fault, error, accepted):
    cloud.faults[POST] = [fault]
    with pytest.raises(error) as caught:
        provider.submit(canary(), "token")
    assert sum(f"{method} {path}" == POST for method, path, _ in cloud.requests) == 1
    assert len(cloud.jobs) == accepted
    assert (provider.find(BACKEND, "token") is not None) == bool(accepted)
    if fault[0] == 429:
        assert caught.value.retry_after_seconds == 7
    if fault[0] == 403:
        assert "QISKIT_IBM_TOKEN" in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ((503, {}, b""), Unavailable),
        ((429, {}, b""), Throttled),
        ((403, {}, b"no"), ProviderError),
        ((200, {}, b"<"), Unavailable),
    ],
    ids=str,
)
def test_a_failed_look_is_not_a_failed_job(cloud, provider, fault, error):
    ref = provider.submit(canary(), "token")
    cloud.faults["GET /api/v1/jobs/"] = [fault]
    with pytest.raises(error):
        provider.poll([ref])
    assert provider.poll([ref])[0].state is JobState.QUEUED


def test_no_connection_is_not_a_submission(cloud, provider, monkeypatch):
    provider.prepare(canary().template, BACKEND, level=3, seed=7)
    monkeypatch.setenv("QISKIT_IBM_URL", "http://127.0.0.1:9/api/v1")
    with pytest.raises(Throttled, match="nothing was accepted"):
        provider.submit(canary(), "token")


def test_a_filter_that_the_service_ignores_finds_no_stranger(cloud, provider):
    provider.submit(canary(), "theirs")
    cloud.jobs["d0000000000000000000"]["tags"] = ["theirs"]
    whole = {"jobs": [cloud.shown(job, count=False) for job in cloud.jobs.values()]}
    cloud.faults["GET /api/v1/jobs"] = [(200, {}, json.dumps(whole).encode())]
    assert provider.find(BACKEND, "ours") is None


def test_cancelling(cloud, provider):
    early, late = (provider.submit(canary(), f"token-{i}") for i in range(2))
    assert provider.cancel(early) is CancelOutcome.CANCELLED
    fetch_when_completed(ProviderUnderTest(connect=lambda: provider, backend=BACKEND), provider, late)
    assert provider.cancel(late) is CancelOutcome.TOO_LATE
    with pytest.raises(Rejected, match="no job"):
        provider.cancel(JobRef(provider="ibm", backend=BACKEND, provider_job_id="none"))


def test_a_result_of_a_neighbour_is_refused(cloud, provider):
    cloud.polls_until_done = 0
    batch, other = canary(), replace(canary(), bindings=canary().bindings + 0.1)
    mine, theirs = provider.submit(batch, "mine"), provider.submit(other, "theirs")
    cloud.jobs[mine.provider_job_id]["result"] = cloud.result(cloud.jobs[theirs.provider_job_id])
    with pytest.raises(CorruptResult, match="payload"):
        provider.decode(provider.fetch(mine), batch)


def test_keys_are_read_per_call_exchanged_once_and_never_shown(cloud, provider, monkeypatch, tmp_path):
    ref = provider.submit(canary(), "token")
    for _ in range(3):
        provider.poll([ref])
    assert cloud.tokens == 1
    cloud.revoked.add("access-1")  # a revoked token is replaced at once
    assert provider.poll([ref])
    assert cloud.tokens == 2
    wrong = tmp_path / "key"
    wrong.write_text("rotated-away-key\n")
    monkeypatch.setenv("QISKIT_IBM_TOKEN_FILE", str(wrong))
    cloud.faults["POST /identity"] = [(400, {}, b"unknown key rotated-away-key")]
    with pytest.raises(Unavailable) as caught:
        provider.poll([ref])
    assert "rotated-away-key" not in str(caught.value)
    wrong.write_text(KEY)
    assert provider.poll([ref])
    assert KEY not in repr(vars(provider.service.client))
    for file in tmp_path.rglob("*"):
        if file.is_file() and file != wrong:
            assert KEY.encode() not in file.read_bytes()


@pytest.mark.parametrize("lives", ['"soon"', "[1]", "1" + "0" * 400, "null"], ids=["word", "list", "huge", "null"])
def test_a_token_whose_life_is_not_told_as_a_number_is_used_once(cloud, provider, lives):
    cloud.faults["POST /identity"] = [(200, {}, f'{{"access_token": "access-1", "expires_in": {lives}}}'.encode())]
    assert provider.status(BACKEND).online
    assert provider.status(BACKEND).online
    assert sum(path.startswith("/identity") for _, path, _ in cloud.requests) == 2


def test_backends_are_named_without_asking_and_only_with_a_key(cloud, provider, monkeypatch):
    assert provider.backends()[-2:] == (BACKEND, "ibm:ibm_other")
    assert cloud.requests == []
    with pytest.raises(Unavailable):
        provider.capabilities("ibm:ibm_other")  # named, and unknown to the service
    with pytest.raises(Rejected, match="QISKIT_IBM_BACKENDS names ibm:ibm_manila"):
        provider.capabilities("ibm:ibm_unnamed")
    monkeypatch.delenv("QISKIT_IBM_TOKEN")
    assert all(backend.startswith("ibm:fake_") for backend in provider.backends())


def test_a_submission_waits_for_its_key(cloud, provider, monkeypatch):
    """Neither is a reason to give a job up: with the key, the same request is taken."""
    monkeypatch.delenv("QISKIT_IBM_TOKEN")
    with pytest.raises(Throttled, match="Set QISKIT_IBM_TOKEN"):
        provider.submit(canary(), "token")
    monkeypatch.setenv("QISKIT_IBM_TOKEN", KEY)
    cloud.faults["POST /identity"] = [(400, {}, b"unknown key")]
    with pytest.raises(Throttled, match="Set QISKIT_IBM_TOKEN"):
        provider.submit(canary(), "token")
    assert not cloud.jobs
    assert provider.submit(canary(), "token")


def test_wrong_settings_are_named(cloud, provider, monkeypatch):
    monkeypatch.setenv("QISKIT_IBM_USD_PER_SECOND", "cheap")
    with pytest.raises(InvalidInput, match="QISKIT_IBM_USD_PER_SECOND is 'cheap'"):
        provider.estimate(canary())
    monkeypatch.setenv("QISKIT_IBM_INSTANCE", "my instance")
    with pytest.raises(Unavailable, match="not the CRN"):
        provider.status(BACKEND)
    monkeypatch.setenv("QISKIT_IBM_INSTANCE", CRN.replace("us-east", "eu-de"))
    monkeypatch.delenv("QISKIT_IBM_URL")
    assert provider.service.client.url == "https://eu-de.quantum.cloud.ibm.com/api/v1"
    monkeypatch.setenv("QISKIT_IBM_URL", "http://quantum.cloud.ibm.com/api/v1")
    with pytest.raises(Unavailable, match="https"):
        provider.status(BACKEND)


def test_a_price_that_cannot_be_read_hides_no_job(cloud, provider, monkeypatch):
    cloud.polls_until_done = 0
    ref = provider.submit(canary(), "token")
    monkeypatch.setenv("QISKIT_IBM_USD_PER_SECOND", "cheap")
    [done] = provider.poll([ref])
    assert (done.state, done.cost_usd) == (JobState.COMPLETED, None)


def test_capabilities_calibration_and_price(cloud, provider, monkeypatch):
    known = provider.capabilities(BACKEND)
    assert (known.max_qubits, known.max_shots, known.max_executions_per_job) == (5, 100_000, 10_000_000)
    assert (known.mode, known.immediate, known.simulator, known.dedupe) == ("emulator", False, False, "tag_lookup")
    calibration = provider.calibration(BACKEND)
    assert calibration.measured_at == datetime(2024, 5, 27, 18, 27, 23, tzinfo=UTC)
    assert calibration.payload["qubits"] == provider.calibration("ibm:fake_manila").payload["qubits"]
    big = replace(canary(shots=10_000), seeds=np.zeros((3, 100), dtype=np.uint64))
    estimate = provider.estimate(big)  # 3 million executions, 250 microseconds apart: 750 seconds
    assert estimate.low_usd == pytest.approx(750 * 1.6)
    assert estimate.high_usd == pytest.approx((3 * 750 + 10) * 1.6)
    assert "assumed" in estimate.assumptions
    monkeypatch.setenv("QISKIT_IBM_USD_PER_SECOND", "0.5")
    assert provider.estimate(big).low_usd == pytest.approx(375)


def test_outcomes_wider_than_a_word():
    rng = np.random.default_rng(3)
    shots = rng.integers(0, 2, (2, 3, 50, 17), dtype=np.uint8)  # 133 bits, few of them set
    counts = counts_from_bytes(shots, 133)
    assert counts.column("count").to_numpy().sum() == 300
    expected = {}
    for point in range(2):
        for repetition in range(3):
            for row in shots[point, repetition]:
                word = int.from_bytes(row.tobytes(), "big")
                key = (point, repetition, word)
                expected[key] = expected.get(key, 0) + 1
    found = {
        (row["point"], row["repetition"], row["bits"] | int.from_bytes(row["high_bits"], "little") << 64): row["count"]
        for row in counts.to_pylist()
    }
    assert found == expected
