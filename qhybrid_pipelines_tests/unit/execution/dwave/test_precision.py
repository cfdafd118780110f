"""Whether a penalty or strong chains drown a model, by arithmetic on a graph that can be looked over."""

from dataclasses import replace

import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.execution.dwave.precision import CONTROL_ERROR, precision_note
from qhybrid_pipelines_tests.unit.core.jobs.test_anneal_batch import anneal_batch
from qhybrid_pipelines_tests.unit.execution.dwave.test_payload import GRAPH


def batch(fields, coupling, strengths=(1.0,)):
    model = IsingModel(
        linear=np.array(fields, dtype=np.float64),
        pairs=np.array([[0, 1]], dtype=np.int32),
        couplings=np.array([coupling], dtype=np.float64),
        offset=0.0,
    )
    given = anneal_batch(points=len(strengths), repetitions=1)
    return replace(given, model=model, chain_strengths=np.array(strengths, dtype=np.float64))


def test_the_factor_is_that_of_the_chain_strength_that_scales_most():
    # one coupling of 1: two couplers of 0.5 would allow a factor of 2, the chain of 1.414 only 2 / 1.414, four times as strong a quarter
    assert precision_note(batch([0.5, -1.0], 1.0), GRAPH) == "; scaled to the machine's ranges by 1.41"
    assert precision_note(batch([0.5, -1.0], 1.0, (1.0, 4.0)), GRAPH) == "; scaled to the machine's ranges by 0.354"


@pytest.mark.parametrize(
    ("fields", "strengths", "drowned"),
    [
        ([1e-3, 1e-3], (1.0,), "67%"),
        ([1e-3, 1.0], (1.0,), None),
        ([0.0, 1e-3], (1.0,), "50%"),
        ([1.0, 1.0], (100.0,), "100%"),
        ([1.0, 1.0], (50.0,), None),
    ],
)
def test_most_coefficients_below_the_control_errors_are_warned_of(fields, strengths, drowned):
    said = precision_note(batch(fields, 1.0, strengths), GRAPH)
    if drowned is None:
        assert "WARNING" not in said
    else:
        assert f"WARNING: {drowned} of its coefficients" in said


def test_the_threshold_is_the_control_error_itself():
    scale = 2 / 1.414
    for factor, warns in ((0.999, True), (1.001, False)):
        small = factor * CONTROL_ERROR / scale
        assert ("WARNING" in precision_note(batch([small, small], 1.0), GRAPH)) == warns


def test_what_cannot_be_programmed_is_not_spoken_of():
    assert precision_note(batch([1.0, 1.0], 1.0, (0.0,)), GRAPH) == ""
    assert precision_note(batch([1.0, 1.0], 1.0), replace(GRAPH, graph_id="02")) == ""
