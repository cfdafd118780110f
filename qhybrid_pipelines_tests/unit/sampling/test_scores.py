"""Scores against independent truth: Qiskit's fidelity, sums over dictionaries, distributions mixed by hand; and the intervals' coverage."""

import itertools
import math

import numpy as np
import pytest
from qiskit.quantum_info import hellinger_fidelity

from qhybrid_pipelines.sampling.counts import align_counts
from qhybrid_pipelines.sampling.reference import reference_from_pairs, reference_from_vector
from qhybrid_pipelines.sampling.scores import exact_scores, measured_scores, normalise_fidelity, uniform_scores

RUNS, SHOTS, REPEATS = 4, 1024, 1000


def porter_thomas(width, seed):
    values = np.random.default_rng(seed).exponential(size=2**width)
    return values / values.sum()


def ghz(width):
    vector = np.zeros(2**width)
    vector[[0, -1]] = 0.5
    return vector


def certain(width, outcome):
    vector = np.zeros(2**width)
    vector[outcome] = 1.0
    return vector


def sparse(width, present, seed):
    vector = np.zeros(2**width)
    vector[:present] = np.random.default_rng(seed).dirichlet(np.ones(present))
    return vector


def align(reference, counts_by_run):
    run, outcome = np.nonzero(counts_by_run)
    return align_counts(reference, outcome.astype(np.uint64), run, counts_by_run[run, outcome])


def measure(vector, reference_vector, *, shots=SHOTS, runs=RUNS, seed=1):
    counts = np.random.default_rng(seed).multinomial(shots, vector, size=runs)
    return counts, {
        score.name: score for score in measured_scores(align(reference_from_vector(reference_vector), counts))
    }


@pytest.mark.parametrize(
    ("reference", "noise"),
    list(
        itertools.product(
            [ghz(3), certain(4, 9), porter_thomas(4, 1), porter_thomas(7, 2), sparse(5, 9, 3)], [0.0, 0.3, 1.0]
        )
    ),
)
def test_values_are_those_of_other_programs(reference, noise):
    size = len(reference)
    measured = (1 - noise) * reference + noise / size
    counts, scores = measure(measured, reference, seed=int(100 * noise))
    pooled = counts.sum(axis=0)
    width = size.bit_length() - 1
    named = {f"{outcome:0{width}b}": int(count) for outcome, count in enumerate(pooled) if count}
    ideal = {f"{outcome:0{width}b}": p for outcome, p in enumerate(reference) if p > 0}
    assert scores["hellinger_fidelity"].value == pytest.approx(hellinger_fidelity(named, ideal), abs=1e-12)
    shots = pooled.sum()
    distance = sum(abs(named.get(key, 0) / shots - ideal.get(key, 0.0)) for key in {*named, *ideal}) / 2
    assert scores["total_variation"].value == pytest.approx(distance, abs=1e-12)
    if "heavy_output" in scores:
        median = float(np.median(reference))
        heavy = sum(count for key, count in named.items() if reference[int(key, 2)] > median) / shots
        assert scores["heavy_output"].value == pytest.approx(heavy, abs=1e-12)
    agreement = sum(count / shots * reference[int(key, 2)] for key, count in named.items())
    expected = (size * agreement - 1) / (size * sum(p * p for p in reference) - 1)
    assert scores["polarisation"].value == pytest.approx(expected, abs=1e-9)
    if (reference == 1).any():
        assert scores["expected_outcome"].value == named.get(next(iter(ideal)), 0) / shots
    else:
        assert "expected_outcome" not in scores
    for score in scores.values():
        assert score.low <= score.value <= score.high, score


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("vector", [ghz(4), certain(3, 5), porter_thomas(6, 4)])
def test_polarisation_is_what_is_left_of_the_reference_if_the_rest_is_uniform(vector, share):
    reference = reference_from_vector(vector)
    mixed = share * reference.probabilities + (1 - share) / reference.size
    assert exact_scores(reference, mixed)["polarisation"] == pytest.approx(share, abs=1e-12)


def test_uniform_outcomes_have_the_zero_of_both_normalised_scores():
    for vector in (ghz(3), certain(5, 0), porter_thomas(5, 8)):
        scores = uniform_scores(reference_from_vector(vector))
        assert scores["polarisation"] == pytest.approx(0, abs=1e-12)
        assert scores["normalised_fidelity"] == pytest.approx(0, abs=1e-12)
        assert scores["total_variation"] == pytest.approx(np.abs(vector - 1 / len(vector)).sum() / 2)
        assert scores["hellinger_fidelity"] == pytest.approx(np.sqrt(vector / len(vector)).sum() ** 2)


def test_a_uniform_reference_tells_nothing_apart():
    scores = uniform_scores(reference_from_vector(np.full(8, 1 / 8)))
    assert scores == pytest.approx({"hellinger_fidelity": 1.0, "total_variation": 0.0})


def test_normalised_fidelity_is_never_below_zero():
    reference = reference_from_vector(certain(3, 2))
    assert normalise_fidelity(0.0, reference) == 0
    assert normalise_fidelity(1.0, reference) == 1


def test_outcomes_wider_than_a_word_are_scored():
    width = 100
    reference = reference_from_pairs({0: 0.5, 2**width - 1: 0.5}, width)
    outcomes = np.array([0, 2**width - 1, 2**70], dtype=object)
    aligned = align_counts(reference, outcomes, np.zeros(3, dtype=int), np.array([40, 40, 20]))
    scores = {score.name: score.value for score in measured_scores(aligned)}
    assert scores["hellinger_fidelity"] == pytest.approx(0.8)
    assert scores["total_variation"] == pytest.approx(0.2)
    assert scores["polarisation"] == pytest.approx(0.8)


CASES = {
    "GHZ, a good device": (ghz(5), 0.03, SHOTS),
    "GHZ without noise": (ghz(8), 0.0, SHOTS),
    "one outcome": (certain(6, 11), 0.2, SHOTS),
    "one outcome, hardly an error": (certain(6, 11), 1e-4, SHOTS),
    "random circuit": (porter_thomas(6, 5), 0.3, SHOTS),
    "random circuit, more outcomes than shots": (porter_thomas(11, 6), 0.4, 256),
    "random circuit without noise": (porter_thomas(5, 7), 0.0, SHOTS),
    "nothing but noise": (porter_thomas(6, 8), 1.0, SHOTS),
    "a third of the outcomes": (sparse(6, 20, 9), 0.1, SHOTS),
}


@pytest.mark.parametrize("case", CASES)
def test_intervals_cover_the_exact_value_in_at_least_93_5_percent_of_1000_repeats(case):
    vector, noise, shots = CASES[case]
    measured = (1 - noise) * vector + noise * np.roll(porter_thomas(len(vector).bit_length() - 1, 99), 1)
    reference = reference_from_vector(vector)
    truth = exact_scores(reference, measured[reference.outcomes.astype(int)])
    random = np.random.default_rng(20261129)
    covered = dict.fromkeys(truth, 0)
    for _ in range(REPEATS):
        for score in measured_scores(align(reference, random.multinomial(shots, measured, size=RUNS))):
            covered[score.name] += score.low - 1e-12 <= truth[score.name] <= score.high + 1e-12
    assert {name: hits for name, hits in covered.items() if hits < 0.935 * REPEATS} == {}


def test_an_interval_that_ignores_drift_between_runs_covers_too_seldom_and_ours_does_not():
    """Negative control: the success probability of every run is drawn anew."""
    reference, random = reference_from_vector(certain(4, 3)), np.random.default_rng(3)
    runs, shots, mean = 10, 500, 0.8
    ours = naive = 0
    for _ in range(300):
        success = random.beta(0.8 * 60, 0.2 * 60, size=runs)
        counts = np.zeros((runs, 16), dtype=int)
        counts[:, 3] = random.binomial(shots, success)
        counts[:, 0] = shots - counts[:, 3]
        [score] = [s for s in measured_scores(align(reference, counts)) if s.name == "expected_outcome"]
        ours += score.low <= mean <= score.high
        half = 1.96 * math.sqrt(score.value * (1 - score.value) / (runs * shots))
        naive += abs(score.value - mean) <= half
    assert naive < 0.7 * 300
    assert ours > 0.88 * 300
