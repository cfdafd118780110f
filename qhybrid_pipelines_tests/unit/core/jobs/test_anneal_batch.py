import re
from dataclasses import replace

import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.batch_kinds import only_anneals, only_circuits, only_hybrids
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.jobs.sub_batches import split_by_size
from qhybrid_pipelines.quantum.annealing.anneal_batches import anneal_batch_to_row
from qhybrid_pipelines.quantum.circuits import batch_from_row


def anneal_batch(points=2, repetitions=3):
    model = IsingModel(
        linear=np.array([0.5, -1.0]), pairs=np.array([[0, 1]], dtype=np.int32), couplings=np.array([1.0]), offset=2.0
    )
    return AnnealBatch(
        experiment="e",
        backend="dwave:Advantage2_system4",
        model=model,
        embedding=Embedding(chains=((4, 7), (9,)), graph_id="01ab"),
        annealing_times=np.linspace(20, 40, points),
        chain_strengths=np.linspace(0.5, 1, points),
        gauges=np.arange(points),
        gauge_seed=5,
        shots=100,
        seeds=np.arange(points * repetitions, dtype=np.uint64).reshape(points, repetitions),
    )


CHANGES = {
    "shots": 99,
    "backend": "dwave:other",
    "gauge_seed": 6,
    "annealing_times": np.array([20.0, 41.0]),
    "chain_strengths": np.array([0.5, 1.1]),
    "gauges": np.array([0, 2]),
    "seeds": np.arange(1, 7, dtype=np.uint64).reshape(2, 3),
    "embedding": Embedding(chains=((4, 7), (9,)), graph_id="01ac"),
    "model": IsingModel(linear=np.zeros(2), pairs=np.zeros((0, 2), dtype=np.int32), couplings=np.zeros(0), offset=0.0),
}


@pytest.mark.parametrize("field", CHANGES)
def test_whatever_decides_the_result_is_another_payload(field):
    batch = anneal_batch()
    assert replace(batch, **{field: CHANGES[field]}).payload_sha256 != batch.payload_sha256


def test_the_experiment_s_name_is_no_part_of_the_payload():
    assert replace(anneal_batch(), experiment="f").payload_sha256 == anneal_batch().payload_sha256


def test_parts_of_one_are_all_different_and_make_the_whole():
    batch = anneal_batch()
    parts = split_by_size(batch, 1)
    assert [(part.first_point, part.first_repetition) for part in parts] == [(p, r) for p in range(2) for r in range(3)]
    assert len({part.batch.payload_sha256 for part in parts}) == 6
    assert [part.batch.chain_strengths.tolist() for part in parts[::3]] == [[0.5], [1.0]]
    assert [int(part.batch.seeds[0, 0]) for part in parts] == list(range(6))


def test_a_row_gives_the_same_batch_back():
    batch = anneal_batch()
    row = anneal_batch_to_row(batch)
    again = batch_from_row(row)
    assert isinstance(again, AnnealBatch)
    assert again.payload_sha256 == batch.payload_sha256 == row["payload_sha256"]
    assert (again.width, again.qubits, again.plane) == (2, 3, "annealing")


def test_each_plane_refuses_the_other_s_batches():
    with pytest.raises(Rejected, match=re.escape("runs circuits, and this is a model")):
        only_circuits(anneal_batch())
    assert only_anneals(anneal_batch()).points == 2
    with pytest.raises(Rejected, match=re.escape("is a hybrid solver, and this is a model for an annealer")):
        only_hybrids(anneal_batch())
