"""Artefacts go when the policy's time is over; what they decided stands, and everybody is told when they went and why."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.control.experiments.damaged_files import Damage
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.retention import apply_retention, preview_retention
from qhybrid_pipelines.steps.on_demand import summary
from qhybrid_pipelines.steps.on_demand.home_backups import back_up, restore
from qhybrid_pipelines.steps.operate.due_work import find_due_work
from qhybrid_pipelines.steps.operate.lake_audit import compare_raw_results
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.analyst import query
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.removals import CLASSES, LAKE_CLASSES, RemovalStore, RemovedArtefact
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.job_histories import WAITS_FOR_APPROVAL, write_job_history

pytestmark = experiment_homes.RUNS_IN_PROCESS

PAGE = """\
name: kept {number}
problem: {{family: maxcut, source: {{generator: random_regular, nodes: 8, degree: 3, seed: {number}}}}}
sweep: {{strategy: fixed_angles, points: 2}}
repetitions: 2
shots: 16
rounds: {{max: 1}}
"""
POLICY = "rules: [{name: all, then: allow, reason: a test}]\nretention:\n" + "".join(
    f"  {name}_days: {days}\n" for name, days in zip(CLASSES, range(10, 90, 10), strict=True)
)
BACKEND = "local:auto"
GONE = {table.name for tables in LAKE_CLASSES.values() for table in tables}


def register(launcher: Launcher, *numbers: int) -> list[str]:
    pages = [PAGE.format(number=number) for number in numbers]
    return [launcher.workspace.registration.register_text(page, file="page.yaml", folder=Path()).key for page in pages]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two decided experiments and the periods of `POLICY`."""
    folder = tmp_path_factory.mktemp("retention") / "home"
    made = experiment_homes.make_launcher(folder)
    experiment_homes.run(made, register(made, 1, 2))
    made.workspace.control_plane.ledger.close()
    (folder / "policy.yaml").write_text(POLICY)
    return folder


@pytest.fixture
def launcher(ran: Path, tmp_path: Path) -> Launcher:
    """A copy of it, in which nothing is sent."""
    shutil.copytree(ran, tmp_path / "home")
    return experiment_homes.make_launcher(tmp_path / "home")


def report_page(launcher: Launcher, key: str) -> str:
    page = launcher.workspace.home.path / "page.html"
    made = CliRunner().invoke(app, ["report", key, "-o", str(page), "--home", str(launcher.workspace.home.path)])
    assert made.exit_code == 0, made.output
    return page.read_text("utf-8")


def in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def files(launcher: Launcher) -> set[str]:
    home = launcher.workspace.home
    return {
        path.relative_to(home.path).as_posix()
        for folder in (home.lake, home.raw, home.specifications)
        for path in folder.rglob("*")
        if path.is_file()
    }


def tables(names: set[str]) -> set[str]:
    return {name.split("/")[1] for name in names if name.startswith("lake/")}


def verdicts(launcher: Launcher) -> list[dict[str, object]]:
    workspace = launcher.workspace
    return summary.verdicts(list(workspace.specifications), workspace.lake, workspace.specifications)


def test_each_class_goes_when_its_own_time_is_over_and_a_dry_run_changes_nothing(launcher: Launcher) -> None:
    before = files(launcher)
    for number in range(1, len(CLASSES) + 1):
        outcome = preview_retention(launcher.workspace, now=in_days(10 * number + 1))
        with_artefacts = {one.artefact_class for one in outcome.classes if one.artefacts}
        assert with_artefacts == {*CLASSES[:number]} - {"logs"}  # nobody kept the output of runs of the command line
    assert preview_retention(launcher.workspace, now=in_days(9)).classes[0].artefacts == 0
    assert files(launcher) == before
    assert not launcher.workspace.home.removals.exists()


def test_the_verdict_stands_nothing_is_due_and_everybody_is_told(launcher: Launcher) -> None:
    workspace, before, said = launcher.workspace, files(launcher), verdicts(launcher)
    keys = list(workspace.specifications)
    jobs = [(job.job_id, job.state, job.version) for job in workspace.control_plane.ledger.jobs()]
    outcome = apply_retention(workspace, now=in_days(1000))
    gone = before - files(launcher)
    assert tables(gone) == tables(before) & GONE
    assert {"point_scores", "scored_solutions", "estimates"} <= tables(gone)
    assert tables(files(launcher)) == tables(before) - GONE
    left = {path.name for path in workspace.home.raw.iterdir()}
    assert left == {
        job.result_sha256
        for job in workspace.control_plane.ledger.jobs(experiment=CANARY_EXPERIMENT)
        if job.result_sha256 is not None
    }
    # The ledger and the verdicts are what they were, nothing is due, and the sensors forget the experiments.
    assert [(job.job_id, job.state, job.version) for job in workspace.control_plane.ledger.jobs()] == jobs
    assert verdicts(launcher) == said
    assert launcher.due(keys) == []
    for path in workspace.home.lake.rglob("*.parquet"):
        os.utime(path, (1, 1))
    damage = Damage()
    for _ in range(2):
        assert find_due_work(
            workspace.specifications, workspace.lake, workspace.control_plane, workspace.registration, damage,
            marks=workspace.settled,
        ) == []  # fmt: skip
    # Whoever asks for what went is told when, and by which rule.
    execution = PartitionKey(experiment=keys[0], backend=BACKEND)
    with pytest.raises(
        RemovedArtefact,
        match=r"counts of local:auto .* removed on 2\d{3}-.* by the policy's retention.counts_days: 20 days",
    ):
        workspace.lake.read(schemas.QPU_RESULT_SETS, execution)
    assert compare_raw_results(workspace.home, workspace.control_plane.ledger) == []
    page = report_page(launcher, keys[0])
    assert "retention.counts_days" in page
    # The receipt and the snapshot list the same.
    receipt = json.loads(outcome.receipt.read_text())
    assert {one["place"] for one in receipt["removed"]} >= gone
    launcher.publish()
    listed = query(workspace.home, "SELECT place, rule, removed_at FROM removed_artefacts").to_pylist()
    assert {row["place"] for row in listed} == {one["place"] for one in receipt["removed"]}
    decided = query(workspace.home, "SELECT experiment FROM decisions").to_pylist()
    assert {row["experiment"] for row in decided} == set(keys)
    assert query(workspace.home, "SELECT count(*) AS rows FROM qpu_result_sets").to_pylist() == [{"rows": 0}]
    # Asked again, nothing is left to remove.
    again = apply_retention(workspace, now=in_days(1000))
    assert {one.artefact_class for one in again.classes if one.artefacts} == {
        "dagster_runs"
    }  # of the publication above
    assert apply_retention(workspace, now=in_days(1000)).receipt is None


def test_without_the_note_a_removed_table_would_be_made_again(launcher: Launcher) -> None:
    workspace = launcher.workspace
    apply_retention(workspace, now=in_days(1000))
    workspace.home.removals.unlink()
    assert {stage.experiment for stage in launcher.due(workspace.specifications)} == set(workspace.specifications)


def test_a_restored_backup_knows_what_was_removed(launcher: Launcher, tmp_path: Path) -> None:
    workspace = launcher.workspace
    keys = list(workspace.specifications)
    apply_retention(workspace, now=in_days(1000))
    back_up(workspace.home, workspace.control_plane, tmp_path / "backup")
    workspace.control_plane.ledger.close()
    shutil.rmtree(workspace.home.path)
    restore(tmp_path / "backup", Home(tmp_path / "restored"))
    restored = experiment_homes.make_launcher(tmp_path / "restored")
    assert list(restored.workspace.specifications) == keys
    assert restored.due(keys) == []
    with pytest.raises(RemovedArtefact, match="counts_days"):
        restored.workspace.lake.read(schemas.QPU_RESULT_SETS, PartitionKey(experiment=keys[0], backend=BACKEND))


def test_nothing_goes_of_what_is_open(launcher: Launcher) -> None:
    workspace = launcher.workspace
    first, second = workspace.specifications
    decided = workspace.lake.path(schemas.DECISIONS, PartitionKey(experiment=first, backend=BACKEND))
    aside = decided.rename(decided.with_name("aside"))
    write_job_history(
        workspace.control_plane.ledger,
        "waits",
        WAITS_FOR_APPROVAL,
        experiment=second,
        budget_usd=0.0,
        cost_quoted_usd=0.0,
    )
    outcome = preview_retention(workspace, now=in_days(1000))
    assert {one.artefact_class for one in outcome.classes if one.artefacts} <= {"dagster_runs"}  # those that published
    aside.rename(decided)
    outcome = apply_retention(workspace, now=in_days(1000))
    assert {one.experiment for one in RemovalStore(workspace.home).all()} - {None} == {first}


def test_nothing_goes_of_the_round_before_one_that_is_open(launcher: Launcher) -> None:
    workspace = launcher.workspace
    first, second = workspace.specifications
    spec = workspace.specifications.load(first)
    lineage = spec.lineage.model_copy(update={"round": 2, "parent": first, "root": first})
    workspace.specifications.register(spec.model_copy(update={"lineage": lineage}))
    apply_retention(workspace, now=in_days(1000))
    assert {one.experiment for one in RemovalStore(workspace.home).all()} - {None} == {second}


@pytest.mark.parametrize("place", ["retention.noted", pytest.param("retention.removed", marks=pytest.mark.long)])
def test_killed_in_the_middle_it_goes_on(launcher: Launcher, place: str) -> None:
    workspace, before = launcher.workspace, files(launcher)
    for path in workspace.home.lake.rglob("*.parquet"):
        os.utime(path, (1e9, 1e9))
    workspace.control_plane.ledger.close()
    words = [str(Path(sys.executable).with_name("qhybrid")), "retention", "--apply", "--home", str(workspace.home.path)]
    killed = subprocess.run(words, env=os.environ | {"QHYBRID_FAILPOINT": place}, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert launcher.due(workspace.specifications) == []
    subprocess.run(words, capture_output=True, check=True)
    gone = before - files(launcher)
    assert tables(gone) == tables(before) & GONE
    assert launcher.due(workspace.specifications) == []
    noted = {one.place: one for one in RemovalStore(workspace.home).all()}
    assert gone <= set(noted)
    assert all(noted[name].sha256 for name in gone)


def test_a_raw_result_that_went_is_named_with_its_rule(launcher: Launcher) -> None:
    workspace = launcher.workspace
    keys = list(workspace.specifications)
    digests = [job.result_sha256 for job in workspace.control_plane.ledger.jobs(experiment=keys[0])]
    apply_retention(workspace, now=in_days(1000))
    with pytest.raises(CorruptFile, match=r"retention\.raw_payloads_days: 30 days"):
        RawStore(workspace.home.raw, removals=RemovalStore(workspace.home)).get(digests[0])
