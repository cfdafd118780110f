"""A switch that a backend does not have is never left out in silence."""

from dataclasses import replace

import pytest

from qhybrid_pipelines.control.jobs.limits import check_limits
from qhybrid_pipelines.core.errors import InvalidInput, Refused
from qhybrid_pipelines.core.specifications.specification_text import read_experiments
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.local import LocalProvider
from qhybrid_pipelines.steps.execute.mitigation_checks import check_mitigation

BACKEND = "local:auto"
PAGE = "name: a\nproblem: {family: maxcut, source: 'networkx:petersen_graph'}\nmitigation: {suppression: {twirling: gates}}\n"


@pytest.fixture
def capabilities(tmp_path):
    return LocalProvider(tmp_path).capabilities(BACKEND)


def test_a_job_that_asks_for_it_is_refused(capabilities):
    [batch, _] = canary_batch("batch", width=4, qubit=1, backend=BACKEND, repetitions=2)
    check_limits(batch, capabilities)
    switched = replace(batch, suppression=("twirling:gates",))
    with pytest.raises(Refused, match="asks for twirling gates, and the adapter for 'local:auto' sets no such switch"):
        check_limits(switched, capabilities)
    check_limits(switched, replace(capabilities, suppression=("twirling",)))


def test_an_experiment_is_refused_before_anything_is_planned(capabilities):
    [written] = read_experiments(PAGE, file="a.yaml")
    with pytest.raises(InvalidInput, match="no switch for twirling gates") as refused:
        check_mitigation(written.specification, BACKEND, lambda _: capabilities)
    assert refused.value.field == "mitigation.suppression"
    check_mitigation(written.specification, BACKEND, lambda _: replace(capabilities, suppression=("twirling",)))
