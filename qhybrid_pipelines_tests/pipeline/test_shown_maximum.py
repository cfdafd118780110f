"""A maximum of 21 is shown as 21 wherever a person reads it, and stored as what is minimised."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
import statistics
import sys
from contextlib import closing

import pytest

from qhybrid_pipelines import cli
from qhybrid_pipelines.commands.report import add_to_mlflow
from qhybrid_pipelines.reports.page import chapters, named_drawings
from qhybrid_pipelines.steps.on_demand.comparisons import Execution
from qhybrid_pipelines.steps.on_demand.report import report_content
from qhybrid_pipelines.storage import analyst, schemas
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher, register, run

pytestmark = RUNS_IN_PROCESS

LP = "Maximize\n worth: 8 a + 11 b + 6 c + 4 d\nSubject To\n room: 5 a + 7 b + 4 c + 3 d <= 14\nBinary\n a b c d\nEnd\n"
WORTH, ROOM = (8, 11, 6, 4), (5, 7, 4, 3)
BEST = max(
    sum(x * w for x, w in zip(bits, WORTH, strict=True))
    for bits in itertools.product((0, 1), repeat=4)
    if sum(x * r for x, r in zip(bits, ROOM, strict=True)) <= 14
)
SPEC = {
    "name": "knapsack",
    "problem": {"family": "binary_program", "source": "bag.lp", "format": "lp"},
    "sweep": {"points": 2},
    "shots": 64,
    "repetitions": 2,
    "rounds": {"max": 1},
}


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maximum")
    (folder / "bag.lp").write_text(LP, encoding="utf-8")
    launcher = make_launcher(folder / "home")
    (key,) = register(launcher, [SPEC], folder)
    run(launcher, [key])
    return launcher.workspace, key


@pytest.fixture
def said(decided, monkeypatch, capsys):
    def run_command(*arguments):
        command = ["qhybrid", *arguments, "--home", str(decided[0].home.path)]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code in (0, None)
        return capsys.readouterr().out

    return run_command


def test_it_is_stored_as_what_is_minimised(decided):
    workspace, key = decided
    (row,) = workspace.lake.read(
        schemas.BASELINE_COMPARISONS, PartitionKey(experiment=key, backend="local:auto")
    ).to_pylist()
    assert (row["optimum"], row["sense"], row["source_sense"]) == (-BEST, "min", "max")
    assert f"-{BEST}" not in row["reason"]
    assert str(BEST) in row["reason"]


@pytest.mark.parametrize("command", ["run", "experiments", "answer"])
def test_no_command_shows_its_negative(command, decided, said):
    out = said(command, *([] if command == "experiments" else [decided[1]]))
    assert str(BEST) in out
    assert not re.search(rf"-{BEST}\b", out), out


def test_json_says_the_same(decided, said):
    (row,) = json.loads(said("run", decided[1], "--json"))["verdicts"]
    assert (row["best_classical"], row["final_objective"], row["sense"]) == (BEST, BEST, "max")


def test_the_report_shows_values_solvers_and_sense(decided):
    workspace, key = decided
    content = report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
    (execution,) = content.executions
    assert (content.sense, content.unit, content.reduced_model["reduced_model_optimum"]) == ("max", "objective", BEST)
    assert (execution.comparison["reference"], execution.answer.objective) == (BEST, BEST)
    assert {max(one.objectives) for one in content.solvers if one.name == "exhaustive"} == {BEST}
    histogram = execution.histogram
    assert (histogram.edges[:-1] < histogram.edges[1:]).all()
    assert histogram.edges[-1] > BEST - 1 > 0 > histogram.edges[0] - 1  # an empty bag is worth nothing, and no bag less
    assert histogram.edges[0] > -1


def test_views_show_it_and_say_how_it_is_stored(decided):
    workspace, key = decided
    sql = f"""SELECT v.sense, v.unit, v.stored_sign, v.best_classical, v.final_objective, v.stored_sign * c.best_classical AS again
        FROM verdicts v JOIN baseline_comparisons c USING (experiment, backend) WHERE experiment = '{key}'"""
    (row,) = analyst.query(workspace.home, sql).to_pylist()
    assert list(row.values()) == ["max", "objective", -1, BEST, BEST, BEST]
    (worth,) = analyst.query(
        workspace.home, f"SELECT DISTINCT objective FROM answers WHERE experiment = '{key}'"
    ).to_pylist()
    assert worth == {"objective": BEST}


def test_a_comparison_and_the_record_in_mlflow_show_it(decided):
    workspace, key = decided
    execution = Execution(
        experiment=key, backend="local:auto", spec=workspace.specifications.load(key), lake=workspace.lake
    )
    assert execution.comparison["best_classical"] == BEST
    with closing(sqlite3.connect(workspace.home.mlflow / "mlflow.db")) as store:
        metrics = dict(store.execute("SELECT key, value FROM latest_metrics").fetchall())
    assert (metrics["best_classical"], metrics["reference"]) == (BEST, BEST)


def of_mlflow(workspace, sql):
    with closing(sqlite3.connect(workspace.home.mlflow / "mlflow.db")) as store:
        return store.execute(sql).fetchall()


def test_hashes_are_tags_and_no_parameters(decided):
    workspace, key = decided
    (origin,) = workspace.lake.read(schemas.PROVENANCE, PartitionKey(experiment=key, backend="local:auto")).to_pylist()
    params, tags = (dict(of_mlflow(workspace, f"SELECT key, value FROM {table}")) for table in ("params", "tags"))
    assert not [name for name, value in params.items() if re.fullmatch(r"[0-9a-f]{32,64}", value)]
    assert not {"instance_sha256", "template_id", "payload_sha256"} & set(params)
    assert tags.items() >= {(n, origin[n]) for n in ("instance_sha256", "template_id", "payload_sha256")}


def test_points_are_steps_and_the_job_has_its_seconds(decided):
    workspace, key = decided
    partition = PartitionKey(experiment=key, backend="local:auto")
    scores = workspace.lake.read(schemas.POINT_SCORES, partition).to_pylist()
    (origin,) = workspace.lake.read(schemas.PROVENANCE, partition).to_pylist()
    sql = "SELECT step, value FROM metrics WHERE key = 'point.mean_energy' ORDER BY step"
    points = sorted({row["point"] for row in scores})
    means = [statistics.fmean(row["mean_energy"] for row in scores if row["point"] == point) for point in points]
    assert of_mlflow(workspace, sql) == [(p, pytest.approx(m)) for p, m in zip(points, means, strict=True)]
    (seconds,) = of_mlflow(workspace, "SELECT value FROM latest_metrics WHERE key = 'execute_seconds'")
    assert seconds == (origin["execute_seconds"],)


def test_figures_of_the_report_are_put_beside_the_record(decided, capsys):
    workspace, key = decided
    content = report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
    add_to_mlflow(workspace, [key])
    names = [name for name, _ in named_drawings(chapters([content]))]
    assert f"MLflow: {len(names)} figures beside 1 record of {key}" in capsys.readouterr().out
    (folder,) = (workspace.home.mlflow / "artifacts").rglob("report")
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.svg" for name in names) != []
    assert all("<svg" in path.read_text("utf-8") for path in folder.iterdir())
