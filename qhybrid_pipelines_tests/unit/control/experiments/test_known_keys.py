"""Where a specification was lost, or another machine sent it, the jobs of the ledger tell its key of the first releases."""

import pytest

from qhybrid_pipelines.control.experiments.known_keys import find_keys
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key, short_key
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications

SPEC = ExperimentSpec.model_validate(
    {"name": "karate", "problem": {"family": "maxcut", "source": "networkx:karate_club"}}
)
KEY = experiment_key(SPEC)


@pytest.fixture
def register(tmp_path):
    return Specifications(Home(tmp_path))


@pytest.mark.parametrize(("sent", "expected"), [(set(), KEY), ({KEY}, KEY), ({short_key(KEY)}, short_key(KEY))])
def test_what_was_sent_under_a_shorter_key_keeps_it(register, sent, expected):
    key_of = find_keys(register, lambda key: key in sent)
    assert key_of(SPEC) == expected
    assert register.register(SPEC, key=key_of(SPEC)) == expected
    assert find_keys(register, lambda _: False)(SPEC) == expected  # it is registered by now


def test_the_ledger_is_not_asked_about_what_is_registered(register):
    register.register(SPEC)
    assert find_keys(register, lambda _: pytest.fail("asked"))(SPEC) == KEY
