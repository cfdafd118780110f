"""The sentence about sensitivity: what is easiest and hardest to tell, what nobody can tell, and what gate errors take."""

from __future__ import annotations

from qhybrid_pipelines.core.vocabulary.sensitivity_words import sensitivity_sentence

POINT = {
    "expectation": -9.75,
    "random_expectation": -7.5,
    "shots": 2560,
    "step": 0.1,
    "survival": None,
    "two_qubit_error": None,
    "expectation_with_errors": None,
}


def row(angle, shots, **fields):
    return {**POINT, "angle": angle, "shots_to_tell": shots, **fields}


def test_the_easiest_and_the_hardest_angle_are_named():
    assert sensitivity_sentence([row("gamma 1", 515), row("beta 1", 1544)]) == (
        "mean energy -9.75 without noise, -7.5 of random outcomes; 515 shots tell gamma 1 from 0.1 rad away, "
        "1,544 tell beta 1, and 2,560 are planned a point"
    )
    assert "515 shots tell gamma 1 from 0.1 rad away, and 2,560" in sensitivity_sentence([row("gamma 1", 515)])


def test_angles_that_no_shots_tell_are_named():
    said = sensitivity_sentence([row("gamma 1", None), row("beta 1", 7)])
    assert said.endswith("; no number of shots tells gamma 1")
    assert "7 shots tell beta 1" in said


def test_errors_are_told_where_they_are_known():
    errors = {"survival": 0.94, "two_qubit_error": 0.0042, "expectation_with_errors": -9.61}
    said = sensitivity_sentence([row("gamma 1", 7, **errors)])
    assert "two-qubit gates fail with 0.0042, so 94% of the shots go without an error" in said
    assert "the mean would be -9.61" in said
