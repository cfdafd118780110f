"""Bodies and fault plans that cannot be used are refused in one sentence that names the field."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.emulator.circuits import BadRequest
from qhybrid_pipelines.emulator.faults import FAULTS, ROUTES, FaultRule, chance, read_plan
from qhybrid_pipelines.emulator.job_requests import read_job_request
from qhybrid_pipelines.emulator.route_names import route_name
from qhybrid_pipelines_tests.support.emulator_client import BELL, job_body


def order(**changes: Any):
    body = {**job_body(), **changes}
    return read_job_request(json.dumps(body).encode())


def test_a_body_is_read_with_its_sizes() -> None:
    read = order(shots=7, name="n", metadata={"a": "b"})
    assert (read.shots, read.name, read.metadata, read.qubits) == (7, "n", {"a": "b"}, 3)
    assert (read.one_qubit_gates, read.two_qubit_gates) == (1, 1)


def test_circuits_inherit_and_override_the_gate_set() -> None:
    body = job_body(BELL, BELL)
    body["input"]["circuits"][1] = {"gateset": "native", "circuit": [{"gate": "gpi", "target": 0, "phase": 0.5}]}
    assert [one.gateset for one in read_job_request(json.dumps(body).encode()).circuits] == ["qis", "native"]


def without(name: str) -> dict[str, Any]:
    body = job_body()
    del body[name]
    return body


def gates(*given: Any, qubits: int = 3) -> dict[str, Any]:
    return {"input": {"gateset": "qis", "qubits": qubits, "circuit": list(given)}}


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"type": "ionq.qasm3.v1"}, "type", "not emulated"),
        ({"session_id": "x"}, "session_id", "Sessions are not emulated"),
        ({"backend": "qpu.aria-9"}, "backend", "Unknown backend"),
        ({"backend": ["simulator"]}, "backend", "Unknown backend"),
        ({"shots": 0}, "shots", "takes 1 to"),
        ({"shots": 10_001, "backend": "qpu.aria-1"}, "shots", "takes 1 to 10000"),
        ({"shots": "many"}, "shots", "not a whole number"),
        ({"shots": True}, "shots", "not a whole number"),
        ({"metadata": {"a": 1}}, "metadata.a", "not a string"),
        ({"name": 4}, "name", "not a text"),
        ({"surprise": 1}, "surprise", "Unknown field"),
        ({"noise": {"model": "unheard"}}, "noise.model", "not emulated"),
        ({"settings": {"error_mitigation": {"debiasing": True}}}, "shots", "500 shots"),
        ({"input": None}, "input", "not an object"),
        ({"input": {"gateset": "other", "circuit": []}}, "input.gateset", "'qis' or 'native'"),
        ({"input": {"gateset": "qis", "circuit": 3}}, "input.circuit", "not a list of gates"),
        (gates({"gate": "warp", "target": 0}), "input.circuit[0]", "not in the gate set"),
        (gates({"gate": "h", "target": 3}), "input.qubits", "uses qubit 3"),
        (gates({"gate": "h", "target": -1}), "input.circuit[0]", "whole number from 0"),
        (gates({"gate": "h", "targets": [0, 1]}), "input.circuit[0]", "takes 1 target"),
        (gates({"gate": "zz", "targets": [1, 1]}), "input.circuit[0]", "twice"),
        (gates({"gate": "cnot", "target": 1}), "input.circuit[0]", "needs a control"),
        (gates({"gate": "rx", "target": 1, "rotation": "pi"}), "input.circuit[0]", "usable number"),
        (gates({"gate": "rx", "target": 1, "rotation": 10**400}), "input.circuit[0]", "usable number"),
        (gates({"gate": "pauliexp", "targets": [0, 1], "terms": ["X"]}), "input.circuit[0]", "one letter per target"),
        (gates(qubits=30), "input.qubits", "has 29"),
        (gates(qubits=0), "input.qubits", "at least one qubit"),
        (gates(*({"gate": "h", "target": q} for q in range(25)), qubits=25), "input", "at most 22"),
    ],
)
def test_what_cannot_be_accepted_is_named(changes: dict[str, Any], key: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said.replace("(", r"\(")) as caught:
        order(**changes)
    assert caught.value.keys == (key,)


def test_too_many_circuits() -> None:
    with pytest.raises(BadRequest, match="takes 300 per job"):
        read_job_request(json.dumps(job_body(*[BELL] * 301, backend="qpu.aria-1")).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe"])
def test_what_is_no_object(body: bytes) -> None:
    with pytest.raises(BadRequest, match=r"not (JSON|a JSON object)"):
        read_job_request(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 40) | st.text(max_size=3) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
PLACES = [
    ("shots",), ("backend",), ("type",), ("input",), ("metadata",), ("settings",), ("noise",), ("name",),
    ("input", "circuit"), ("input", "qubits"), ("input", "gateset"), ("input", "circuit", 0),
    ("input", "circuit", 0, "gate"), ("input", "circuit", 0, "target"), ("input", "circuit", 1, "control"),
    ("settings", "error_mitigation"),
]  # fmt: skip


@given(place=st.sampled_from(PLACES), value=JSON)
def test_any_value_anywhere_is_read_or_refused_but_never_breaks(place: tuple, value: Any) -> None:
    body = copy.deepcopy(
        {**job_body(), "metadata": {}, "settings": {"error_mitigation": {}}, "noise": None, "name": ""}
    )
    inner: Any = body
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    try:
        read_job_request(json.dumps(body).encode())
    except BadRequest as error:
        assert str(error).endswith(".")  # noqa: PT017 - most values are refused, some are fine


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({}, None),
        ([3], "[0]"),
        ([{"route": "GET /jobs", "fault": "explode"}], "[0].fault"),
        ([{"fault": "slow"}], "[0].route"),
        ([{"route": "GET /nowhere", "fault": "slow"}], "[0].route"),
        ([{"route": "GET /jobs", "fault": "stuck"}], "[0].route"),
        ([{"route": "*", "fault": "slow", "nth": 0}], "[0].nth"),
        ([{"route": "*", "fault": "slow", "probability": 1.5}], "[0].probability"),
        ([{"route": "*", "fault": "slow", "nth": 1, "probability": 0.5}], "[0].probability"),
        ([{"route": "*", "fault": "slow", "times": 0}], "[0].times"),
        ([{"route": "*", "fault": "slow", "when": 1}], "[0].when"),
        ([{"route": "*", "fault": "slow", "backend": 1}], "[0].backend"),
        ([{"route": "*", "fault": "slow", "params": 1}], "[0].params"),
        ([{"route": "*", "fault": "slow", "params": {"minutes": 1}}], "[0].params.minutes"),
        ([{"route": "*", "fault": "slow", "params": {"seconds": "long"}}], "[0].params.seconds"),
        ([{"route": "*", "fault": "slow", "params": {"accept": "never"}}], "[0].params.accept"),
        ([{"route": "*", "fault": "slow"}, {"fault": "clock_skew", "nth": 1}], "[1].nth"),
        ([{"fault": "stuck", "params": {"state": "lost"}}], "[0].params.state"),
        ([{"fault": "result_missing", "params": {"n": -1}}], "[0].params.n"),
    ],
)
def test_malformed_plans_name_rule_and_field(plan: Any, field: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_plan(json.dumps(plan), file="plan.json")
    assert caught.value.file == "plan.json"
    assert caught.value.field == field


def test_a_plan_that_is_not_json() -> None:
    with pytest.raises(InvalidInput, match="not JSON"):
        read_plan("- route: x")


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_every_fault_can_be_written_with_its_defaults_and_reads_back(fault: str) -> None:
    route = {} if FAULTS[fault][0] != "request" else {"route": "GET /jobs"}
    (rule,) = read_plan(json.dumps([{"fault": fault, **route}]))
    assert dict(rule.params) == dict(FAULTS[fault][1])
    assert read_plan(json.dumps([rule.as_json()])) == [rule]


def test_the_page_shows_a_plan_that_is_taken_and_every_fault_with_its_parameters() -> None:
    page = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text("utf-8")
    plan = page.partition("```json\n")[2].partition("```")[0]
    assert len(read_plan(plan)) == 3
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    for fault, (_, defaults) in FAULTS.items():
        assert all(f"`{name}`" in rows[fault] for name in defaults), fault


def fired(rule: FaultRule, requests: int, seed: int = 0) -> list[int]:
    struck: list[int] = []
    for seen in range(1, requests + 1):
        if rule.fires(seen=seen, fired=len(struck), chance=chance(seed, 0, seen)):
            struck.append(seen)
    return struck


def test_when_rules_fire() -> None:
    assert fired(FaultRule(route="*", fault="reset", nth=3, times=1), 6) == [3]
    assert fired(FaultRule(route="*", fault="reset", nth=3, times=2), 6) == [3, 4]
    assert fired(FaultRule(route="*", fault="reset", times=2), 6) == [1, 2]
    assert fired(FaultRule(route="*", fault="reset"), 4) == [1, 2, 3, 4]
    often = fired(FaultRule(route="*", fault="reset", probability=0.3), 2000)
    assert 500 < len(often) < 700
    assert often == fired(FaultRule(route="*", fault="reset", probability=0.3), 2000), "the same seed, the same faults"
    assert often != fired(FaultRule(route="*", fault="reset", probability=0.3), 2000, seed=1)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v0.4/jobs", "POST /jobs"),
        ("GET", "/v0.4/jobs/estimate", "GET /jobs/estimate"),
        ("GET", "/v0.4/jobs/abc", "GET /jobs/{id}"),
        ("PUT", "/v0.4/jobs/abc/status/cancel", "PUT /jobs/{id}/status/cancel"),
        ("PUT", "/v0.4/jobs/status/cancel", "PUT /jobs/status/cancel"),
        ("GET", "/v0.4/jobs/abc/results/probabilities", "GET /jobs/{id}/results"),
        ("GET", "/v0.4/jobs/abc/results/probabilities/aggregated", "GET /jobs/{id}/results"),
        ("GET", "/v0.4/jobs/abc/variants/v/results/shots", "GET /jobs/{id}/results"),
        ("GET", "/v0.4/backends/qpu.aria-1/characterizations", "GET /backends/{backend}/characterizations"),
    ],
)
def test_routes_have_the_names_of_the_plan(method: str, path: str, name: str) -> None:
    assert route_name(method, path) == name
    assert name in ROUTES
