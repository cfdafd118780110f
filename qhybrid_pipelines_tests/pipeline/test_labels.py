"""A page with other labels is the same experiment: nothing runs and nothing is paid again, and everybody sees the new ones."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import mlflow
import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.defs.jobs import JOB_NAMES
from qhybrid_pipelines.defs.run_tags import EXPERIMENT_TAG, LABELS_TAG, OWNER_TAG
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.storage.analyst import query
from qhybrid_pipelines.storage.label_store import LabelStore
from qhybrid_pipelines_tests.support import experiment_homes

pytestmark = experiment_homes.RUNS_IN_PROCESS

PAGE = """\
name: square
problem: {family: maxcut, source: "networkx:cubical"}
sweep: {strategy: fixed_angles, points: 1}
repetitions: 2
shots: 16
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Launcher, str]:
    """A home with one experiment, run with the first labels."""
    launcher = experiment_homes.make_launcher(tmp_path_factory.mktemp("labels") / "home")
    page = PAGE + "owner: ada\ntags: [first]\n"
    key = launcher.workspace.registration.register_text(page, file="square.yaml", folder=Path()).key
    experiment_homes.run(launcher, [key])
    return launcher, key


def command(launcher: Launcher, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*words, "--home", str(launcher.workspace.home.path)])
    return result.exit_code, result.stdout


def jobs(launcher: Launcher) -> list[str]:
    return [job.job_id for job in launcher.workspace.control_plane.ledger.jobs()]


def test_other_labels_are_the_same_experiment_and_everybody_sees_them(ran) -> None:
    launcher, key = ran
    home, before = launcher.workspace.home, jobs(launcher)
    runs = {run.run_id for run in launcher.instance.get_runs()}
    page = PAGE + "owner: grace\ntags: [second, paper]\n"
    again = launcher.workspace.registration.register_text(page, file="square.yaml", folder=Path())
    assert (again.key, again.new) == (key, False)
    experiment_homes.run(launcher, [key])
    launcher.publish()
    assert jobs(launcher) == before
    assert {run.job_name for run in launcher.instance.get_runs() if run.run_id not in runs} == {JOB_NAMES["publish"]}
    assert query(home, "SELECT owner, tags FROM verdicts").to_pylist() == [{"owner": "grace", "tags": "paper, second"}]
    [row] = json.loads(command(launcher, "experiments", "--tag", "paper", "--json")[1])
    assert (row["experiment"], row["owner"], row["tags"]) == (key, "grace", "paper, second")
    refused, printed = command(launcher, "experiments", "--tag", "first", "--json")
    assert refused  # nobody has it any more
    assert printed == ""


def test_runs_of_dagster_and_mlflow_carry_the_labels_they_ran_with(ran) -> None:
    launcher, key = ran
    tagged = launcher.instance.get_runs(dg.RunsFilter(tags={OWNER_TAG: "ada"}))
    assert {run.tags[LABELS_TAG] for run in tagged} == {"first"}
    assert {run.tags[EXPERIMENT_TAG] for run in tagged} == {key}
    mlflow.set_tracking_uri(launcher.workspace.tracker.uri)
    found = mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.label_first = 'true'", output_format="list"
    )
    assert [run.data.tags["owner"] for run in found] == ["ada"]


def test_costs_are_added_up_by_owner_and_tag(ran) -> None:
    launcher, _ = ran
    launcher.publish()
    for by in ("owner", "tag", "backend", "provider", "experiment", "month"):
        code, said = command(launcher, "costs", "--by", by, "--json")
        *groups, whole = json.loads(said)
        assert code == 0
        assert whole[by] == "all"
        assert {row["jobs"] for row in [*groups, whole]} == {1}
        assert {row["shots"] for row in groups} == {32}


def test_what_is_archived_leaves_the_lists_and_nothing_else(ran) -> None:
    launcher, key = ran
    assert command(launcher, "archive", "square")[0] == 0
    assert json.loads(command(launcher, "experiments", "--json")[1]) == []
    assert [row["experiment"] for row in json.loads(command(launcher, "experiments", "--all", "--json")[1])] == [key]
    assert len(json.loads(command(launcher, "jobs", "list", "--json")[1])) == 1
    assert LabelStore(launcher.workspace.home).read(key).archived
    assert command(launcher, "archive", "square", "--undo")[0] == 0
    assert len(json.loads(command(launcher, "experiments", "--json")[1])) == 1


def test_a_tag_that_nobody_has_is_refused_with_the_nearest(ran) -> None:
    launcher, _ = ran
    home = str(launcher.workspace.home.path)
    for name in ("compare", "experiments"):
        result = CliRunner().invoke(app, [name, "--tag", "papper", "--home", home])
        assert isinstance(result.exception, InvalidInput)
        assert "Did you mean paper?" in str(result.exception)
