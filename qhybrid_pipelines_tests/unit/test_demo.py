"""The demonstration shows what its page says."""

from __future__ import annotations

from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.core.specifications.specification_text import read_experiment
from qhybrid_pipelines.demo import DEMO
from qhybrid_pipelines.problems.registry import all_families


def test_every_family_is_shown():
    shown = [read_experiment(text, file="demo")[0] for text in DEMO]
    assert {spec.problem.family for spec in shown if isinstance(spec, ExperimentSpec)} == set(all_families())
    assert {type(spec) for spec in shown} == {ExperimentSpec, LearningSpec, SamplingSpec}
