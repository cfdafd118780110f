"""The QAOA engine in NumPy and compiled: the same probabilities, and counts that depend on no split and no threads."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, QaoaStructure
from qhybrid_pipelines.execution.engines.diagonal_qaoa import DiagonalQaoa
from qhybrid_pipelines.execution.engines.threads import map_in_order
from qhybrid_pipelines.quantum.circuits import build_batch
from qhybrid_pipelines.quantum.simulation.diagonal_qaoa import exact_probabilities
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines_tests.support.reduced_models import dense_qaoa, ising, make_reduced_model, make_spec

COMPILED = pytest.param(
    True,
    id="compiled",
    marks=pytest.mark.skipif(
        find_spec("numba") is None, reason="the compiled engine needs numba: install the extra `fast`"
    ),
)
WAYS = [pytest.param(False, id="numpy"), COMPILED]

#: Wider than a block of either way, so that upper and lower qubits are turned apart.
WIDE = 16


def random_model(n: int, *, fields: bool, levels: bool, seed: int = 0):
    """An Ising model; with levels few energies differ, without fields complements have the same energy."""
    rng = np.random.default_rng(seed)
    pairs = {(i, j): rng.normal() for i in range(n) for j in range(i + 1, n) if rng.random() < min(1, 3 / n)}
    if levels:
        pairs = dict.fromkeys(pairs, 0.5)
    return ising(rng.integers(-1, 2, size=n) if fields else np.zeros(n), pairs)


def probabilities_for(model, angles, *, compiled: bool) -> np.ndarray:
    structure = QaoaStructure(model=model, angles=np.asarray(angles, dtype=float), mixer="x", cardinality=None)
    return np.array(list(exact_probabilities(structure, compiled=compiled)[1]))


def random_angles(points: int, layers: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(-2, 2, size=(points, 2 * layers))


def make_batch(model, *, cardinality=None, points=23) -> CircuitBatch:
    reduced_model = make_reduced_model(model, cardinality)
    spec = make_spec(points=points, strategy="random", layers=2, shots=200, repetitions=2)
    angles = plan_sweep(reduced_model, spec).angles
    return build_batch(reduced_model, angles, spec, experiment="case-00000000", backend="local:auto").batch


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize("fields", [False, True])
@pytest.mark.parametrize("levels", [False, True])
@pytest.mark.parametrize("n", range(1, 7))
def test_probabilities_of_dense_matrices(n, levels, fields, compiled):
    model, angles = random_model(n, fields=fields, levels=levels), random_angles(3, 3)
    expected = [dense_qaoa(model, row, "x", None) for row in angles]
    assert np.abs(probabilities_for(model, angles, compiled=compiled) - expected).max() < 1e-13


@pytest.mark.parametrize("fields", [False, True])
@pytest.mark.parametrize("levels", [False, True])
@pytest.mark.parametrize("n", [7, 8, 12, 13, 14, 15, WIDE, 17])
@pytest.mark.parametrize("compiled", [COMPILED])
def test_compiled_probabilities_are_those_of_numpy(n, levels, fields, compiled):
    model, angles = random_model(n, fields=fields, levels=levels), random_angles(2, 3)
    by_numpy = probabilities_for(model, angles, compiled=False)
    assert np.abs(probabilities_for(model, angles, compiled=compiled) - by_numpy).max() < 1e-13


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize("fields", [False, True])
def test_wide_states_of_single_fields_are_products(fields, compiled):
    """Fields alone make every qubit a coin of its own, with 1 at probability (1 - sin(2 gamma h) sin(2 beta)) / 2."""
    field, gamma, beta = (0.3 if fields else 0.0), 0.7, 0.5
    model = ising(np.full(WIDE, field), {(0, 1): 0.0})
    [row] = probabilities_for(model, [[gamma, beta]], compiled=compiled)
    one = (1 - np.sin(2 * gamma * field) * np.sin(2 * beta)) / 2
    ones = np.bitwise_count(np.arange(1 << WIDE)).astype(int)
    assert np.abs(row - one**ones * (1 - one) ** (WIDE - ones)).max() < 1e-15


@settings(deadline=None, max_examples=20)
@given(
    angles=st.lists(st.floats(-50, 50), min_size=2, max_size=2),
    scale=st.sampled_from([1e-9, 1.0, 1e4]),
    compiled=st.sampled_from([False, True] if find_spec("numba") else [False]),
)
def test_large_angles_and_energies_keep_the_norm_and_the_truth(angles, scale, compiled):
    model = ising([0.3 * scale, -scale, 0.1 * scale], {(0, 2): 0.7 * scale})
    [row] = probabilities_for(model, [angles], compiled=compiled)
    assert abs(row.sum() - 1) < 1e-12
    assert np.abs(row - dense_qaoa(model, np.array(angles), "x", None)).max() < 1e-8


# ---- bit identity ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize(
    ("n", "cardinality", "points"), [(5, None, 600), (5, 2, 23), (10, None, 70), (15, None, 7)], ids=str
)
def test_counts_depend_on_no_threads_and_no_split(n, cardinality, points, compiled):
    batch = make_batch(random_model(n, fields=n == 5, levels=True), cardinality=cardinality, points=points)
    together = DiagonalQaoa(threads=1, compiled=compiled).run(batch).counts
    for threads in (2, 5):
        assert DiagonalQaoa(threads=threads, compiled=compiled).run(batch).counts.equals(together)
    cut = points // 3
    for first, last in ((0, cut), (cut, points)):
        part = DiagonalQaoa(threads=2, compiled=compiled).run(slice_batch(batch, first, last)).counts
        index = together.column("point").to_numpy()
        mine = together.filter(pa.array((index >= first) & (index < last)))
        assert np.array_equal(part.column("point").to_numpy() + first, mine.column("point").to_numpy())
        assert part.drop_columns("point").equals(mine.drop_columns("point"))


def slice_batch(batch: CircuitBatch, first: int, last: int) -> CircuitBatch:
    these = slice(first, last)
    return replace(
        batch,
        bindings=batch.bindings[these],
        seeds=batch.seeds[these],
        structure=replace(batch.structure, angles=batch.structure.angles[these]),
    )


@pytest.mark.parametrize("compiled", WAYS)
@pytest.mark.parametrize(("n", "fields"), [(6, True), (6, False), (15, True), (15, False)])
def test_probabilities_depend_on_no_neighbours(n, fields, compiled):
    model, angles = random_model(n, fields=fields, levels=False), random_angles(5, 2)
    together = probabilities_for(model, angles, compiled=compiled)
    for part in (slice(0, 1), slice(1, 5), slice(None, None, -1), slice(3, None)):
        assert np.array_equal(probabilities_for(model, angles[part], compiled=compiled), together[part])


@pytest.mark.parametrize("compiled", WAYS)
def test_the_version_says_what_computed(compiled):
    assert ("numba" in DiagonalQaoa(compiled=compiled).version()) is compiled


def test_numba_is_used_where_it_is():
    assert DiagonalQaoa().compiled is (find_spec("numba") is not None)


# ---- work in parts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_answers_come_in_order_and_parts_are_taken_as_needed(threads):
    taken, made = [], []

    def parts():
        for part in range(100):
            taken.append(part)
            yield part

    def make_worker():
        made.append(threading.get_ident())

        def work(part: int) -> int:
            time.sleep(0.001 * (part % 3 == 0))
            return part * part

        return work

    answers = map_in_order(make_worker, parts(), threads=threads)
    assert [next(answers) for _ in range(10)] == [part * part for part in range(10)]
    assert len(taken) <= 10 + 2 * threads + 1
    assert list(answers) == [part * part for part in range(10, 100)]
    assert len(made) == len(set(made)) <= threads


@pytest.mark.parametrize("threads", [1, 3])
def test_a_failure_is_raised_and_ends_the_work(threads):
    def work(part: int) -> int:
        if part == 4:
            raise ValueError(f"part {part}")
        return part

    answers = map_in_order(lambda: work, iter(range(1000)), threads=threads)
    with pytest.raises(ValueError, match="part 4"):
        list(answers)
