"""Experiments are led to their verdicts one after the other: by the command line, and by the queue of Dagster's daemon."""

import yaml

from qhybrid_pipelines.control.experiments.due_stages import STAGE_ASSETS, Stage
from qhybrid_pipelines.defs.jobs import JOB_NAMES
from qhybrid_pipelines.defs.run_tags import PRIORITY_TAG, priority_tags
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.code_location import open_code_location

pytestmark = experiment_homes.RUNS_IN_PROCESS


def specification(name):
    return {
        "name": name,
        "problem": {"family": "maxcut", "source": "networkx:petersen"},
        "sweep": {"strategy": "fixed_angles", "points": 2},
        "repetitions": 2,
        "shots": 64,
        "rounds": {"max": 1},
    }


def test_the_command_line_has_a_verdict_before_it_prepares_the_next_experiment(tmp_path):
    launcher = experiment_homes.make_launcher(tmp_path)
    first, second = keys = experiment_homes.register(launcher, [specification("first"), specification("second")])
    began = []
    launcher.run(keys, lambda stage, asset: began.append((stage.experiment, stage.job)) if asset is None else None)
    assert began == [(first, "prepare"), (first, "execute"), (second, "prepare"), (second, "execute")]


def test_of_the_runs_that_wait_in_the_queue_later_stages_go_first(tmp_path):
    """Dagster's queue begins the run with the highest priority; of equal ones the older."""
    ways = (("prepare", "execute"), ("prepare", "submit", "collect"), ("plan", "sample", "score"))
    ways += (("data", "fit", "train", "infer", "measure", "evaluate"),)
    for way in ways:
        given = [int(priority_tags(Stage(experiment="x", backend="y", job=job)).get(PRIORITY_TAG, 0)) for job in way]
        assert given == sorted(set(given))
    assert {job for way in ways for job in way} == set(STAGE_ASSETS)  # all of them
    with open_code_location(tmp_path) as code_location:
        for name in ("first", "second"):
            code_location.register(yaml.safe_dump(specification(name)))
        first, _ = code_location.tick("due_stages")
        assert PRIORITY_TAG not in first.tags
        assert code_location.run(first).success
        asked = {request.job_name: request.tags.get(PRIORITY_TAG, "0") for request in code_location.tick("due_stages")}
        assert asked == {JOB_NAMES["execute"]: "1", JOB_NAMES["prepare"]: "0"}


def test_jobs_sort_by_name_as_their_stages_follow_each_other():
    assert sorted(JOB_NAMES.values()) == list(JOB_NAMES.values())
