"""Submit, leave, come back: the command line over a provider that queues; `test_queued_providers.py` has the sensors."""

import pytest

from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.emulator_client import client_in_environment
from qhybrid_pipelines_tests.support.queued_experiments import QUEUED, policy, specification

pytestmark = experiment_homes.RUNS_IN_PROCESS


@pytest.fixture
def cloud(tmp_path_factory, monkeypatch):
    """A cloud whose time hardly passes unless the test says so."""
    with (
        running_emulator(tmp_path_factory.mktemp("cloud"), key="pipeline-test", speed=0.001, seed=7) as emulator,
        client_in_environment(emulator, monkeypatch, IONQ_LISTING_LAG_SECONDS="0.05") as client,
    ):
        yield client


def register(launcher, home):
    return launcher.workspace.registration.register_text(specification(home.name), file="spec.yaml", folder=home).key


def test_the_command_line_names_what_is_open_and_waits_when_it_is_told_to(tmp_path, cloud):
    tmp_path.joinpath("policy.yaml").write_text(policy())
    launcher = experiment_homes.make_launcher(tmp_path)
    (key,) = keys = [register(launcher, tmp_path)]
    assert launcher.run(keys, lambda stage, asset: None) == ([key], [])
    assert [(job.experiment, job.backend) for job in launcher.waiting(keys)] == [(key, QUEUED)]
    assert experiment_homes.rows(tmp_path, "SELECT state FROM jobs") == [{"state": "SUBMITTED"}]
    cloud.advance(10_000)
    assert launcher.run(keys, lambda stage, asset: None, wait=True) == ([key], [])
    assert launcher.waiting(keys) == []
    assert len(experiment_homes.rows(tmp_path, "SELECT verdict FROM verdicts")) == 1


def test_the_command_line_collects_later_without_waiting_and_says_when_it_cannot_poll(tmp_path, cloud, monkeypatch):
    tmp_path.joinpath("policy.yaml").write_text(policy())
    launcher = experiment_homes.make_launcher(tmp_path)
    keys = [register(launcher, tmp_path)]
    launcher.run(keys, lambda stage, asset: None)
    cloud.advance(10_000)
    heard = []
    with monkeypatch.context() as rotated:
        rotated.setenv("IONQ_API_KEY", "of-yesterday")
        assert launcher.run(keys, lambda stage, asset: None, on_problem=heard.append) == (keys, [])
    assert len(heard) == 1
    assert "401" in heard[0]
    assert len(launcher.waiting(keys)) == 1
    assert launcher.run(keys, lambda stage, asset: None, on_problem=heard.append) == (keys, [])
    assert launcher.waiting(keys) == []
    assert len(heard) == 1
