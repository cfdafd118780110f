"""Points compiled with their numbers: the template's text with the numbers in it, a job per point, the same outcomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.jobs.openqasm import bind_parameters, read_circuit
from qhybrid_pipelines.core.jobs.sub_batches import make_sub_batch, split
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines.execution.providers.local import LocalProvider
from qhybrid_pipelines.quantum.circuits import batch_from_row, batch_to_row, build_batch
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines_tests.support.reduced_models import circuit_probabilities, ising, make_reduced_model, make_spec

#: Chance that a right result fails the goodness-of-fit test; the seeds are fixed, so it fails always or never.
ERROR_RATE = 1e-4

TEXT = """OPENQASM 3.0;
include "stdgates.inc";
input float[64] p0;
gate twice(p0) a {
  rx(2*p0) a;
}
bit[1] c;
qubit[1] q;
twice(p0) q[0];
"""

MODEL = ising([0.3, -1.1, 0.6], {(0, 1): 0.7, (1, 2): -0.4})


def make_batch(backend: str, *, points=3, compiled="points", **changes) -> CircuitBatch:
    reduced_model = make_reduced_model(MODEL)
    spec = make_spec(points=points, strategy="random", **changes).model_copy(update={"compile": compiled})
    angles = plan_sweep(reduced_model, spec).angles
    planned = build_batch(reduced_model, angles, spec, experiment="case-00000000", backend=backend)
    assert batch_from_row(batch_to_row(planned)).payload_sha256 == planned.batch.payload_sha256
    return planned.batch


TEMPLATE = make_batch("local:auto").template


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
def test_numbers_stand_in_the_text_to_the_last_digit(numbers):
    values = dict(zip(TEMPLATE.parameters, numbers, strict=False)) | dict.fromkeys(TEMPLATE.parameters[4:], 0.5)
    bound = read_circuit(TEMPLATE.text).assign_parameters(values)
    written = read_circuit(bind_parameters(TEMPLATE.text, values))
    assert not written.parameters
    assert [i.operation.params for i in written.data] == [[float(p) for p in i.operation.params] for i in bound.data]


def test_a_gate_of_the_text_keeps_angles_that_are_called_like_an_input():
    written = read_circuit(bind_parameters(TEXT, {"p0": -0.25})).decompose()
    assert [float(i.operation.params[0]) for i in written.data] == [-0.5]
    assert bind_parameters(TEXT, {}) == TEXT


def test_a_part_is_a_point_with_its_numbers(tmp_path):
    batch = make_batch("ibm:fake_manila")
    assert batch.compile_points
    parts = split(batch, IbmProvider(tmp_path).capabilities(batch.backend))
    assert [part.first_point for part in parts] == [0, 1, 2]
    for part in parts:
        assert part.batch.template.parameters == ()
        assert part.batch.bindings.shape == (1, 0)
        whole = make_sub_batch(part.batch, first_point=0, points=1, first_repetition=0, repetitions=batch.repetitions)
        assert whole.batch.payload_sha256 == part.batch.payload_sha256
        row = batch.bindings[part.first_point]
        expected = circuit_probabilities(batch.template, row)
        assert np.abs(circuit_probabilities(part.batch.template, ()) - expected).max() < 1e-14
    assert len({part.batch.payload_sha256 for part in parts}) == 3


def test_the_usual_way_is_not_touched(tmp_path):
    batch = make_batch("ibm:fake_manila", compiled="template")
    [part] = split(batch, IbmProvider(tmp_path).capabilities(batch.backend))
    assert part.batch is batch
    assert batch.payload_sha256 != replace(batch, compile_points=True).payload_sha256
    assert not make_batch("local:auto").compile_points
    usual, other = (
        ExperimentSpec.model_validate({"name": "a", "problem": {"family": "maxcut", "source": "x.txt"}, **more})
        for more in ({}, {"compile": "points"})
    )
    assert "compile" not in usual.model_dump()
    assert other.model_dump()["compile"] == "points"


@pytest.mark.parametrize("backend", ["ibm:fake_manila", "local:aer-sampler"])
def test_providers_compile_and_run_the_parts(backend, tmp_path):
    batch = replace(make_batch(backend, points=2, shots=2000, repetitions=1), compile_points=True)
    provider = (IbmProvider if backend.startswith("ibm") else LocalProvider)(tmp_path)
    for part in split(batch, provider.capabilities(backend)):
        raw = provider.fetch(provider.submit(part.batch, f"token-{part.first_point}"))
        counts = provider.decode(raw, part.batch)
        expected = circuit_probabilities(batch.template, batch.bindings[part.first_point])
        found = np.bincount(
            counts.column("bits").to_numpy().astype(int), counts.column("count").to_numpy(), minlength=8
        )
        if backend.startswith("ibm"):  # with noise: nearer to its own point than to the other one
            other = circuit_probabilities(batch.template, batch.bindings[1 - part.first_point])
            distances = [np.abs(found / 2000 - row).sum() for row in (expected, other)]
            assert distances[0] < distances[1] / 2
        else:
            assert chisquare(found, expected * 2000).pvalue > ERROR_RATE
