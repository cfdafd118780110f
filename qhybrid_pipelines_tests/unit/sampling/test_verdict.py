"""The verdict of a circuit."""

import pytest

from qhybrid_pipelines.core.vocabulary.verdicts import SamplingVerdict
from qhybrid_pipelines.sampling.scores import Score
from qhybrid_pipelines.sampling.verdict import judge, judge_unmeasured


def scores(**values):
    return {name: Score(name=name, value=value, low=low, high=high) for name, (value, low, high) in values.items()}


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((0.5, 0.4, 0.6), SamplingVerdict.BETTER_THAN_UNIFORM),
        ((0.02, 0.011, 0.03), SamplingVerdict.BETTER_THAN_UNIFORM),
        ((0.02, 0.01, 0.03), SamplingVerdict.INCONCLUSIVE),
        ((0.005, 0.001, 0.01), SamplingVerdict.NO_BETTER_THAN_UNIFORM),
        ((-0.2, -0.3, -0.1), SamplingVerdict.NO_BETTER_THAN_UNIFORM),
        ((0.0, -0.02, 0.02), SamplingVerdict.INCONCLUSIVE),
    ],
)
def test_the_whole_interval_decides(interval, expected):
    said = judge(scores(hellinger_fidelity=(0.83, 0.81, 0.85), polarisation=interval), margin=0.01)
    assert said.verdict is expected
    assert "fidelity 0.83 [0.81, 0.85]" in said.reason


def test_a_uniform_reference_is_said_to_tell_nothing():
    said = judge(scores(hellinger_fidelity=(1.0, 0.9, 1.0)), margin=0.01)
    assert said.verdict is SamplingVerdict.INCONCLUSIVE
    assert "uniform itself" in said.reason


@pytest.mark.parametrize(("low", "words"), [(0.68, "more than two thirds with"), (0.66, "not proved")])
def test_square_quantum_volume_circuits_are_held_against_two_thirds(low, words):
    found = scores(hellinger_fidelity=(0.9, 0.8, 1), polarisation=(0.7, 0.6, 0.8), heavy_output=(0.72, low, 0.76))
    assert words in judge(found, margin=0.01, family="quantum_volume", square=True).reason
    assert "two thirds" not in judge(found, margin=0.01, family="quantum_volume", square=False).reason


def test_nothing_measured_is_inconclusive():
    said = judge_unmeasured("Job 7 was late.")
    assert said.verdict is SamplingVerdict.INCONCLUSIVE
    assert said.reason == "Nothing was measured. Job 7 was late."
