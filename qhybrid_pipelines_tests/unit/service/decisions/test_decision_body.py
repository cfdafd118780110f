"""A body that is wrong is refused for that, however little time there is and however busy the machine."""

from __future__ import annotations

import json

import pytest

from qhybrid_pipelines.service.decisions.decision_body import read_decision, read_outcome
from qhybrid_pipelines.service.problem_documents import ProblemError

GOOD = {
    "specification": {"name": "round", "problem": {"family": "maxcut", "source": "networkx:bull"}},
    "deadline_ms": 1,
}


def test_what_is_left_out_has_its_default():
    order = read_decision(json.dumps(GOOD).encode())
    assert (order.deadline_seconds, order.answer_seconds) == (0.001, 0.001)
    assert (order.terms.min_gain, order.terms.confidence, order.terms.quantum) == (0.02, 0.8, True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specification": {}}, "name"),
        ({"specification": {**GOOD["specification"], "shots": "many"}}, "shots"),
        ({"specification": {"name": "x", "problem": {"family": "maxcut"}}}, "problem.source"),
        ({"specification": []}, "specification"),
        ({"deadline_ms": 0}, "deadline_ms"),
        ({"answer_ms": 2}, "answer_ms"),
        ({"noise": 0.1, "scenarios": [[1.0]] * 50}, "scenarios"),
        ({"scenarios": [[1.0]] * 49 + [[1.0, 2.0]]}, "scenarios"),
    ],
)
def test_what_is_wrong_is_refused_before_any_solver_is_asked(change, field):
    with pytest.raises(ProblemError) as caught:
        read_decision(json.dumps({**GOOD, **change}).encode())
    problem = caught.value.problem
    assert (problem.status, problem.field, problem.file) == (422, field, None)
    assert problem.remedy


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "value"),
        ({"value": 1.0, "coefficients": [1.0]}, "coefficients"),
        ({"fallback_value": 1.0, "coefficients": [1.0]}, "fallback_value"),
        ({"value": "much"}, "value"),
    ],
)
def test_an_outcome_says_one_thing(body, field):
    with pytest.raises(ProblemError) as caught:
        read_outcome(json.dumps(body).encode())
    assert caught.value.problem.field == field
