"""Threshold accepting against enumeration, a planted optimum and its own definition in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.problems.baseline_runs import check_baselines
from qhybrid_pipelines.problems.baseline_solvers.threshold_accepting import (
    BASELINE,
    count_sweeps,
    threshold_accepting,
)
from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.sources import load_instance, register_source
from qhybrid_pipelines_tests.support.instance_files import named


@st.composite
def models(draw):
    """Draw a model whose numbers are quarters, so that sums are exact."""
    size = draw(st.integers(1, 8))
    every = [(i, j) for i in range(size) for j in range(i + 1, size)]
    pairs = sorted(draw(st.lists(st.sampled_from(every), unique=True))) if every else []
    number = st.integers(-20, 20).map(lambda k: k / 4)
    return IsingModel(
        linear=np.array([draw(number) for _ in range(size)]),
        pairs=np.array(pairs, dtype=np.int32).reshape(-1, 2),
        couplings=np.array([draw(number) for _ in pairs]),
        offset=0.0,
    )


def in_plain_python(model, *, searches, sweeps, seed):
    """The definition: energies are computed anew for every step."""

    def energy(spins):
        pairs = zip(model.pairs.tolist(), model.couplings.tolist(), strict=True)
        return sum(h * s for h, s in zip(model.linear, spins, strict=True)) + sum(
            c * spins[i] * spins[j] for (i, j), c in pairs
        )

    def flipped(spins, v):
        return [-s if u == v else s for u, s in enumerate(spins)]

    random = generator(seed, "threshold_accepting")
    starts = [
        [1 - 2 * int(bit) for bit in row] for row in random.integers(0, 2, size=(searches, model.size), dtype=np.uint8)
    ]
    every = np.tile(np.arange(model.size), (searches, 1))
    orders = [random.permuted(every, axis=1).tolist() for _ in range(sweeps)]
    changes = [abs(energy(flipped(spins, v)) - energy(spins)) for spins in starts for v in range(model.size)]
    first = sum(changes) / len(changes)
    ends = []
    for search, start in enumerate(starts):
        spins = best = start
        for sweep, order in enumerate(orders):
            threshold = first * (1 - sweep / (sweeps - 1))
            for v in order[search]:
                # The margin decides changes that equal the threshold but for rounding.
                if energy(flipped(spins, v)) - energy(spins) < threshold - 1e-9:
                    spins = flipped(spins, v)
                    if energy(spins) < energy(best) - 1e-9:
                        best = spins
        ends.append([int(s < 0) for s in best])
    return np.array(ends, dtype=np.uint8)


@settings(deadline=None, max_examples=60)
@given(models(), st.integers(0, 5))
def test_it_does_what_its_definition_says(model, seed):
    np.testing.assert_array_equal(
        threshold_accepting(model, searches=3, sweeps=5, seed=seed),
        in_plain_python(model, searches=3, sweeps=5, seed=seed),
    )


@settings(deadline=None, max_examples=40)
@given(models(), st.integers(0, 5))
def test_small_models_are_solved(model, seed):
    rows = threshold_accepting(model, searches=20, sweeps=50, seed=seed)
    assert model.assignment_energies(rows).min() == pytest.approx(model.diagonal.min(), abs=1e-9)


def test_a_search_that_leaves_the_optimum_and_cannot_come_back_remembers_it():
    """The way out of state 6 climbs 1, the way back 1.5: what a search ends with is state 1, for almost every seed."""
    model = IsingModel(
        linear=np.array([0.0, 0.5, -0.25]),
        pairs=np.array([[0, 1], [1, 2]], dtype=np.int32),
        couplings=np.array([0.75, -0.75]),
        offset=0.0,
    )
    assert model.diagonal.argmin() == 6
    rows = threshold_accepting(model, searches=100, sweeps=50, seed=0)
    assert (rows @ [1, 2, 4] == 6).sum() > 80


def test_a_descent_alone_finds_less():
    """Negative control: what the thresholds add is seen on a spin glass."""
    random = np.random.default_rng(4)
    pairs = np.stack(np.triu_indices(60, k=1), axis=1).astype(np.int32)
    model = IsingModel(
        linear=np.zeros(60), pairs=pairs, couplings=random.choice([-1.0, 1.0], size=len(pairs)), offset=0.0
    )
    mean = {
        sweeps: model.assignment_energies(threshold_accepting(model, searches=20, sweeps=sweeps, seed=1)).mean()
        for sweeps in (1, 100)
    }
    assert mean[100] < 1.1 * mean[1] < 0


@pytest.mark.parametrize("name", ["mc_016_003_000", "torus4x4", "karate", "dense20"])
def test_it_reaches_known_optima(name, tmp_path):
    file = named(name)
    spec = ExperimentSpec.model_validate(
        {"name": "known", "problem": file.problem, "baselines": ["threshold_accepting"]}
    )
    check_baselines(spec)
    problem, content = register_source(spec.problem, tmp_path)
    family = family_named(file.family)
    instance = load_instance(problem, lambda _: content)
    rows = BASELINE.solve(Problem.of(family, instance), 100, seed=3).rows
    best = (max if file.sense == "max" else min)(family.objective(instance, rows)[family.feasible(instance, rows)])
    assert best == pytest.approx(file.best_known)


def test_the_work_is_bounded():
    assert [count_sweeps(size) for size in (1, 500, 1000, 100_000)] == [200, 200, 100, 10]
