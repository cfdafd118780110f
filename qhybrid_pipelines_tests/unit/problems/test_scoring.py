"""Scores against a second way of scoring: shot by shot, in plain Python."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.bits import assignment_array
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.problems.evaluation import Evaluation
from qhybrid_pipelines.problems.measured_counts import read_counts
from qhybrid_pipelines.problems.point_scores import point_scores
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines.problems.scoring import score_counts
from qhybrid_pipelines.problems.solutions import QUANTUM, QUANTUM_LOCAL_SEARCH, QUANTUM_REPAIR
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_columns
from qhybrid_pipelines_tests.support.tiny_family import (
    TinyFamily,
    all_rows,
    cut_instance,
    families,
    tiny_instance,
    tiny_instances,
    tiny_spec,
)

SHOTS = 40


def random_counts(size, *, points, repetitions, seed, words=None):
    rng = np.random.default_rng(seed)
    columns = defaultdict(list)
    for point in range(points):
        for repetition in range(repetitions):
            drawn = rng.choice(words if words is not None else 2**size, size=SHOTS)
            for word, count in zip(*np.unique(drawn, return_counts=True), strict=True):
                for name, value in zip(
                    ("point", "repetition", "bits", "count"), (point, repetition, word, count), strict=True
                ):
                    columns[name].append(value)
    order = rng.permutation(len(columns["point"]))
    arrays = {name: np.array(values)[order] for name, values in columns.items()}
    return arrays | {"bits": arrays["bits"].astype(np.uint64)}


def prepared(family, instance, seed=1, **fields):
    reduction = reduce_instance(family, instance, tiny_spec(**fields))
    counts = random_counts(reduction.reduced_model.size, points=2, repetitions=3, seed=seed)
    scored = score_counts(family, instance, reduction.reduced_model, counts, incumbent=reduction.incumbent, shots=SHOTS)
    return reduction, counts, scored


def to_rows(columns):
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@settings(deadline=None, max_examples=40)
@given(family=families, instance=tiny_instances(min_size=3, max_size=6), seed=st.integers(0, 99))
def test_point_scores_are_sums_over_shots(family, instance, seed):
    reduction, counts, scored = prepared(family, instance, seed)
    reduced_model = reduction.reduced_model
    model = family.penalised_model(instance).model
    table = to_rows(scored.point_scores)
    assert [(row["point"], row["repetition"]) for row in table] == [(p, r) for p in range(2) for r in range(3)]
    for row in table:
        shots = []
        for point, repetition, bits, count in zip(*counts.values(), strict=True):
            if (point, repetition) == (row["point"], row["repetition"]):
                shots += [int(bits)] * count
        assignments = reduced_model.expand(np.array(shots, dtype=np.uint64))
        energies = model.assignment_energies(assignments)
        feasible = family.feasible(instance, assignments)
        objectives = family.objective(instance, assignments)[feasible]
        assert row["shots"] == SHOTS
        assert row["distinct_outcomes"] == len(set(shots))
        assert row["mean_energy"] == pytest.approx(energies.mean(), abs=1e-9)
        assert row["min_energy"] == pytest.approx(energies.min(), abs=1e-9)
        lowest = {word for word, energy in zip(shots, energies, strict=True) if energy <= energies.min() + 1e-9}
        assert row["argmin_bits"] in lowest
        assert row["p_feasible"] == pytest.approx(feasible.mean())
        if feasible.any():
            best = objectives.max() if family.sense == "max" else objectives.min()
            assert row["mean_objective"] == pytest.approx(objectives.mean(), abs=1e-9)
            assert row["best_objective"] == pytest.approx(best, abs=1e-9)
        else:
            assert row["mean_objective"] is None
            assert row["best_objective"] is None
        allowed = np.ones(SHOTS, dtype=bool)
        if reduced_model.cardinality is not None:
            allowed = np.bitwise_count(np.array(shots, dtype=np.uint64)) == reduced_model.cardinality
        at_optimum = (energies <= reduction.reduced_model_minimum_energy + 1e-9) & allowed
        assert row["p_reduced_model_optimum"] == pytest.approx(at_optimum.mean())


@settings(deadline=None, max_examples=40)
@given(family=families, instance=tiny_instances(min_size=3, max_size=6), seed=st.integers(0, 99))
def test_solutions_are_the_best_of_each_run_and_recomputed_on_the_instance(family, instance, seed):
    reduction, counts, scored = prepared(family, instance, seed)
    reduced_model, sense = reduction.reduced_model, 1 if family.sense == "max" else -1
    table = to_rows(scored.solutions)
    measured = defaultdict(lambda: defaultdict(int))
    for _, repetition, bits, count in zip(*counts.values(), strict=True):
        measured[repetition][int(bits)] += count
    for row in table:
        assignment = assignment_array(row["assignment"])[None, :]
        assert row["objective"] == family.objective(instance, assignment)[0]
        assert row["feasible"] == family.feasible(instance, assignment)[0]
        assert (row["violation"] == "") == row["feasible"]
        assert row["count"] == measured[row["repetition"]][int(row["bits"])]
        if row["source"] == QUANTUM:
            assert np.array_equal(reduced_model.expand(np.array([row["bits"]], dtype=np.uint64)), assignment)
        else:
            assert row["feasible"]
        gain = sense * (row["objective"] - reduction.incumbent_objective)
        assert row["improves_incumbent"] == (row["feasible"] and gain > 1e-9)
    for source in (QUANTUM, QUANTUM_REPAIR, QUANTUM_LOCAL_SEARCH):
        for repetition in range(3):
            kept = [row for row in table if (row["source"], row["repetition"]) == (source, repetition)]
            assert [row["rank"] for row in kept] == list(range(1, len(kept) + 1))
            assert len({row["assignment"] for row in kept}) == len(kept) <= 3
            values = [sense * row["objective"] for row in kept if row["feasible"]]
            assert values == sorted(values, reverse=True)
            raw = reduced_model.expand(np.array(list(measured[repetition]), dtype=np.uint64))
            rows = raw if source == QUANTUM else family.repair(instance, raw)
            good = sense * family.objective(instance, rows)[family.feasible(instance, rows)]
            if len(good):
                # Repair and local search only ever add to what was measured.
                assert values[0] >= good.max() - 1e-9
                assert source == QUANTUM_LOCAL_SEARCH or values[0] == pytest.approx(good.max())


def test_tables_fit_their_schemas():
    family = TinyFamily("max")
    edges = {(i, j): 1 for i in range(5) for j in range(i + 1, 5)}
    _, _, scored = prepared(family, cut_instance(5, edges))
    labels = {"experiment": "tiny-00000000", "backend": "local:auto"}
    points = from_columns(schemas.POINT_SCORES, {**labels, **scored.point_scores})
    solutions = from_columns(schemas.SCORED_SOLUTIONS, {**labels, **scored.solutions})
    assert points.num_rows == 6
    assert solutions.num_rows == 27


def test_no_counts_give_no_rows():
    family, instance = TinyFamily(), tiny_instance([1, -1])
    reduction = reduce_instance(family, instance, tiny_spec())
    nothing = {name: np.zeros(0, dtype=np.int64) for name in ("point", "repetition", "bits", "count")}
    scored = score_counts(
        family, instance, reduction.reduced_model, nothing, incumbent=reduction.incumbent, shots=SHOTS
    )
    labels = {"experiment": "tiny-00000000", "backend": "local:auto"}
    assert from_columns(schemas.POINT_SCORES, {**labels, **scored.point_scores}).num_rows == 0
    assert from_columns(schemas.SCORED_SOLUTIONS, {**labels, **scored.solutions}).num_rows == 0


def test_the_point_of_a_solution_is_where_it_was_measured_most_often():
    family = TinyFamily("max")
    instance = cut_instance(3, {(0, 1): 1, (1, 2): 1, (0, 2): 1})
    reduction = reduce_instance(family, instance, tiny_spec())
    counts = {
        "point": np.array([0, 0, 1, 1]),
        "repetition": np.array([0, 0, 0, 0]),
        "bits": np.array([0b001, 0b000, 0b001, 0b000], dtype=np.uint64),
        "count": np.array([10, 30, 15, 25]),
    }
    scored = score_counts(family, instance, reduction.reduced_model, counts, incumbent=reduction.incumbent, shots=SHOTS)
    first = to_rows(scored.solutions)[0]
    assert (first["bits"], first["count"], first["point"], first["rank"]) == (1, 25, 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": np.array([SHOTS - 1])}, "39 counts instead of 40"),
        ({"bits": np.array([8], dtype=np.uint64)}, "bit 3"),
    ],
)
def test_counts_that_contradict_the_request_are_refused(change, message):
    family = TinyFamily("max")
    instance = cut_instance(3, {(0, 1): 1, (1, 2): 1, (0, 2): 1})
    reduction = reduce_instance(family, instance, tiny_spec())
    counts = {
        "point": np.array([0]),
        "repetition": np.array([0]),
        "bits": np.array([1], dtype=np.uint64),
        "count": np.array([SHOTS]),
    }
    with pytest.raises(CorruptResult, match=message):
        score_counts(
            family, instance, reduction.reduced_model, counts | change, incumbent=reduction.incumbent, shots=SHOTS
        )


def test_noise_and_signal():
    family = TinyFamily("max")
    instance = cut_instance(8, {(i, j): 1 for i in range(8) for j in range(i + 1, 8)})
    reduction = reduce_instance(family, instance, tiny_spec())
    reduced_model = reduction.reduced_model
    energies = reduced_model.model.diagonal
    good = np.flatnonzero(energies <= np.quantile(energies, 0.3))
    for words, noisy in ((None, True), (good, False)):
        counts = random_counts(reduced_model.size, points=1, repetitions=10, seed=4, words=words)
        scored = score_counts(family, instance, reduced_model, counts, incumbent=reduction.incumbent, shots=SHOTS)
        assert np.mean(scored.point_scores["noise_like"]) == pytest.approx(float(noisy), abs=0.2)


def test_samples_inside_the_subspace_are_held_against_random_ones_from_there():
    family = TinyFamily("min")
    instance = tiny_instance(range(8), cardinality=4)
    reduction = reduce_instance(family, instance, tiny_spec())
    reduced_model = reduction.reduced_model
    inside = np.flatnonzero(all_rows(8).sum(axis=1) == 4)
    # Random inside the subspace: far below random bits, whose energy is mostly penalty, and still only noise.
    counts = random_counts(8, points=1, repetitions=10, seed=4, words=inside)
    scored = score_counts(family, instance, reduced_model, counts, incumbent=reduction.incumbent, shots=SHOTS)
    assert np.mean(scored.point_scores["noise_like"]) == 1.0
    stray = np.append(inside, 0)
    counts = random_counts(8, points=1, repetitions=10, seed=4, words=stray)
    scored = score_counts(family, instance, reduced_model, counts, incumbent=reduction.incumbent, shots=SHOTS)
    assert np.mean(scored.point_scores["noise_like"]) < 0.3


@pytest.mark.parametrize(("outcomes", "noisy"), [([1], True), ([0], False), ([1, 2], False), ([7], True)])
def test_shots_that_are_all_one_outcome_say_nothing_unless_it_is_the_optimum(outcomes, noisy):
    """Three spins in a field: 000 is the lowest, and 001 beats the mean of random shots; alone it is a fixed answer."""
    model = IsingModel(linear=-np.ones(3), pairs=np.zeros((0, 2), dtype=np.int32), couplings=np.zeros(0), offset=0.0)
    reduced_model = ReducedModel(
        model=model,
        root=np.arange(3, dtype=np.int32),
        value=np.zeros(3, dtype=np.uint8),
        cardinality=None,
        exact=True,
    )
    each = 100 // len(outcomes)
    counts = {
        "point": np.zeros(len(outcomes), dtype=np.int32),
        "repetition": np.zeros(len(outcomes), dtype=np.int32),
        "bits": np.array(outcomes, dtype=np.uint64),
        "count": np.full(len(outcomes), each),
    }
    measured = read_counts(counts, width=3)
    worth = model.energies(measured.distinct_outcomes)
    raw = Evaluation(objective=worth, feasible=np.ones(len(worth), dtype=np.bool_), cost=worth)
    assert point_scores(reduced_model, measured, raw, shots=100)["noise_like"].tolist() == [noisy]
