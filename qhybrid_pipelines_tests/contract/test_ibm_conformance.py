"""IBM's adapter passes the contract suite at the emulated runtime, whose list lags, and meets its faults as they are meant."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import Ambiguous, ProviderError, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.jobs.circuit_jobs import CancelOutcome, JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.conformance import CHECKS, ProviderUnderTest, fetch_when_completed
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines_tests.support.emulator_client import Client

LAG_SECONDS = 0.1
#: With every calibration a circuit is compiled anew, which takes seconds; so there are two in all tests.
DRIFT_HOURS = 1e5
LAG = {"fault": "listing_lag", "params": {"seconds": LAG_SECONDS}}
MANILA = "ibm:ibm_manila"
#: A service that does not merge tokens: the dispatcher looks them up.
OWN_TESTS = {"check_token_twice_gives_one_job", "check_token_of_another_batch_is_rejected"}
MUTATIONS = {
    "another payload": lambda content: content.replace(b'"payload": "', b'"payload": "0'),
    "no metadata": lambda content: content.replace(b'"payload"', b'"other"'),
    "no result": lambda _: b'{"jobs": []}',
    "html": lambda _: b"<html></html>",
    "a flipped byte": lambda content: content.replace(b"eJ", b"eK", 1),
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulator")
    emulator = start_emulator(folder / "cloud", speed=1000.0, seed=7, drift_hours=DRIFT_HOURS)
    client = Client(emulator)
    client.faults(LAG)
    yield client
    client.close()
    emulator.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of the adapter: what is compiled for one test need not be for the next."""
    return tmp_path_factory.mktemp("ibm")


@pytest.fixture(autouse=True)
def settings(cloud, monkeypatch):
    for name, value in cloud.emulator.ibm_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("QISKIT_IBM_LISTING_LAG_SECONDS", str(LAG_SECONDS))
    yield
    cloud.faults(LAG)


@pytest.fixture(scope="module")
def provider(folder):
    return IbmProvider(folder)


def under_test(folder):
    return ProviderUnderTest(
        connect=lambda: IbmProvider(folder),
        backend=MANILA,
        width=5,
        mutations=MUTATIONS,
        is_noiseless=False,
        wait_until_listed=lambda: time.sleep(2 * LAG_SECONDS),
        with_status_word=lambda word: speaking(folder, word),
    )


def speaking(folder, word):
    """Return a provider that hears another word for every status."""
    provider = IbmProvider(folder)
    ask = provider.service.client.get

    def asked(*path, **options):
        content, found = ask(*path, **options)
        return content, found | {"state": {"status": word}} if path[0] == "jobs" and len(path) == 2 else found

    provider.service.client.get = asked
    return provider


def canary(shape="single", **changes):
    return canary_batch(shape, width=4, qubit=1, backend=MANILA, **changes)[0]


def named(cloud, token):
    return [job for job in cloud.book() if job["name"] == token]


@pytest.mark.parametrize(
    "check",
    [check for check in CHECKS if check.__name__ not in OWN_TESTS],
    ids=lambda check: check.__name__.removeprefix("check_"),
)
def test_contract(check, folder):
    check(under_test(folder))


@pytest.mark.parametrize(
    ("fault", "error", "accepted"),
    [
        ({"fault": "before_accept", "params": {"status": 503}}, Ambiguous, 0),
        ({"fault": "before_accept", "params": {"drop": True}}, Ambiguous, 0),
        ({"fault": "after_accept", "params": {"status": 504}}, Ambiguous, 1),
        ({"fault": "after_accept", "params": {"drop": True}}, Ambiguous, 1),
        ({"fault": "reset"}, Ambiguous, 1),
        ({"fault": "truncated_json"}, Ambiguous, 1),
        ({"fault": "html_200", "params": {"accept": True}}, Ambiguous, 1),
        ({"fault": "gateway", "params": {"status": 429}}, Throttled, 1),
        ({"fault": "gateway", "params": {"status": 400}}, Rejected, 1),
        ({"fault": "gateway", "params": {"status": 404}}, Rejected, 1),
        ({"fault": "throttle", "params": {"retry_after": 7}}, Throttled, 0),
    ],
    ids=str,
)
def test_a_submission_is_sent_once_whatever_becomes_of_its_answer(cloud, provider, fault, error, accepted):
    token = sha256_hex(str(fault).encode())[:32]
    before = cloud.admin("GET", "/requests")["requests"].get("POST /ibm/jobs", 0)
    cloud.faults({"route": "POST /ibm/jobs", "nth": 1, **fault})
    with pytest.raises(error) as caught:
        provider.submit(canary(), token)
    assert type(caught.value) is error
    assert error is Ambiguous or caught.value.request_sent, "its token is looked up before the answer counts"
    assert cloud.admin("GET", "/requests")["requests"]["POST /ibm/jobs"] == before + 1
    bought = named(cloud, token)
    assert len(bought) == accepted
    time.sleep(2 * LAG_SECONDS)
    found = provider.find(MANILA, token)
    assert (found.provider_job_id if found else None) == (bought[0]["id"] if bought else None)


def test_a_list_that_lags_hides_a_job_for_a_while(cloud, provider):
    cloud.faults({"fault": "listing_lag", "params": {"seconds": 1e6}})
    ref = provider.submit(canary(), "lagging")
    assert provider.find(MANILA, "lagging") is None
    cloud.faults()
    assert provider.find(MANILA, "lagging") == ref


def test_one_job_is_as_sent_and_survives_a_kill(cloud, folder):
    provider = IbmProvider(folder)
    batch = canary("batch", repetitions=2)
    provider.label_jobs("opaque-home")
    ref = provider.submit(batch, "of a kill")
    cloud.emulator.restart()
    time.sleep(2 * LAG_SECONDS)
    assert provider.find(MANILA, "of a kill") == ref
    [job] = named(cloud, "of a kill")
    assert job["metadata"] == {"tags": ["of a kill", "qhybrid", "qhybrid-home-opaque-home"]}
    assert (job["circuits"], job["shots"]) == (batch.points * batch.repetitions, batch.shots)
    raw = fetch_when_completed(under_test(folder), provider, ref)
    cloud.emulator.restart()
    assert provider.fetch(ref).content == raw.content
    [done] = provider.poll([ref])
    assert done.completed_at - done.started_at == timedelta(seconds=3)
    assert done.cost_usd == pytest.approx(job["estimated_usd"])
    assert provider.cancel(ref) is CancelOutcome.TOO_LATE
    assert provider.estimate(batch).low_usd <= done.cost_usd <= provider.estimate(batch).high_usd


def test_failures_have_their_reason_and_cost_nobody_else_anything(cloud, provider):
    cloud.faults(
        {"route": "POST /ibm/jobs", "nth": 1, "fault": "failed", "params": {"code": "9701", "message": "Leak."}},
        {"route": "POST /ibm/jobs", "nth": 2, "fault": "failed", "params": {"code": "1305", "message": "Too long."}},
    )
    refs = [provider.submit(canary(), f"failure-{n}") for n in range(3)]
    cloud.advance(1e6)
    seen = provider.poll(refs)
    assert [one.state for one in seen] == [JobState.FAILED, JobState.FAILED, JobState.COMPLETED]
    assert [one.raw_status for one in seen] == ["Failed", "Cancelled", "Completed"]
    assert [one.message for one in seen] == ["Leak.", "Too long.", None]
    for ref in refs[:2]:
        with pytest.raises(Unavailable):
            provider.fetch(ref)


def test_cancelling_in_a_queue_and_what_is_unknown(cloud, provider):
    cloud.admin("PUT", "/backends/ibm_manila", {"extra_wait_seconds": 1e7})
    try:
        ref = provider.submit(canary(), "unwanted")
        assert provider.status(MANILA).queued_jobs >= 1
        assert provider.cancel(ref) is CancelOutcome.CANCELLED
        assert provider.poll([ref])[0].state is JobState.CANCELLED
    finally:
        cloud.admin("PUT", "/backends/ibm_manila", {"extra_wait_seconds": 0})
    with pytest.raises(Rejected, match="no job"):
        provider.cancel(JobRef(provider="ibm", backend=MANILA, provider_job_id="none"))


def test_a_device_that_pauses_or_retires(cloud, folder):
    other = "ibm:ibm_marrakesh"
    provider = IbmProvider(folder)
    assert provider.status(other).online
    cloud.admin("PUT", "/backends/ibm_marrakesh", {"status": "paused"})
    assert not provider.status(other).online
    cloud.admin("PUT", "/backends/ibm_marrakesh", {"status": "retired"})
    with pytest.raises(ProviderError):
        provider.status(other)
    cloud.admin("PUT", "/backends/ibm_marrakesh", {"status": "available"})


def test_calibrations_drift_from_day_to_day(cloud, provider):
    before = provider.calibration(MANILA)
    assert before == replace(provider.calibration(MANILA), fetched_at=before.fetched_at)
    cloud.advance(DRIFT_HOURS * 3600)
    after = provider.calibration(MANILA)
    assert after.measured_at - before.measured_at == timedelta(hours=DRIFT_HOURS)
    figures = [one.payload["medians"] for one in (before, after)]
    assert figures[0]["cx gate_error"] != figures[1]["cx gate_error"]
    assert figures[0]["T1"] == figures[1]["T1"]


def test_a_revoked_key_takes_its_tokens_with_it(cloud, provider, monkeypatch):
    ref = provider.submit(canary(), "of a key")
    key = cloud.emulator.key
    cloud.admin("PUT", "/key", {"key": "another-key-9Xw"})
    try:
        with pytest.raises(Unavailable, match="QISKIT_IBM_TOKEN"):
            provider.poll([ref])
        monkeypatch.setenv("QISKIT_IBM_TOKEN", "another-key-9Xw")
        assert provider.poll([ref])[0].ref == ref
    finally:
        cloud.admin("PUT", "/key", {"key": key})
    kept = json.dumps(cloud.admin("GET", "/bodies"))
    assert key not in kept
    assert "another-key-9Xw" not in kept


def test_another_instance_is_refused(provider, monkeypatch):
    monkeypatch.setenv("QISKIT_IBM_INSTANCE", "crn:v1:bluemix:public:quantum-computing:us-east:a/other:one::")
    with pytest.raises(ProviderError):
        provider.status(MANILA)
    with pytest.raises(ProviderError):
        provider.submit(canary(), "elsewhere")
