"""What a report computes from counts, against enumeration and against other implementations."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.problems.measured_counts import read_counts
from qhybrid_pipelines.reports.content import RandomReference
from qhybrid_pipelines.steps.on_demand import report_measurements as measurements

SMALL = st.lists(st.tuples(st.integers(-4, 4), st.integers(1, 3)), min_size=1, max_size=4)


def reduced_model(size=3, cardinality=None, seed=5):
    rng = np.random.default_rng(seed)
    pairs = np.array(list(combinations(range(size), 2)), dtype=np.int32)
    model = IsingModel(
        linear=rng.normal(size=size).round(2), pairs=pairs, couplings=rng.normal(size=len(pairs)).round(2), offset=1.5
    )
    return ReducedModel(
        model=model,
        root=np.arange(size, dtype=np.int32),
        value=np.zeros(size, dtype=np.uint8),
        cardinality=cardinality,
        exact=True,
    )


def energy_of(model, bits):
    """The definition, written out."""
    spins = [1 - 2 * (bits >> i & 1) for i in range(model.size)]
    return (
        model.offset
        + sum(h * s for h, s in zip(model.linear, spins, strict=True))
        + sum(j * spins[a] * spins[b] for (a, b), j in zip(model.pairs, model.couplings, strict=True))
    )


def counts(table):
    """Counts from {(point, repetition): {bits: count}}."""
    rows = [(p, r, bits, n) for (p, r), found in table.items() for bits, n in found.items()]
    columns = np.array(rows, dtype=np.int64).T
    return read_counts(dict(zip(("point", "repetition", "bits", "count"), columns, strict=True)), width=3)


@given(SMALL)
def test_the_expected_minimum_of_measured_shots_is_the_mean_over_all_sets_of_them(rows):
    values, numbers = (np.array(column) for column in zip(*rows, strict=True))
    shots = np.repeat(values, numbers)
    draws = np.arange(1, len(shots) + 1)
    expected = [np.mean([min(chosen) for chosen in combinations(shots, k)]) for k in draws]
    found = measurements.expected_minimum(values.astype(float), numbers, draws)
    assert found == pytest.approx(expected, abs=1e-9)
    assert found[-1] == pytest.approx(shots.min())


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=4))
def test_the_expected_minimum_of_random_outcomes_is_the_mean_over_all_sequences(values):
    draws = np.array([1, 2, 3])
    expected = [np.mean([min(chosen) for chosen in product(values, repeat=k)]) for k in draws]
    assert measurements.expected_random_minimum(np.array(values, float), draws) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("cardinality", [None, 2])
def test_random_outcomes_are_worth_what_enumeration_says(cardinality):
    model = reduced_model(cardinality=cardinality)
    words = [w for w in range(8) if cardinality is None or w.bit_count() == cardinality]
    energies = [energy_of(model.model, word) for word in words]
    measured = counts({(0, 0): {words[0]: 5}})
    found = measurements.random_reference(model, measured)
    assert found.mean_energy == pytest.approx(np.mean(energies))
    assert found.minimum_energy == pytest.approx(min(energies))
    assert found.optimum_share == pytest.approx(np.isclose(energies, min(energies)).mean())
    assert found.outcome_share == pytest.approx(1 / len(words))


def test_samples_that_left_the_subspace_are_held_against_all_outcomes():
    model = reduced_model(cardinality=2)
    found = measurements.random_reference(model, counts({(0, 0): {0b111: 1, 0b011: 4}}))
    right = [energy_of(model.model, word) for word in range(8) if word.bit_count() == 2]
    assert (found.cardinality, found.outcome_share) == (None, 1 / 8)
    assert found.minimum_energy == pytest.approx(min(right))
    assert found.optimum_share == pytest.approx(1 / 8)  # an outcome with another number of ones is not an optimum


def test_the_sweep_has_the_intervals_of_scipy():
    rng = np.random.default_rng(1)
    energy = rng.normal(size=(3, 5))
    scores = {
        "point": np.repeat([0, 1, 4], 5),
        "mean_energy": energy.ravel(),
        "shots": np.full(15, 20),
        "p_reduced_model_optimum": rng.integers(0, 21, size=15) / 20,
    }
    found = measurements.sweep_series("local:auto", scores)
    assert found.point.tolist() == [0, 1, 4]
    for place, row in enumerate(energy):
        interval = stats.t.interval(0.95, 4, loc=row.mean(), scale=stats.sem(row))
        assert (found.energy_low[place], found.energy_high[place]) == pytest.approx(interval)
        hits = round(scores["p_reduced_model_optimum"][5 * place : 5 * place + 5].sum() * 20)
        wilson = stats.binomtest(hits, 100).proportion_ci(0.95, method="wilson")
        assert found.optimum_share[place] == pytest.approx(hits / 100)
        assert (found.share_low[place], found.share_high[place]) == pytest.approx((wilson.low, wilson.high))


def test_one_run_says_nothing_about_the_interval_of_its_energy():
    scores = {
        "point": np.array([0]),
        "mean_energy": np.array([-1.0]),
        "shots": np.array([10]),
        "p_reduced_model_optimum": np.array([0.0]),
    }
    found = measurements.sweep_series("local:auto", scores)
    assert np.isnan(found.energy_low[0])
    assert found.share_high[0] == pytest.approx(0.3)  # rule of three


def test_the_most_frequent_outcomes_are_those_of_the_point_over_all_runs():
    model = reduced_model()
    best = min(range(8), key=lambda word: energy_of(model.model, word))
    other = (best + 1) % 8
    measured = counts({(0, 0): {other: 7, best: 3}, (0, 1): {other: 1, best: 9}, (1, 0): {other: 50}})
    lowest = energy_of(model.model, best)
    first, second = measurements.top_outcomes(model, measured, 0, lowest=lowest)
    assert (first.count, second.count) == (12, 8)
    assert (first.optimal, second.optimal) == (True, False)
    assert first.bits == f"{best:03b}"[::-1]  # first variable first
    assert first.energy == pytest.approx(energy_of(model.model, best))
    assert (first.share, second.share) == (0.6, 0.4)
    assert first.low < 0.6 < first.high


def test_convergence_ends_at_what_was_seen_and_begins_at_the_mean():
    model = reduced_model()
    runs = [{0: 3, 5: 2}, {1: 1, 7: 4}]
    found = measurements.best_of_shots(model, counts({(0, run): seen for run, seen in enumerate(runs)}), 0)
    energies = [np.repeat([energy_of(model.model, b) for b in seen], list(seen.values())) for seen in runs]
    assert (found.shots[0], found.shots[-1]) == (1, 5)
    assert found.measured[0] == pytest.approx(np.mean(energies))
    assert found.measured[-1] == pytest.approx(np.mean([min(row) for row in energies]))
    assert found.random[0] == pytest.approx(np.mean([energy_of(model.model, word) for word in range(8)]))
    assert (found.low <= found.measured + 1e-12).all()
    assert (found.measured <= found.high + 1e-12).all()


@pytest.mark.parametrize("sense", [1, -1])
def test_the_place_between_random_and_reference(sense):
    scores = {
        "point": np.array([0, 0, 1]),
        "shots": np.array([10, 10, 10]),
        "p_reduced_model_optimum": np.array([0.1, 0.3, 0.9]),
        "mean_objective": np.array([sense * 6.0, sense * 8.0, sense * 1.0]),
    }
    random = RandomReference(
        mean_energy=0, minimum_energy=-1, optimum_share=0.125, outcome_share=0.125, cardinality=None
    )
    found = measurements.best_point_results(
        scores, 0, random=random, sense=sense, reference=sense * 10.0, random_objective=sense * 4.0
    )
    assert found.above_random == pytest.approx(0.5)
    assert found.above_random_low == pytest.approx(1 / 3)
    assert found.above_random_high == pytest.approx(2 / 3)
    assert (found.optimum_hits, found.shots, found.share) == (4, 20, 0.2)
    assert found.shots_to_99 == pytest.approx(np.log(0.01) / np.log(0.8))
    assert found.random_shots_to_99 == pytest.approx(np.log(0.01) / np.log(0.875))


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([0, 3], [-0.5, 0.5, 1.5, 2.5, 3.5]),
        ([0.25, 0.25], [-0.25, 0.75]),
        ([7, 7], [6.5, 7.5]),
    ],
)
def test_whole_numbers_have_bins_of_their_own(values, edges):
    assert measurements.histogram_edges(np.array(values, float)).tolist() == edges


@given(st.lists(st.integers(-10_000, 10_000) | st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_no_value_falls_out_of_its_histogram(values):
    array = np.array(values, float)
    edges = measurements.histogram_edges(array)
    assert np.histogram(array, edges)[0].sum() == len(values)
    assert len(edges) <= measurements.HISTOGRAM_BINS + 2
