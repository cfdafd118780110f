import re
from dataclasses import replace

import numpy as np
import pytest

from qhybrid_pipelines.control.jobs.limits import limit_problems
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.batch_kinds import only_anneals, only_circuits, only_hybrids
from qhybrid_pipelines.core.jobs.circuit_jobs import Capabilities
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.core.jobs.sub_batches import split_by_size
from qhybrid_pipelines.execution.dwave.declarations import ANNEALERS, HYBRID_SOLVERS
from qhybrid_pipelines.quantum.annealing.anneal_batches import anneal_batch_to_row
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines_tests.unit.core.jobs.test_anneal_batch import anneal_batch

BACKEND = "dwave:hybrid_binary_quadratic_model_version2"


def hybrid_batch(repetitions=3):
    return HybridBatch(
        experiment="e",
        backend=BACKEND,
        model=anneal_batch().model,
        time_limit=3.0,
        seeds=np.arange(repetitions, dtype=np.uint64).reshape(1, repetitions),
    )


CHANGES = {
    "shots": 2,
    "backend": BACKEND + "p",
    "time_limit": 4.0,
    "seeds": np.array([[0, 1, 3]], dtype=np.uint64),
    "model": IsingModel(linear=np.zeros(2), pairs=np.zeros((0, 2), dtype=np.int32), couplings=np.zeros(0), offset=0.0),
}


@pytest.mark.parametrize("field", CHANGES)
def test_whatever_decides_the_result_is_another_payload(field):
    batch = hybrid_batch()
    assert replace(batch, **{field: CHANGES[field]}).payload_sha256 != batch.payload_sha256


@pytest.mark.parametrize(("field", "is_another_price"), [("time_limit", True), ("model", True), ("seeds", False)])
def test_what_decides_the_price_is_another_program(field, is_another_price):
    batch = hybrid_batch()
    assert (replace(batch, **{field: CHANGES[field]}).program_id != batch.program_id) == is_another_price


def test_each_run_is_a_part_of_its_own():
    parts = split_by_size(hybrid_batch(), 1)
    assert [(part.first_point, part.first_repetition) for part in parts] == [(0, 0), (0, 1), (0, 2)]
    assert [part.batch.seeds.tolist() for part in parts] == [[[0]], [[1]], [[2]]]
    assert len({part.batch.payload_sha256 for part in parts}) == 3


def test_a_row_gives_the_same_batch_back():
    batch = hybrid_batch()
    row = anneal_batch_to_row(batch)
    again = batch_from_row(row)
    assert isinstance(again, HybridBatch)
    assert again.payload_sha256 == batch.payload_sha256 == row["payload_sha256"]
    assert (row["ansatz"], again.width, again.points, again.plane) == ("hybrid", 2, 1, "hybrid")


def test_each_plane_refuses_the_other_s_batches():
    batch = hybrid_batch()
    for only, words in ((only_circuits, "runs circuits"), (only_anneals, "anneals models")):
        with pytest.raises(Rejected, match=re.escape(f"{words}, and this is a model for a hybrid solver")):
            only(batch)
    assert only_hybrids(batch) is batch


def capabilities(declared):
    return Capabilities(
        backend="b",
        max_qubits=5000,
        max_shots=1000,
        max_circuits_per_job=1,
        native_gates=(),
        parametric=False,
        simulator=False,
        noisy=False,
        listing_lag_seconds=0.0,
        graph_id="01ab",
        **declared.capability_fields(),
    )


def test_a_batch_of_another_plane_is_told_what_the_specification_would_have_to_say():
    [said] = limit_problems(hybrid_batch(), capabilities(ANNEALERS))
    assert said == (
        "experiment 'e' gives a model to a hybrid solver, and 'b' anneals models. Say `annealing` with reads in the specification, or "
        "name another backend."
    )
    [said] = limit_problems(anneal_batch(), capabilities(HYBRID_SOLVERS))
    assert said == (
        "experiment 'e' anneals a model, and 'b' is a hybrid solver. Say `annealing: {time_limit_seconds: 5}`, or name another backend."
    )
    assert list(limit_problems(hybrid_batch(), capabilities(HYBRID_SOLVERS), whole=True)) == []
