"""One damaged file hurts its own experiment only: sensors, schedules and commands go on, and each of them names the bad one."""

import json

import dagster as dg
import pytest

from qhybrid_pipelines import cli
from qhybrid_pipelines.control.experiments.due_stages import PREPARE, SUBMIT
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.code_location import open_code_location, requested_stages

pytestmark = experiment_homes.RUNS_IN_PROCESS

BACKEND = "local:auto"
SPEC = "name: {}\nproblem: {{family: maxcut, source: 'networkx:petersen'}}\nshots: 64\nrepetitions: 2\nsweep: {{strategy: fixed_angles, points: 2}}\n"


@pytest.fixture
def code_location(tmp_path):
    with open_code_location(tmp_path) as opened:
        opened.workspace.home.make()
        yield opened


def specification(code_location, key):
    return code_location.workspace.home.specifications / f"{key}.json"


def cut(code_location, key):
    path = specification(code_location, key)
    path.write_bytes(path.read_bytes()[:-40])


def garble(code_location, key):
    specification(code_location, key).write_bytes(b"\xff\xfe\x00 not text")


def empty(code_location, key):
    specification(code_location, key).write_bytes(b"")


def replace_by_folder(code_location, key):
    specification(code_location, key).unlink()
    specification(code_location, key).mkdir()


def damage_decision(code_location, key):
    path = code_location.workspace.lake.path("decisions", PartitionKey(experiment=key, backend=BACKEND))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 cut off in the middle")


def damage_submissions(code_location, key):
    lake = code_location.workspace.lake
    for asset in PREPARE:
        lake.path(asset, PartitionKey(experiment=key)).parent.mkdir(parents=True, exist_ok=True)
        lake.path(asset, PartitionKey(experiment=key)).write_bytes(b"")
    for asset in SUBMIT:
        path = lake.path(asset, PartitionKey(experiment=key, backend=BACKEND))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


DAMAGES = [cut, garble, empty, replace_by_folder, damage_decision, damage_submissions]


def run_command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["qhybrid", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0, capsys.readouterr().out


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_the_others_go_on_and_the_bad_one_is_named(code_location, damage, monkeypatch, capsys):
    good, bad, last = (code_location.register(SPEC.format(name)) for name in ("a good one", "bad", "the last one"))
    damage(code_location, bad)
    assert set(requested_stages(code_location.tick("due_stages"))) >= {("prepare", good), ("prepare", last)}
    assert {key for _, key in requested_stages(code_location.tick("reconcile_prepare"))} >= {good, last}
    assert "0 executions newly complete" in code_location.poll().skip_message
    code, printed = run_command(monkeypatch, capsys, "doctor", "--json", "--home", code_location.home)
    row = {row["check"]: row for row in json.loads(printed)}["experiments"]
    assert (code, row["ok"]) == (3, False)
    assert bad in row["finding"]
    assert good not in row["finding"]
    code, printed = run_command(monkeypatch, capsys, "estimate", "--due", "--json", "--home", code_location.home)
    assert {row["experiment"] for row in json.loads(printed)["rows"]} >= {good, last}


@pytest.mark.parametrize("damage", [cut, damage_decision], ids=lambda damage: damage.__name__)
def test_it_is_named_on_its_asset_once_for_each_reason(code_location, damage):
    bad = code_location.register(SPEC.format("bad"))
    damage(code_location, bad)
    repository = code_location.definitions.get_repository_def()
    cursor, told = None, []
    for _ in range(3):
        with dg.build_sensor_context(
            instance_ref=code_location.instance.get_ref(),
            cursor=cursor,
            instance=code_location.instance,
            resources=code_location.resources,
            repository_def=repository,
        ) as context:
            data = repository.get_sensor_def("due_stages").evaluate_tick(context)
        cursor, told = data.cursor, [*told, *data.asset_events]
    [observation] = told
    assert observation.partition == bad
    assert observation.asset_key.path == ["experiments"]
    assert "problem" in observation.metadata


def test_a_file_that_is_no_experiment_lies_among_them(code_location):
    good = code_location.register(SPEC.format("good"))
    (code_location.workspace.home.specifications / "notes of mine.json").write_text("{}")
    assert requested_stages(code_location.tick("due_stages")) == [("prepare", good)]


def test_a_command_runs_the_others_and_says_which_it_could_not(code_location):
    good, bad = (code_location.register(SPEC.format(name)) for name in ("good", "bad"))
    cut(code_location, bad)
    known, failures = Launcher(Settings(home=code_location.home)).run([bad, good], lambda stage, asset: None)
    assert set(known) == {good, bad}
    assert [(failure.what, failure.exit_code) for failure in failures] == [(bad, 3)]
    assert "it was changed after it was registered" in failures[0].message
    assert code_location.workspace.lake.exists("decisions", PartitionKey(experiment=good, backend=BACKEND))


def test_the_list_shows_all(code_location, monkeypatch, capsys):
    good, bad = (code_location.register(SPEC.format(name)) for name in ("good", "bad"))
    cut(code_location, bad)
    monkeypatch.setattr("sys.argv", ["qhybrid", "experiments", "--json", "--home", str(code_location.home)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    rows = {row["experiment"]: row["verdict"] for row in json.loads(capsys.readouterr().out)}
    assert rows[good] == "not decided"
    assert rows[bad].startswith("cannot be read: ")
