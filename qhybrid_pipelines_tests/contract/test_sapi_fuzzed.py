"""Nothing that a client sends makes the annealing face fail, and no problem that it accepts breaks a list.

``make test`` sends 99; ``make test-requests`` sends 1,200.
"""

from __future__ import annotations

import copy
import json
import os
import random
from collections import Counter

import pytest

from qhybrid_pipelines_tests.support.emulator_in_process import EmulatorInProcess
from qhybrid_pipelines_tests.support.sapi_client import SMALL, packed_problem

KEY = "k"
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


@pytest.mark.fuzz
def test_no_request_makes_it_fail_and_no_accepted_problem_breaks_a_list(emulator, good):
    draw, statuses = random.Random(7), Counter()
    for _ in range(ROUNDS):
        problems = [changed(good, draw) for _ in range(draw.randint(1, 3))]
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
