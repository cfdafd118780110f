"""What more noise cost is the quote of the circuits that had it, each point's share."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.classical.shot_means import ShotMean
from qhybrid_pipelines.core.specifications.mitigation_specification import MitigationSpec
from qhybrid_pipelines.steps.interpret.estimate_rows import extrapolated_row, quotes_by_point


def mean(value: float) -> ShotMean:
    return ShotMean(mean=value, standard_error=0.1, low=value - 0.2, high=value + 0.2, shots=50, effective_shots=50.0)


def test_a_part_is_paid_by_its_points_and_a_point_by_its_parts():
    parts = [
        {"first_point": 0, "points": 2, "cost_quoted_usd": 4.0},
        {"first_point": 7, "points": 1, "cost_quoted_usd": 1.0},
        {"first_point": 7, "points": 1, "cost_quoted_usd": 0.5},
    ]
    assert quotes_by_point(parts) == {0: 2.0, 1: 2.0, 7: 1.5}


def test_only_the_circuits_with_more_noise_are_overhead():
    spec = MitigationSpec(estimation="zne", noise_factors=(1, 3))
    place = {"point": 2, "method": "zne"}
    row = extrapolated_row(place, spec, [(3, 9, mean(-1.0)), (1, 2, mean(-2.0))], {2: 3.0, 9: 2.5})
    assert row["expectation"] == pytest.approx(-2.5)
    assert (row["overhead_shots"], row["quoted_usd"], row["shots"]) == (50, 2.5, 100)
    missing = extrapolated_row(place, spec, [(1, 2, mean(-2.0))], {2: 3.0})
    assert (missing["expectation"], missing["overhead_shots"], missing["quoted_usd"]) == (None, 0, 0)
