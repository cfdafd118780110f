"""Parts cover a batch once, and none that has several circuits is below or beyond what one job takes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, Template
from qhybrid_pipelines.core.jobs.sub_batches import split, split_by_size


def batch(points: int, repetitions: int, shots: int) -> CircuitBatch:
    return CircuitBatch(
        experiment="e",
        backend="b",
        template=Template(text="OPENQASM 3.0;", parameters=("a",), n_qubits=1),
        bindings=np.arange(points, dtype=np.float64)[:, None],
        shots=shots,
        seeds=np.arange(points * repetitions, dtype=np.uint64).reshape(points, repetitions),
    )


def limits(circuits: int, fewest: int, most: int | None) -> SimpleNamespace:
    return SimpleNamespace(
        max_circuits_per_job=circuits,
        min_executions_per_job=fewest,
        max_executions_per_job=most,
        max_gates_per_job=None,
    )


SIZES = st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 20))


@given(SIZES, st.integers(1, 30), st.integers(1, 200), st.integers(0, 200))
def test_parts_are_within_the_limits_and_are_found_again(sizes, circuits, fewest, above):
    (points, repetitions, shots), most = sizes, fewest + above
    whole = batch(points, repetitions, shots)
    if most < shots:
        with pytest.raises(Refused, match="over all its circuits"):
            split(whole, limits(circuits, fewest, most))
        return
    parts = split(whole, limits(circuits, fewest, most))
    seeds = np.concatenate([part.batch.seeds.ravel() for part in parts])
    assert sorted(seeds.tolist()) == list(range(points * repetitions))
    found = [part.batch.points * part.batch.repetitions for part in parts]
    assert all(size <= circuits and size * shots <= most for size in found)
    assert all(size == 1 or size * shots >= fewest for size in found)
    again = split_by_size(whole, max(found))
    assert [part.batch.payload_sha256 for part in again] == [part.batch.payload_sha256 for part in parts]


def test_a_batch_with_too_few_shots_for_a_job_of_many_is_split_into_circuits():
    assert len(split(batch(4, 2, 10), limits(100, 80, None))) == 1
    assert len(split(batch(4, 2, 10), limits(100, 81, None))) == 8
    assert [part.batch.points for part in split(batch(7, 1, 10), limits(5, 20, None))] == [5, 2]
    assert [part.batch.points for part in split(batch(6, 1, 10), limits(5, 20, None))] == [5, 1]
    assert [part.batch.points for part in split(batch(7, 1, 10), limits(5, 30, None))] == [4, 3]
