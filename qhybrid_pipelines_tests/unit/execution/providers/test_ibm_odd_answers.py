"""One odd job, fact or setting at IBM hurts itself only: the others are seen, and what is paid can be collected."""

from __future__ import annotations

import copy
import json

import pytest

from qhybrid_pipelines.core.errors import ProviderError, Throttled, Unavailable
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines_tests.support.ibm_double import CRN, KEY, Cloud, serve

BACKEND = "ibm:ibm_manila"
TOKENS = ("one", "two", "three")


@pytest.fixture
def cloud(monkeypatch):
    cloud = Cloud(polls_until_done=0)
    server, address = serve(cloud)
    for name, value in {
        "URL": f"{address}/api/v1",
        "IAM_URL": address,
        "TOKEN": KEY,
        "INSTANCE": CRN,
        "BACKENDS": "ibm_manila",
    }.items():
        monkeypatch.setenv(f"QISKIT_IBM_{name}", value)
    yield cloud
    server.shutdown()
    server.server_close()


@pytest.fixture
def provider(cloud, tmp_path):
    return IbmProvider(tmp_path)


@pytest.fixture
def batch():
    return canary_batch("batch", width=4, qubit=1, backend=BACKEND, repetitions=2)[0]


def answer(content, status=200):
    return status, {"Content-Type": "application/json"}, json.dumps(content).encode()


ODD_METRICS = {
    "404": answer({"errors": [{"message": "no metrics"}]}, 404),
    "500": answer({}, 500),
    "not JSON": (200, {}, b"<html>"),
    "a list": answer([]),
    "empty": answer({}),
    "no objects": answer({"timestamps": "yesterday", "usage": [3]}),
    "bad dates": answer(
        {"timestamps": {"created": "yesterday", "running": 7, "finished": "0001-01-01T00:00:00+14:00"}}
    ),
    "odd use": answer({"usage": {"quantum_seconds": "three"}}),
    "no number": answer({"usage": {"quantum_seconds": float("nan")}}),
    "negative use": answer({"usage": {"quantum_seconds": -3}}),
}


@pytest.mark.parametrize("odd", ODD_METRICS)
def test_times_and_use_are_optional(cloud, provider, batch, odd):
    refs = [provider.submit(batch, token) for token in TOKENS]
    cloud.faults[f"GET /api/v1/jobs/{refs[0].provider_job_id}/metrics"] = [ODD_METRICS[odd]]
    seen = provider.poll(refs)
    assert [snapshot.state for snapshot in seen] == [JobState.COMPLETED] * 3
    assert seen[0].cost_usd is None
    assert seen[1].cost_usd == pytest.approx(seen[2].cost_usd)
    assert seen[1].cost_usd > 0


ODD_JOBS = {
    "unknown word": answer({"state": {"status": "Transmogrified"}}),
    "state is a word": answer({"state": "Completed"}),
    "a list": answer([]),
    "empty": answer({}),
    "gone": answer({"errors": []}, 404),
    "away": answer({}, 503),
    "cut off": "cut off",
}


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("odd", ODD_JOBS)
def test_one_odd_job_hides_no_other(cloud, provider, batch, odd, place):
    refs = [provider.submit(batch, token) for token in TOKENS]
    cloud.faults[f"GET /api/v1/jobs/{refs[place].provider_job_id}"] = [ODD_JOBS[odd]]
    with pytest.raises(ProviderError) as caught:
        provider.poll(refs)
    assert [snapshot.ref for snapshot in caught.value.seen] == [ref for ref in refs if ref is not refs[place]]


def test_a_provider_that_asks_to_be_left_alone_is_left_alone(cloud, provider, batch):
    refs = [provider.submit(batch, token) for token in TOKENS]
    cloud.faults[f"GET /api/v1/jobs/{refs[1].provider_job_id}"] = [answer({}, 429)]
    with pytest.raises(Throttled) as caught:
        provider.poll(refs)
    assert [snapshot.ref for snapshot in caught.value.seen] == refs[:1]


def test_a_device_without_a_figure_is_named_and_hurts_no_other(cloud, provider, batch, tmp_path):
    [ref] = [provider.submit(batch, "one")]
    described = cloud.described

    def described_without(what):
        said = copy.deepcopy(described(what))
        if what == "props":
            said["qubits"][0] = []
        return said

    cloud.described = described_without
    fresh = IbmProvider(tmp_path)
    with pytest.raises(Unavailable, match=r"ibm:ibm_manila.*qubit") as caught:
        fresh.capabilities(BACKEND)
    assert "\n" not in str(caught.value)
    assert fresh.poll([ref])[0].state is JobState.COMPLETED


def test_a_job_of_a_device_that_is_not_named_any_more_is_collected(cloud, provider, batch, monkeypatch, tmp_path):
    ref = provider.submit(batch, "one")
    monkeypatch.setenv("QISKIT_IBM_BACKENDS", "ibm_other")
    fresh = IbmProvider(tmp_path)
    assert BACKEND not in fresh.backends()
    assert fresh.find(BACKEND, "one") == ref
    assert fresh.poll([ref])[0].state is JobState.COMPLETED
    raw = fresh.fetch(ref)
    assert fresh.decode(raw, batch).num_rows > 0
    assert fresh.details(raw)["engine"] == "ibm_manila"


def test_without_a_key_the_variable_is_named_and_with_it_all_goes_on(cloud, provider, batch, monkeypatch, tmp_path):
    ref = provider.submit(batch, "one")
    monkeypatch.delenv("QISKIT_IBM_TOKEN")
    fresh = IbmProvider(tmp_path)
    for ask in (lambda: fresh.poll([ref]), lambda: fresh.fetch(ref), lambda: fresh.find(BACKEND, "one")):
        with pytest.raises(Unavailable, match="QISKIT_IBM_TOKEN"):
            ask()
    monkeypatch.setenv("QISKIT_IBM_TOKEN", KEY)
    assert fresh.poll([ref])[0].state is JobState.COMPLETED
