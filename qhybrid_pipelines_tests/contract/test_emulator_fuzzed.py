"""Nothing that a client sends makes the emulated cloud fail, and no job that it accepts breaks a list.

``make test`` sends a share; ``make test-requests`` sends 30,000.
"""

from __future__ import annotations

import json
import os
from collections import Counter

import httpx
import pytest

from qhybrid_pipelines_tests.support.emulator_client import job_body
from qhybrid_pipelines_tests.support.emulator_in_process import EmulatorInProcess
from qhybrid_pipelines_tests.support.request_fuzzer import Call, calls

KEY = "k"
REQUESTS = int(os.environ.get("QHYBRID_FUZZED_REQUESTS", "2500"))


class InProcess(EmulatorInProcess):
    def __call__(self, call: Call) -> httpx.Response:
        url = "http://emulator" + ("/_admin" if call.admin else "/v0.4") + call.path.replace("\x00", "%00")
        headers = {"Authorization": f"apiKey {KEY}"}
        return self.request(call.method, url, params=call.params, content=call.content, headers=headers)


@pytest.fixture
def emulator(tmp_path):
    running = InProcess(tmp_path / "cloud", key=KEY, speed=100_000.0)
    yield running
    running.close()


def post(body: bytes) -> Call:
    return Call(method="POST", path="/jobs", content=body)


@pytest.mark.fuzz
def test_no_request_makes_it_fail_and_no_accepted_job_breaks_a_list(emulator):
    known: list[str] = []
    statuses: Counter[int] = Counter()
    for number, call in enumerate(calls(7, REQUESTS, known)):
        answer = emulator(call)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, (call, answer.text)
        if answer.status_code >= 400:
            assert set(answer.json()) >= {"statusCode", "error", "message"}, (call, answer.text)
        emulator.keys.rotate(KEY)
        if call.path == "/jobs" and call.method == "POST" and answer.status_code == 201:
            known.append(answer.json()["id"])
        if number % 100 == 0:
            pages = [Call(method="GET", path="/jobs"), Call(method="GET", path="/jobs", admin=True)]
            if known:
                pages += [Call(method="GET", path=f"/jobs/{known[-1]}", admin=False)]
            for page in pages:
                answer = emulator(page)
                assert answer.status_code == 200 or answer.json()["statusCode"] == 404, answer.text
    print(f"{REQUESTS} requests: {dict(sorted(statuses.items()))}")
    # The generator does reach behind the door: jobs are accepted, refused and unknown.
    assert all(statuses[status] >= REQUESTS // 100 for status in (200, 201, 400, 404))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ('"settings": {"compilation": {"opt": NaN}}', "NaN"),
        ('"settings": {"error_mitigation": {"x": -Infinity}}', "Infinity"),
        ('"settings": {"x": 1e999}', "too large"),
        ('"settings": []', "settings is not an object"),
        ('"settings": {"error_mitigation": []}', "settings.error_mitigation"),
        ('"noise": []', "noise is not an object"),
        ('"noise": {"model": ["aria-1"]}', "noise.model"),
        ('"noise": {"model": {}}', "noise.model"),
        ('"noise": {"seed": 99999999999999999999}', "64 bits"),
        ('"metadata": {"a": "\\ud800"}', "surrogates"),
        ('"name": "\\udfff"', "surrogates"),
        ('"dry_run": "no"', "dry_run"),
        ('"lang": "qasm"', "lang"),
        ('"shots": "many"', "shots"),
        ('"settings": ' + "[" * 50_000, "nested"),
    ],
)
def test_what_json_cannot_carry_or_what_is_of_another_kind_is_refused_by_name(emulator, field, text):
    body = json.dumps(job_body()).removesuffix("}") + ", " + field + "}"
    answer = emulator(post(body.encode()))
    assert answer.status_code == 400
    assert text in answer.text
    assert emulator.cloud.store.job_log() == []


@pytest.mark.parametrize(
    "body",
    [b'{"advance_seconds": NaN}', b'{"advance_seconds": Infinity}', b'{"advance_seconds": 1e999}', b"[]", b"\xff"],
)
def test_the_administrators_pages_refuse_them_too(emulator, body):
    assert emulator(Call(method="PUT", path="/clock", content=body, admin=True)).status_code == 400
    wait = body.replace(b"advance_seconds", b"extra_wait_seconds")
    assert emulator(Call(method="PUT", path="/backends/simulator", content=wait, admin=True)).status_code == 400
    assert emulator(Call(method="PUT", path="/faults", content=body, admin=True)).status_code in (200, 400)
    assert emulator(Call(method="GET", path="/clock", admin=True)).status_code == 200


def test_a_job_that_an_earlier_release_let_in_does_not_hide_the_others(emulator):
    first, second = (emulator(post(json.dumps(job_body()).encode())).json()["id"] for _ in range(2))
    emulator.cloud.store.change(first, settings='{"compilation": {"opt": NaN}}', metadata='{"a": Infinity}')
    listed = emulator(Call(method="GET", path="/jobs")).json()["jobs"]
    assert [job["id"] for job in listed] == [second, first]
    assert listed[1]["settings"] == {"compilation": {"opt": None}}


def test_shots_as_text_and_the_language_of_older_clients_are_read(emulator):
    accepted = emulator(post(json.dumps(job_body(shots="64", lang="json")).encode()))
    assert accepted.status_code == 201
    assert emulator(Call(method="GET", path=f"/jobs/{accepted.json()['id']}")).json()["shots"] == 64
