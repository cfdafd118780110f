"""Braket's adapter passes the contract suite on emulated devices of four vendors, whose listing lags, and reads odd answers as they are meant."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
from botocore.exceptions import ClientError

from qhybrid_pipelines.core.errors import Ambiguous, InvalidInput, ProviderError, Rejected, Throttled
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.execution.braket import credentials
from qhybrid_pipelines.execution.braket.client import BraketClient
from qhybrid_pipelines.execution.braket.devices import Devices
from qhybrid_pipelines.execution.conformance import CHECKS, fetch_when_completed
from qhybrid_pipelines.execution.http import authorised_client
from qhybrid_pipelines.execution.http.transport import HttpResponse
from qhybrid_pipelines_tests.support.braket_under_test import (
    AQT,
    IONQ,
    IQM,
    LAG_SECONDS,
    RIGETTI,
    OfVendor,
    book,
    fate_of_tasks,
    under_test,
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulator")
    faults = folder / "faults.json"
    faults.write_text(json.dumps([{"fault": "listing_lag", "params": {"seconds": LAG_SECONDS}}]))
    running = start_emulator(folder / "cloud", speed=4000.0, seed=7, faults=faults)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def settings(request, monkeypatch):
    if "emulator" in request.fixturenames:
        for name, value in request.getfixturevalue("emulator").braket_environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("BRAKET_LISTING_LAG_SECONDS", str(LAG_SECONDS))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_braket(check, tmp_path, emulator):
    check(under_test(tmp_path))


BY_RESULTS = ("bit_order", "counts_answer_the_batch", "wrong_results_are_refused", "capabilities")


@pytest.mark.parametrize(
    "backend", [IONQ, pytest.param(RIGETTI, marks=pytest.mark.long), pytest.param(AQT, marks=pytest.mark.long)]
)
def test_devices_of_other_vendors(backend, tmp_path, emulator):
    for check in CHECKS:
        if check.__name__.removeprefix("check_") in BY_RESULTS:
            check(replace(under_test(tmp_path, backend), connect=lambda: OfVendor(tmp_path / "braket")))


@pytest.mark.parametrize("backend", [IONQ, IQM, RIGETTI, AQT])
def test_the_bill_is_what_was_quoted(backend, tmp_path, emulator):
    subject = under_test(tmp_path, backend)
    provider, batch = subject.connect(), subject.batch(shots=100)
    quote = provider.estimate(batch)
    ref = provider.submit(batch, f"token-money-{backend}")
    fetch_when_completed(subject, provider, ref)
    [booked] = [job for job in book(emulator) if job["id"] == ref.provider_job_id.rpartition("/")[2]]
    assert quote.low_usd == quote.high_usd == pytest.approx(booked["charged_usd"], rel=0.01)


@pytest.fixture
def with_fault(emulator):
    with fate_of_tasks(emulator) as put:
        yield put


def change_device(emulator, backend: str, **changes) -> None:
    name = backend.partition(":")[2]
    assert httpx.put(f"{emulator.admin_url}/backends/{name}", json=changes).status_code == 200


@pytest.fixture
def changed(emulator):
    """Change a device for one test."""
    yield lambda **changes: change_device(emulator, RIGETTI, **changes)
    change_device(emulator, RIGETTI, status="available", spending_limit_usd=1e6)


def test_a_device_that_pauses_says_why(tmp_path, emulator, changed):
    provider = under_test(tmp_path, RIGETTI).connect()
    assert provider.status(RIGETTI).reason is None
    changed(status="paused")
    status = provider.status(RIGETTI)
    assert not status.online
    assert status.reason.startswith("PAUSED: MAINTENANCE, until about 20")


def test_a_device_that_is_away_is_asked_again_later_and_a_retired_one_never(tmp_path, emulator, changed):
    subject = under_test(tmp_path, RIGETTI)
    provider, batch = subject.connect(), subject.batch()
    changed(status="unavailable")
    with pytest.raises(Throttled, match="takes no tasks now"):
        provider.submit(batch, "token-away")
    changed(status="retired")
    with pytest.raises(Rejected, match="retired"):
        provider.submit(batch, "token-away")
    changed(status="available")
    assert provider.submit(batch, "token-away") == provider.submit(batch, "token-away")


def test_a_limit_of_spending_refuses_in_words(tmp_path, emulator, changed):
    subject = under_test(tmp_path, RIGETTI)
    changed(spending_limit_usd=0.01)
    with pytest.raises(Rejected, match=r"exceeds the spending limit of 0\.01 USD"):
        subject.connect().submit(subject.batch(), "token-limit")


def test_many_tasks_are_polled_together_and_a_failure_has_its_reason(tmp_path, emulator, with_fault):
    subject = under_test(tmp_path)
    provider = subject.connect()
    with_fault(fault="failed", route="POST /quantum-task", nth=3, params={"message": "The ions have left."})
    refs = [provider.submit(subject.batch(shots=50 + n), f"token-five-{n}") for n in range(5)]
    subject.wait_until_listed()
    for _ in range(500):
        seen = provider.poll(refs)
        if all(one.state in (JobState.COMPLETED, JobState.FAILED) for one in seen):
            break
        time.sleep(0.01)
    assert [one.state for one in seen] == [JobState.COMPLETED] * 2 + [JobState.FAILED] + [JobState.COMPLETED] * 2
    assert seen[2].message == "The ions have left."
    for n in (0, 1, 3, 4):  # one that failed takes no other with it
        provider.decode(provider.fetch(refs[n]), subject.batch(shots=50 + n))
    before = provider.requests
    provider.poll(refs)
    assert provider.requests - before == 2


def test_a_wrong_key_is_refused_by_both_services(tmp_path, emulator, monkeypatch):
    subject = under_test(tmp_path)
    provider = subject.connect()
    ref = provider.submit(subject.batch(), "token-key")
    fetch_when_completed(subject, provider, ref)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-key")
    for ask in (lambda: provider.poll([ref]), lambda: provider.fetch(ref)):
        with pytest.raises(ProviderError, match=r"signature.*Set AWS_ACCESS_KEY_ID"):
            ask()
    with pytest.raises(Throttled, match="the key was not accepted"):
        provider.submit(subject.batch(), "token-key-2")


def test_session_tokens_are_signed_too(tmp_path, emulator, monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-a-role")
    assert under_test(tmp_path).connect().status(IQM).online


TASK = "arn:aws:braket:eu-north-1:123456789012:quantum-task/a"


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (201, {"quantumTaskArn": "somewhere"}, Ambiguous),
        (201, {"id": TASK}, Ambiguous),
        (201, [TASK], Ambiguous),
        (202, {"quantumTaskArn": TASK}, Ambiguous),
        (307, {}, Ambiguous),
        (400, {"message": "The program has no qubits."}, Rejected),
        (402, {"message": "The quota of tasks is used up."}, Rejected),
        (403, {"message": "not allowed"}, Throttled),
        (410, {"message": "retired"}, Rejected),
        (424, {"message": "offline"}, Throttled),
        (429, {"message": "slower"}, Throttled),
        (500, {"message": "oh"}, Ambiguous),
    ],
)
def test_what_an_answer_means_to_a_submission(status, answer, error, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDANYBODY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-nobody")
    body = json.dumps(answer).encode()
    monkeypatch.setattr(authorised_client, "send", lambda *_, **__: HttpResponse(status=status, headers={}, body=body))
    with pytest.raises(error) as raised:
        BraketClient("eu-north-1").submit_request(b"{}")
    assert type(raised.value) is error


def test_without_credentials_nothing_is_sent(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(authorised_client, "send", lambda *_, **__: pytest.fail("a request was sent"))
    with pytest.raises(Throttled, match="no AWS credentials were found") as refused:
        BraketClient("eu-north-1").submit_request(b"{}")
    assert not refused.value.request_sent
    (tmp_path / "none").write_text("[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = kept-in-a-file\n")
    monkeypatch.setenv("AWS_PROFILE", "default")
    monkeypatch.setattr(authorised_client, "send", lambda *_, **__: HttpResponse(status=424, headers={}, body=b"{}"))
    with pytest.raises(Throttled, match="takes no tasks now"):
        BraketClient("eu-north-1").submit_request(b"{}")


@pytest.mark.parametrize(
    "error", [ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole"), RuntimeError("still expired")], ids=str
)
def test_credentials_that_cannot_be_refreshed_send_nothing(error, monkeypatch):
    chain = SimpleNamespace(get_frozen_credentials=lambda: (_ for _ in ()).throw(error))
    monkeypatch.setattr(credentials, "_walk_chain", lambda: chain)
    with pytest.raises(Throttled, match=r"the AWS credentials cannot be read: .*(AssumeRole|still expired)") as refused:
        BraketClient("eu-north-1").submit_request(b"{}")
    assert not refused.value.request_sent


def test_without_a_bucket_nothing_is_sent(tmp_path, emulator, monkeypatch):
    subject = under_test(tmp_path)
    provider, batch = subject.connect(), subject.batch()
    monkeypatch.delenv("AMZN_BRAKET_OUT_S3_BUCKET")
    with pytest.raises(Throttled, match="AMZN_BRAKET_OUT_S3_BUCKET is not set") as refused:
        provider.submit(batch, "token-bucket")
    assert not refused.value.request_sent
    assert "AMZN_BRAKET_OUT_S3_BUCKET" in provider.missing_setting()


def test_without_a_price_of_a_shot_nothing_is_quoted(tmp_path, emulator, monkeypatch):
    subject = under_test(tmp_path)
    provider, batch = subject.connect(), subject.batch(shots=100)
    device = provider._devices.device(IQM)
    assert device.price == (0.00145, "shot")
    monkeypatch.setattr(Devices, "device", lambda *_: replace(device, price=(60.0, "minute")))
    with pytest.raises(InvalidInput, match="states a price per minute"):
        provider.estimate(batch)
    monkeypatch.setenv("BRAKET_USD_PER_SHOT", "0.01")
    monkeypatch.setenv("BRAKET_USD_PER_TASK", "0.5")
    assert provider.estimate(batch).high_usd == pytest.approx(1.5)
    monkeypatch.setattr(Devices, "device", lambda *_: device)  # what a device states is not overruled for all of them
    assert provider.estimate(batch).high_usd == pytest.approx(0.5 + 100 * 0.00145)
