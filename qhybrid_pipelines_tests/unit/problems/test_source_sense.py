"""What a source maximises is shown as its author means it, and everything else as it is."""

from __future__ import annotations

import math

import pytest

from qhybrid_pipelines.problems.source_sense import OBJECTIVES, as_stated, is_negated, stated

ROW = {
    "verdict": "tie",
    "sense": "min",
    "unit": "energy (negated maximum)",
    "best_quantum": -21.0,
    "reference": None,
    "optimum": 0.0,
    "gain": -2.0,
    "mean_energy": -21.0,
}


def test_objectives_sense_and_unit_turn_and_gains_and_energies_do_not():
    assert as_stated(ROW, negated=True) == {
        **ROW,
        "sense": "max",
        "unit": "energy",
        "best_quantum": 21.0,
        "reference": None,
        "optimum": 0.0,
    }
    assert as_stated(ROW, negated=False) == ROW


def test_a_zero_has_no_minus():
    assert math.copysign(1.0, stated(0.0, negated=True)) == 1.0


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"unit": "energy (negated maximum)"}, True),
        ({"unit": "energy"}, False),
        ({"sense": "min", "source_sense": "max"}, True),
        ({"sense": "max", "source_sense": "max"}, False),
        ({"sense": "min", "source_sense": None}, False),
        ({"sense": "min"}, False),
    ],
)
def test_the_unit_or_the_sense_of_the_source_says_it(row, expected):
    assert is_negated(row) is expected


def test_every_objective_of_a_verdict_is_known():
    """A column that is added to the comparison and is an objective belongs into the list."""
    from qhybrid_pipelines.storage import schemas

    figures = {column.name for column in schemas.BASELINE_COMPARISONS.columns if "bjective" in column.meaning}
    about_gains_and_senses = {"sense", "source_sense", "margin", "sample_ratio", "random_sample_ratio"}
    assert figures - about_gains_and_senses <= OBJECTIVES
