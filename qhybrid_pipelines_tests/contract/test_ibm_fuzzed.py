"""Nothing that a client sends makes IBM's face fail, and no job that it accepts breaks a list.

``make test`` sends 132; ``make test-requests`` sends 1,600.
"""

from __future__ import annotations

import copy
import json
import os
import random
from collections import Counter
from urllib.parse import urlencode

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter

from qhybrid_pipelines.emulator.ibm.vendor_format import write
from qhybrid_pipelines.emulator.process import IBM_INSTANCE
from qhybrid_pipelines_tests.support.emulator_in_process import EmulatorInProcess

KEY = "the-secret"
ROUNDS = int(os.environ.get("QHYBRID_FUZZED_REQUESTS", "2500")) // 75
ODD = (
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    10**30,
    10**400,
    "",
    "x" * 2000,
    "\x00é",
    "AAAA",
    [],
    [[]],
    {},
    {"a": {}},
    ["a", 1],
)
QUERIES = (
    "",
    "limit=0&offset=7",
    "limit=x",
    "offset=-1",
    "created_after=yesterday",
    "created_before=2026-01-01T00:00:00%2B14:00",
    "created_after=0001-01-01T00:00:00%2B14:00",
    "pending=maybe&tags=a&tags=b&session_id=%00",
    "sort=ASC&exclude_params=true&backend=none&program=sampler",
)


class InProcess(EmulatorInProcess):
    """Asks with a token."""

    def __init__(self, folder):
        super().__init__(folder, key=KEY)
        form = urlencode({"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": KEY})
        given = self.request("POST", "http://emulator/ibm/identity/token", content=form).json()
        self._headers = {"Authorization": f"Bearer {given['access_token']}", "Service-CRN": IBM_INSTANCE}

    def __call__(self, method, path, body=None):
        return self.request(method, f"http://emulator/ibm/api/v1/{path}", content=body, headers=self._headers)


@pytest.fixture
def emulator(tmp_path):
    running = InProcess(tmp_path / "cloud")
    yield running
    running.close()


def circuits() -> list[QuantumCircuit]:
    """Circuits that the device takes, and some that it does not."""
    good = QuantumCircuit(5, 2)
    good.rz(Parameter("a"), 0)
    good.cx(0, 1)
    good.measure([0, 1], [1, 0])
    bare, middle, apart = QuantumCircuit(2), QuantumCircuit(2, 2), QuantumCircuit(5, 1)
    bare.x(0)
    divided, reserved = QuantumCircuit(1, 1), QuantumCircuit(QuantumRegister(1), ClassicalRegister(1, "shape"))
    divided.rz(1 / Parameter("a"), 0)
    divided.measure(0, 0)
    reserved.measure(0, 0)
    middle.measure(0, 0)
    middle.x(0)
    apart.cx(0, 4)
    apart.h(0)
    return [good, good, good, good, good, good, bare, middle, apart, divided, reserved, QuantumCircuit(9, 1)]


def order(draw, made):
    """Return an order of which up to two fields, or a part of its circuit, are missing or odd."""
    pub = [
        draw.choice(made),
        draw.choice([[0.5], [0.5], [1e300], [0.0], [0.5] * 2, np.zeros((0, 1))]),
        draw.choice((3, 3, 3, 3, 0, None)),
    ]
    params = {"pubs": [pub], "options": {}, "version": 2, "support_qiskit": True}
    given = {"program_id": "sampler", "backend": "ibm_manila", "tags": ["a"], "params": params, "cost": 7}
    given = json.loads(write(given))
    inner = given["params"]["pubs"][0]
    for target in draw.choices((given, given["params"], inner, inner[0]), k=draw.choice((0, 0, 1, 2))):
        names = list(target) if isinstance(target, dict) else range(len(target))
        target[draw.choice(list(names))] = copy.deepcopy(draw.choice(ODD))
    return given


@pytest.mark.fuzz
def test_no_request_makes_it_fail_and_no_accepted_job_breaks_a_list(emulator):
    draw, statuses, made = random.Random(7), Counter(), circuits()
    session = emulator("POST", "sessions", b'{"backend": "ibm_manila"}').json()["id"]
    for _ in range(ROUNDS):
        body = order(draw, made) if draw.random() < 0.9 else draw.choice(ODD)
        calls = [
            ("POST", "jobs", json.dumps(body).encode()),
            ("GET", f"jobs?{draw.choice(QUERIES)}"),
            ("POST", "sessions", json.dumps({"backend": "ibm_fez", draw.choice(("mode", "max_ttl", "backend")): draw.choice(ODD)}).encode()),
            draw.choice(
                [
                    ("GET", "jobs/x"),
                    ("PUT", "jobs/x/tags", b"[]"),
                    ("POST", "jobs/x/cancel"),
                    ("GET", "sessions/x"),
                    ("PATCH", f"sessions/{session}", b'{"accepting_jobs": 1}'),
                    ("PATCH", f"sessions/{session}", b"\xff"),
                    ("GET", "backends/none/status"),
                    ("GET", "tags?search=%00"),
                    ("DELETE", "backends"),
                ]
            ),
        ]  # fmt: skip
        for call in calls:
            answer = emulator(*call)
            statuses[answer.status_code] += 1
            assert answer.status_code < 500, (call, answer.text)
            if answer.status_code >= 400:
                assert answer.json()["errors"][0]["message"], (call, answer.text)
    emulator.cloud.clock.advance(1e6)
    accepted = [job.id for job in reversed(emulator.cloud.store.job_log())]
    listed = emulator("GET", "jobs?limit=200").json()
    assert [one["id"] for one in listed["jobs"]] == accepted[:200]
    assert listed["count"] == len(accepted) >= ROUNDS // 8, "the generator does reach behind the door"
    for one in accepted[:20]:
        assert emulator("GET", f"jobs/{one}/results").status_code == 200
        assert emulator("GET", f"jobs/{one}/metrics").status_code == 200
    print(f"{sum(statuses.values())} requests: {dict(sorted(statuses.items()))}, {len(accepted)} jobs accepted")


def test_a_fault_whose_code_is_too_long_for_a_number_breaks_no_list(emulator):
    params = {"code": "1" * 5000, "message": "m"}
    plan = json.dumps([{"route": "POST /ibm/jobs", "nth": 1, "fault": "failed", "params": params}])
    assert emulator.request("PUT", "http://emulator/_admin/faults", content=plan).status_code == 200
    pub = {"pubs": [[circuits()[0], [0.5], 3]], "options": {}, "version": 2}
    body = write({"program_id": "sampler", "backend": "ibm_manila", "params": pub}).encode()
    assert emulator("POST", "jobs", body).status_code == 200
    emulator.cloud.clock.advance(1e6)
    [listed] = emulator("GET", "jobs").json()["jobs"]
    assert listed["state"] == {"status": "Failed", "reason": "m", "reason_code": 9999}


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "token"), ("PUT", "token"), ("POST", "token/"), ("POST", "tokens")]
)
def test_a_key_is_not_stored_wherever_it_is_sent_for_a_token(emulator, method, path):
    emulator.request(method, f"http://emulator/ibm/identity/{path}", content=f"apikey={KEY}")
    assert KEY not in emulator.request("GET", "http://emulator/_admin/bodies").text
