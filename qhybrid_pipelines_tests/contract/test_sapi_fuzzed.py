"""Nothing that a client sends makes the annealing face fail, and no problem that it accepts breaks a list.

``make test`` sends 99; ``make test-requests`` sends 1,200.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
from collections import Counter

import dimod
import pytest

from qhybrid_pipelines_tests.support.emulator_in_process import EmulatorInProcess
from qhybrid_pipelines_tests.support.sapi_client import SMALL, packed_problem

KEY, HYBRID = "k", "hybrid_binary_quadratic_model_version2"
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
    2000,
    10_000,
    "",
    "x" * 2000,
    "\x00é",
    "AAAA",
    "raw",
    [],
    [[]],
    {},
)
PARAMETERS = ("num_reads", "annealing_time", "answer_mode", "auto_scale", "max_answers", "readout_thermalization", "x")
QUERIES = (
    *("label=", "label=a", "label=%25", "label=%00", "solver=x", "status=x", "max_results=0", "max_results=1e3"),
    *("timeout=nan&id=a", "timeout=-1&id=a", "timeout=31&id=a", "id=", "id=,", "id=a,b&timeout=0"),
)
PAGES = (
    "solvers/remote/?filter=",
    "solvers/remote/?filter=all,",
    "solvers/remote/?filter=none,+x",
    "problems/..%2f",
    "x",
)


class InProcess(EmulatorInProcess):
    def __call__(self, method, path, content=None, *, root="sapi/v2"):
        url = f"http://emulator/{root}/{path}"
        return self.request(method, url, content=content, headers={"X-Auth-Token": KEY})


@pytest.fixture
def emulator(tmp_path):
    running = InProcess(tmp_path / "cloud", key=KEY)
    yield running
    running.close()


@pytest.fixture
def good(emulator):
    definition = emulator("GET", f"solvers/remote/{SMALL}").json()
    qubits = definition["properties"]["qubits"]
    data = packed_problem(definition["properties"], {qubits[0]: 1.0, qubits[5]: -1.0}, {})
    return {"solver": definition["identity"], "type": "ising", "label": "a", "data": data, "params": {"num_reads": 2}}


def changed(problem, draw):
    """Return a problem of which up to three fields are missing, odd, or new."""
    problem = copy.deepcopy(problem)
    for _ in range(draw.randint(0, 3)):
        node = problem
        while isinstance(inner := node.get(draw.choice([*node, None])), dict) and inner:
            node = inner
        name = draw.choice([*node, *PARAMETERS, "offset", "format"])
        if draw.random() < 0.2:
            node.pop(name, None)
        else:
            node[name] = copy.deepcopy(draw.choice(ODD))
    return problem


def small_model():
    with dimod.BinaryQuadraticModel({0: 1.0, 1: -1.0}, {(0, 1): 0.5}, 0.0, "SPIN").to_file() as file:
        return file.read()


@pytest.fixture
def uploaded(emulator):
    """A problem for the hybrid solver, whose model was uploaded."""
    content = small_model()
    upload_id = emulator("POST", "bqm/multipart", json.dumps({"size": len(content)}).encode()).json()["id"]
    assert emulator("PUT", f"bqm/multipart/{upload_id}/part/1", content).status_code == 200
    digest = hashlib.md5(hashlib.md5(content).digest()).hexdigest()
    combined = emulator("POST", f"bqm/multipart/{upload_id}/combine", json.dumps({"checksum": digest}).encode())
    assert combined.status_code == 200, combined.text
    data = {"format": "ref", "data": upload_id}
    return {"solver": {"name": HYBRID}, "type": "bqm", "label": "h", "data": data, "params": {"time_limit": 3}}


def odd_upload(draw, content):
    """Return a request about an upload, which may not exist, have odd parts or no model in it."""
    place = f"bqm/multipart/{draw.choice(['x', '%2f', '0' * 32])}"
    cut = draw.randrange(len(content))
    return draw.choice(
        [
            ("POST", "bqm/multipart", json.dumps(draw.choice([*ODD, {"size": draw.choice(ODD)}])).encode()),
            ("PUT", f"{place}/part/{draw.choice(['0', '1', 'x', '9' * 30, '²'])}", content[:cut]),
            ("GET", f"{place}/status", None),
            ("POST", f"{place}/combine", json.dumps({"checksum": draw.choice(ODD)}).encode()),
        ]
    )


@pytest.mark.fuzz
def test_no_bytes_that_are_uploaded_make_it_fail(emulator):
    good, draw, accepted = small_model(), random.Random(7), 0
    for _ in range(ROUNDS):
        content = bytearray(good)
        for _ in range(draw.randint(0, 3)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        content = bytes(content[: draw.choice([None, None, draw.randrange(len(content))])])
        begun = emulator("POST", "bqm/multipart", json.dumps({"size": len(content)}).encode()).json()["id"]
        digests = b""
        for number, first in enumerate(range(0, len(content), 100), 1):
            part = content[first : first + 100]
            assert emulator("PUT", f"bqm/multipart/{begun}/part/{number}", part).status_code == 200
            digests += hashlib.md5(part).digest()
        checksum = json.dumps({"checksum": hashlib.md5(digests).hexdigest()}).encode()
        calls = [("POST", f"bqm/multipart/{begun}/combine", checksum), odd_upload(draw, good)]
        for call in calls:
            assert emulator(*call).status_code < 500, call
        problem = {"solver": HYBRID, "type": "bqm", "data": {"format": "ref", "data": begun}}
        [said] = emulator("POST", "problems/", json.dumps([problem]).encode()).json()
        accepted += "id" in said
    emulator.cloud.clock.advance(100_000)
    for one in emulator("GET", "problems/").json():
        answer = emulator("GET", f"problems/{one['id']}/answer")
        assert answer.status_code == 200, answer.text
    assert accepted >= ROUNDS // 8, "the generator does reach behind the door"


@pytest.mark.fuzz
def test_no_request_makes_it_fail_and_no_accepted_problem_breaks_a_list(emulator, good, uploaded):
    draw, statuses = random.Random(7), Counter()
    for _ in range(ROUNDS):
        problems = [changed(draw.choice([good, good, uploaded]), draw) for _ in range(draw.randint(1, 3))]
        body = problems if draw.random() < 0.8 else draw.choice([problems[0], *ODD])
        calls = [
            ("POST", "problems/", json.dumps(body).encode()),
            ("GET", f"problems/?{draw.choice(QUERIES)}", None),
            ("GET", draw.choice(PAGES), None),
        ]
        for call in calls:
            answer = emulator(*call)
            statuses[answer.status_code] += 1
            assert answer.status_code < 500, (call, answer.text)
            if answer.status_code >= 400:
                assert set(answer.json()) == {"error_code", "error_msg"}, (call, answer.text)
                assert answer.json()["error_code"] == answer.status_code
    emulator.cloud.clock.advance(100_000)
    listed = emulator("GET", "problems/").json()
    assert [one["id"] for one in listed] == [job.id for job in reversed(emulator.cloud.store.job_log())][:1000]
    assert len(listed) >= ROUNDS // 4, "the generator does reach behind the door"
    for one in listed:
        for page in ("", "/info", "/answer"):
            answer = emulator("GET", f"problems/{one['id']}{page}")
            assert answer.status_code == 200, answer.text
    assert emulator("GET", "jobs", root="_admin").status_code == 200
    print(f"{sum(statuses.values())} requests: {dict(sorted(statuses.items()))}, {len(listed)} problems accepted")
