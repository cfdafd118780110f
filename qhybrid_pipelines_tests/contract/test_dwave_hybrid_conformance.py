"""D-Wave's adapter passes the contract suite on the emulated hybrid solver, and uploads models as the vendor's client does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import httpx
import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import InvalidInput, Rejected, Throttled
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.execution.conformance import CHECKS, ProviderUnderTest, fetch_when_completed
from qhybrid_pipelines.execution.dwave import uploads
from qhybrid_pipelines.execution.dwave.client import SapiClient
from qhybrid_pipelines.execution.providers.dwave import DWaveProvider
from qhybrid_pipelines_tests.contract.test_dwave_conformance import Speaking, answers

SOLVER = "hybrid_binary_quadratic_model_version2"
BACKEND = f"dwave:{SOLVER}"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    running = start_emulator(tmp_path_factory.mktemp("emulator") / "cloud", speed=20_000.0, seed=7)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def settings(emulator, monkeypatch):
    monkeypatch.setenv("DWAVE_API_ENDPOINT", emulator.sapi_url)
    monkeypatch.setenv("DWAVE_API_TOKEN", emulator.key)
    monkeypatch.setenv("DWAVE_HYBRID_USD_PER_SECOND", "0.03")
    monkeypatch.setenv("DWAVE_LISTING_LAG_SECONDS", "0")
    monkeypatch.setenv("DWAVE_ACCEPTANCE_SECONDS", "0")
    yield
    httpx.put(f"{emulator.admin_url}/faults", json=[])


def book(emulator):
    return httpx.get(f"{emulator.admin_url}/jobs").json()["jobs"]


def document(change: Callable[[dict], object]) -> Callable[[bytes], bytes]:
    """A forgery of the sample set."""
    return answers(lambda _, answer: change(answer["data"]))


MUTATIONS = {
    "another outcome": document(lambda data: data["sample_data"].update(data=[[7]])),
    "another energy": document(lambda data: data["vectors"]["energy"].update(data=[1.0])),
    "other variables": document(lambda data: data.update(variable_labels=list(range(1, 13)))),
    "variables in another order": document(lambda data: data["variable_labels"].reverse()),
    "no rows": document(lambda data: data.update(num_rows=0, sample_data={})),
    "no document": answers(lambda _, answer: answer.update(data="x")),
    "another format": answers(lambda _, answer: answer.update(format="qp")),
    "another problem": answers(lambda info, _: info.update(id="another")),
    "another label": answers(lambda info, _: info["metadata"].update(label="token//0123456789abcdef")),
    "another time limit": answers(lambda info, _: info["params"].update(time_limit=4)),
    "a problem that failed": answers(lambda info, _: info["metadata"].update(status="FAILED")),
    "another type": answers(lambda info, _: info["metadata"].update(type="ising")),
    "no JSON": lambda _: b"<html>",
}


def under_test(folder) -> ProviderUnderTest:
    return ProviderUnderTest(
        connect=lambda: DWaveProvider(folder / "dwave"),
        backend=BACKEND,
        plane="hybrid",
        shapes=("single",),
        wait_between_polls=lambda: time.sleep(0.01),
        with_status_word=lambda word: DWaveProvider(folder / "speaking", Speaking(word)),
        mutations=MUTATIONS,
        limits={"max_qubits": 1_000_000, "max_shots": 1},
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_hybrid(check, tmp_path):
    check(under_test(tmp_path))


def test_what_a_run_costs_is_what_was_quoted_and_what_the_book_says(tmp_path, emulator):
    subject = under_test(tmp_path)
    provider, batch = subject.connect(), subject.batch()
    quote = provider.estimate(batch)
    assert quote.low_usd == quote.high_usd == pytest.approx(3 * 0.03)
    ref = provider.submit(batch, "token-money")
    raw = fetch_when_completed(subject, provider, ref)
    [seen] = provider.poll([ref])
    [booked] = [job for job in book(emulator) if job["id"] == ref.provider_job_id]
    assert seen.cost_usd == pytest.approx(quote.high_usd, rel=1e-9)
    assert seen.cost_usd == pytest.approx(booked["charged_usd"], rel=1e-9)
    assert provider.details(raw) == {"engine": SOLVER, "device_seconds": 3.0, "qpu_seconds": 0.0}


def test_without_a_price_of_its_own_nothing_is_quoted(tmp_path, monkeypatch):
    subject = under_test(tmp_path)
    monkeypatch.setenv("DWAVE_USD_PER_SECOND", "0.55")
    monkeypatch.delenv("DWAVE_HYBRID_USD_PER_SECOND")
    with pytest.raises(InvalidInput, match="DWAVE_HYBRID_USD_PER_SECOND is not set"):
        subject.connect().estimate(subject.batch())


@pytest.mark.parametrize(("variables", "least"), [(12, 3.0), (1024, 3.0), (2560, 6.5), (4096, 10.0)])
def test_the_shortest_time_limit_is_on_the_vendor_s_line_and_a_shorter_one_is_refused_before_it_has_a_price(
    tmp_path, variables, least
):
    subject = under_test(tmp_path)
    model = IsingModel(
        linear=np.ones(variables), pairs=np.zeros((0, 2), dtype=np.int32), couplings=np.zeros(0), offset=0.0
    )
    batch = replace(subject.batch(), model=model, time_limit=least)
    assert subject.connect().estimate(batch).high_usd == pytest.approx(least * 0.03)
    with pytest.raises(InvalidInput, match=f"time_limit_seconds: {least:g}") as refused:
        subject.connect().estimate(replace(batch, time_limit=0.99 * least))
    assert refused.value.field == "annealing.time_limit_seconds"


def test_a_model_in_several_parts_arrives_whole_and_a_damaged_one_does_not(tmp_path, emulator, monkeypatch):
    monkeypatch.setattr(uploads, "PART_BYTES", 100)
    subject = under_test(tmp_path)
    provider, batch = subject.connect(), subject.batch(qubit=3)
    parts = len(uploads.model_file(batch.model)) // 100 + 1
    assert parts > 3
    counts = provider.decode(fetch_when_completed(subject, provider, provider.submit(batch, "token-parts")), batch)
    assert counts.column("bits").to_pylist() == [8]

    client = SapiClient()
    upload_id = uploads.upload(client, b"no model")
    place = f"{emulator.sapi_url}bqm/multipart"
    headers = {"X-Auth-Token": emulator.key}
    again = httpx.put(f"{place}/{upload_id}/part/1", content=b"x", headers=headers)
    assert again.status_code == 409
    begun = httpx.post(place, json={"size": 2}, headers=headers).json()["id"]
    wrong = httpx.put(f"{place}/{begun}/part/1", content=b"ab", headers={**headers, "Content-MD5": "AAAA"})
    assert wrong.status_code == 400
    assert httpx.post(f"{place}/{begun}/combine", json={"checksum": "0"}, headers=headers).status_code == 400
    problem = {"solver": {"name": SOLVER}, "type": "bqm", "params": {"time_limit": 3}}
    for reference in (upload_id, begun, "nothing"):
        sent = [{**problem, "data": {"format": "ref", "data": reference}}]
        [said] = httpx.post(f"{emulator.sapi_url}problems/", json=sent, headers=headers).json()
        assert said["error_code"] in (400, 404)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"fault": "before_accept", "params": {"status": 503}}, Throttled),
        ({"fault": "before_accept", "params": {"drop": True}}, Throttled),
        ({"fault": "before_accept", "params": {"status": 400}}, Rejected),
        ({"fault": "truncated_json"}, Throttled),
    ],
)
@pytest.mark.parametrize("route", ["POST /bqm/multipart", "PUT /bqm/multipart/{id}/part/{id}"])
def test_an_upload_that_fails_has_run_nothing_and_is_said_so(tmp_path, emulator, route, fault, error):
    subject = under_test(tmp_path)
    before = len(book(emulator))
    assert httpx.put(f"{emulator.admin_url}/faults", json=[{"route": route, "nth": 1, **fault}]).status_code == 200
    with pytest.raises(error) as failed:
        subject.connect().submit(subject.batch(), "token-upload")
    assert not failed.value.request_sent
    assert len(book(emulator)) == before


def test_each_solver_refuses_what_is_for_the_other(tmp_path, emulator):
    subject = under_test(tmp_path)
    provider, batch = subject.connect(), subject.batch()
    with pytest.raises(Rejected, match="without qubits to embed in"):
        provider.embed(batch.model, BACKEND, seed=1)
    with pytest.raises(Rejected, match="anneals models, and this is a model for a hybrid solver"):
        provider.submit(replace(batch, backend="dwave:Advantage2_system4"), "token-other-plane")
