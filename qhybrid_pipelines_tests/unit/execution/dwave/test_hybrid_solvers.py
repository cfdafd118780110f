"""Odd properties of a hybrid solver become errors of the provider, and never errors of Python."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import Unavailable
from qhybrid_pipelines.execution.dwave.hybrid_solvers import hybrid_solver

STATED = {
    "supported_problem_types": ["bqm"],
    "minimum_time_limit": [[1, 3.0], [1024, 3.0]],
    "maximum_number_of_variables": 1000,
    "maximum_time_limit_hrs": 24,
}


def test_the_usual_properties_are_read():
    assert hybrid_solver("h", {"properties": STATED}).shortest_run(12) == 3.0


@pytest.mark.parametrize(
    "change",
    [
        {"supported_problem_types": 5},
        {"supported_problem_types": "bqm"},
        {"supported_problem_types": None},
        {"maximum_number_of_variables": float("inf")},
        {"maximum_time_limit_hrs": 10**400},
        {"minimum_time_limit": [[1, 10**400]]},
        {"minimum_time_limit": [[1, float("nan")]]},
        {"minimum_time_limit": [[5, 1], [1, 3]]},
        {"minimum_time_limit": []},
        {"minimum_time_limit": [1]},
    ],
    ids=str,
)
def test_odd_properties_are_named(change):
    with pytest.raises(Unavailable, match=r"^h does not say|the properties of h|h tells its minimum time limit"):
        hybrid_solver("h", {"properties": STATED | change})
