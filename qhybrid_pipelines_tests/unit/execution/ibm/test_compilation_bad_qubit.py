"""Circuits that are placed by today's calibration avoid a qubit that went bad overnight, and that shows in what they measure."""

from __future__ import annotations

import pytest

from qhybrid_pipelines_tests.support.bad_qubit import NONE, TODAY, YESTERDAY, exact_cut, gain, outcomes

DEVICE, WIDTH = "ibm_hanoi", 10


def test_the_chain_is_cut_as_the_formula_says():
    # An edge of degrees d + 1 and e + 1 without triangles: 1/2 + sin(4 beta) sin(gamma) (cos(gamma)^d + cos(gamma)^e) / 4.
    inner, end = 0.75, 0.5 + 0.25 * 0.5**0.5 * (1 + 0.5**0.5)
    assert exact_cut(WIDTH) == pytest.approx((WIDTH - 3) * inner + 2 * end)


@pytest.mark.parametrize("seed", [0, 1])
def test_todays_calibration_wins_by_more_than_three_standard_errors(seed):
    found = outcomes(DEVICE, width=WIDTH, seed=seed, repetitions=20, shots=500)
    assert found[YESTERDAY].uses_bad_qubit
    assert not found[TODAY].uses_bad_qubit
    assert found[TODAY].two_qubit_gates == found[YESTERDAY].two_qubit_gates == 2 * (WIDTH - 1)
    for other in (YESTERDAY, NONE):
        more, error = gain(found[TODAY], found[other])
        assert more > 3 * error, (other, more, error)


def test_where_nothing_went_bad_the_placement_is_yesterdays():
    found = outcomes(DEVICE, width=WIDTH, seed=0, repetitions=2, shots=50, factor=1.0)
    assert found[TODAY].qubits == found[YESTERDAY].qubits
