"""Nothing that a client sends makes Braket's face fail, and no task that it accepts breaks a list.

``make test`` sends 99; ``make test-requests`` sends 1,200.
"""

from __future__ import annotations

import copy
import json
import os
import random
from collections import Counter

import pytest

from qhybrid_pipelines.execution.braket.credentials import sign
from qhybrid_pipelines.execution.http.credentials import Secret
from qhybrid_pipelines_tests.support.emulator_in_process import EmulatorInProcess

KEY = "the-secret"
ROUNDS = int(os.environ.get("QHYBRID_FUZZED_REQUESTS", "2500")) // 75
ODD = (None, True, -1, 0, 1.5, 1e308, 10**30, "", "x" * 2000, "\x00é", "AAAA", [], [[]], {}, {"a": {}}, "{}", "[]")
STATEMENTS = (
    "h q[0];",
    "rx(1e308*1e308) q[0];",
    "rx(((((1))))) q[1];",
    "h q[5];",
    "measure q;",
    "u q;",
    ";;",
    "qubit[0] r;",
    "cnot q[0], q[0];",
)
GOOD = {
    "clientToken": "a",
    "deviceArn": "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet",
    "shots": 3,
    "outputS3Bucket": "results",
    "outputS3KeyPrefix": "folder",
    "tags": {"a": "b"},
}
SEARCHES = (
    {"filters": []},
    {"filters": [{"name": "createdAt", "operator": "BETWEEN", "values": ["0", "x"]}]},
    {"filters": [{"name": "createdAt", "operator": "LT", "values": ["nan"]}]},
    {"filters": [{"name": "status", "operator": "GT", "values": ["A"]}]},
    {"filters": [{}], "maxResults": 0},
    {"filters": [], "nextToken": "9" * 15},
    {"filters": [], "nextToken": "²"},
    {},
)


class InProcess(EmulatorInProcess):
    def __call__(self, method, path, body=None, *, root="braket"):
        url, key = f"http://emulator/{root}/{path}", Secret(json.dumps(["any", KEY, None]))
        service = "s3" if root == "s3" else "braket"
        headers = sign(key, service=service, region="eu", method=method, url=url, headers={}, params=None, body=body)
        return self.request(method, url, content=body, headers=headers)


@pytest.fixture
def emulator(tmp_path):
    running = InProcess(tmp_path / "cloud", key=KEY)
    yield running
    running.close()


def order(draw, number):
    """Return an order of which up to two fields are missing or odd, and whose program may be."""
    lines = ["OPENQASM 3.0;", "qubit[2] q;", *(draw.choice(STATEMENTS) for _ in range(draw.choice((0, 0, 1, 2))))]
    action = {"braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"}, "source": "\n".join(lines)}
    if draw.random() < 0.2:
        action[draw.choice(["source", "inputs", "braketSchemaHeader"])] = draw.choice(ODD)
    if draw.random() < 0.3:
        programs = [action, {**action, "inputs": {"a": [0.1, 0.2]}}][: draw.choice((1, 1, 2))]
        header = {"name": "braket.ir.openqasm.program_set", "version": "1"}
        action = {"braketSchemaHeader": header, "programs": draw.choice((programs, programs, draw.choice(ODD), [1]))}
    given = {**copy.deepcopy(GOOD), "clientToken": f"t{number // 2}", "action": json.dumps(action)}
    for _ in range(draw.choice((0, 0, 1, 2))):
        given[draw.choice(list(given))] = copy.deepcopy(draw.choice(ODD))
    return given


@pytest.mark.fuzz
def test_no_request_makes_it_fail_and_no_accepted_task_breaks_a_list(emulator):
    draw, statuses = random.Random(7), Counter()
    for number in range(ROUNDS):
        body = order(draw, number) if draw.random() < 0.9 else draw.choice(ODD)
        calls = [
            ("POST", "quantum-task", json.dumps(body).encode()),
            ("POST", "quantum-tasks", json.dumps(draw.choice(SEARCHES)).encode()),
            draw.choice(
                [
                    ("GET", "quantum-task/x", None),
                    ("PUT", "quantum-task/x/cancel", b'{"clientToken": 1}'),
                    ("PUT", "quantum-task/x", b"{}"),
                    ("GET", "device/x", None),
                    ("POST", "devices", b'{"filters": [{"name": "x"}]}'),
                    ("POST", "devices", b"\xff"),
                    ("DELETE", "devices", None),
                ]
            ),
        ]
        for call in calls:
            answer = emulator(*call)
            statuses[answer.status_code] += 1
            assert answer.status_code < 500, (call, answer.text)
            if answer.status_code >= 400:
                assert set(answer.json()) == {"message"}, (call, answer.text)
                assert answer.headers["x-amzn-errortype"].endswith("Exception")
    emulator.cloud.clock.advance(100_000)
    listed = emulator("POST", "quantum-tasks", b'{"filters": []}').json()["quantumTasks"]
    accepted = [job.id for job in reversed(emulator.cloud.store.job_log())][:100]
    assert [one["quantumTaskArn"].rpartition("/")[2] for one in listed] == accepted
    assert len(listed) >= min(100, ROUNDS // 8), "the generator does reach behind the door"
    for one in listed:
        assert (
            emulator("GET", f"quantum-task/{one['quantumTaskArn'].replace(':', '%3A').replace('/', '%2F')}").status_code
            == 200
        )
        if one["outputS3Bucket"].isalpha() and one["outputS3Directory"].startswith("folder/"):
            place = f"{one['outputS3Bucket']}/{one['outputS3Directory']}/results.json"
            assert emulator("GET", place, root="s3").status_code == 200, place
    assert emulator("GET", "jobs", root="_admin").status_code == 200
    print(f"{sum(statuses.values())} requests: {dict(sorted(statuses.items()))}, {len(listed)} tasks accepted")
