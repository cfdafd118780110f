"""Batches: built for any backend alike, and their table row gives exactly the same batch back."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.seeds import derive_seed
from qhybrid_pipelines.quantum.circuits import batch_from_row, batch_to_row, build_batch
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines.storage.schemas import CIRCUIT_BATCHES
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support.reduced_models import ising, make_reduced_model, make_spec

MODEL = ising([0.1, -1 / 3, 0.0, 2.5], {(0, 1): 0.7, (1, 3): -1e-9, (2, 3): 0.7})


def plan_batch(kind="qaoa", cardinality=None, backend="local:auto", **changes):
    reduced_model, spec = (
        make_reduced_model(MODEL, cardinality),
        make_spec(kind=kind, points=5, strategy="random", **changes),
    )
    plan = plan_sweep(reduced_model, spec)
    return build_batch(reduced_model, plan.angles, spec, experiment="case-00000000", backend=backend)


@pytest.mark.parametrize(("kind", "cardinality"), [("qaoa", None), ("qaoa", 2), ("hardware_efficient", None)])
def test_a_batch_survives_its_table(kind, cardinality):
    made = plan_batch(kind, cardinality)
    table = from_rows(CIRCUIT_BATCHES, [batch_to_row(made)])
    [row] = table.to_pylist()
    batch, again = made.batch, batch_from_row(row)
    assert again.template == batch.template
    assert again.payload_sha256 == batch.payload_sha256 == row["payload_sha256"]
    assert again.bindings.tobytes() == batch.bindings.tobytes()
    assert again.seeds.dtype == np.uint64
    assert np.array_equal(again.seeds, batch.seeds)
    if kind == "qaoa":
        assert again.structure.model.to_dict() == MODEL.to_dict()
        assert again.structure.mixer == batch.structure.mixer == made.mixer == ("xy" if cardinality else "x")
        assert again.structure.cardinality == cardinality
        assert again.structure.angles.tobytes() == batch.structure.angles.tobytes()
    else:
        assert again.structure is None
        assert made.mixer == ""
    assert row["two_qubit_gates"] > 0
    assert row["depth"] > 0


def test_seeds_depend_on_point_and_repetition_and_not_on_the_backend():
    here, there = plan_batch(), plan_batch(backend="ionq:simulator")
    assert np.array_equal(here.batch.seeds, there.batch.seeds)
    assert here.batch.payload_sha256 != there.batch.payload_sha256
    assert here.batch.seeds[2, 1] == derive_seed(7, "shots", 2, 1)
    assert len(np.unique(here.batch.seeds)) == here.batch.seeds.size == 15


@pytest.mark.parametrize(("cardinality", "mixer"), [(None, "x"), (0, "x"), (1, "xy"), (3, "xy"), (4, "x")])
def test_auto_mixer(cardinality, mixer):
    assert plan_batch(cardinality=cardinality).mixer == mixer


def test_asked_for_mixers():
    assert plan_batch(cardinality=2, mixer="x").mixer == "x"
    with pytest.raises(InvalidInput, match=r"ansatz.mixer"):
        build_batch(
            make_reduced_model(MODEL), np.zeros((1, 4)), make_spec(mixer="xy"), experiment="e", backend="local:auto"
        )


@pytest.mark.parametrize("angles", [np.zeros((2, 3)), np.zeros(4), np.full((1, 4), np.nan), np.full((1, 4), np.inf)])
def test_angles_that_do_not_fit_are_refused(angles):
    with pytest.raises(InvalidInput, match="angles"):
        build_batch(make_reduced_model(MODEL), angles, make_spec(), experiment="e", backend="local:auto")


def test_an_empty_reduced_model_has_no_circuit():
    with pytest.raises(ValueError, match="no variables"):
        build_batch(
            make_reduced_model(ising([], {})), np.empty((0, 0)), make_spec(), experiment="e", backend="local:auto"
        )


def test_importing_and_planning_needs_no_circuit_library():
    script = (
        "import sys, qhybrid_pipelines.quantum.circuits, qhybrid_pipelines.quantum.sweeps, qhybrid_pipelines.quantum.qasm\n"
        "print([name for name in ('qiskit', 'scipy', 'pandas', 'networkx') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"
