"""Wrong input on the command line: exit code 2, one sentence with place and remedy, and nothing is left behind.

Most cases run the command in this process; a few start it, because a traceback, the exit code and the two output
streams are what a person and a script see.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from qhybrid_pipelines.definitions import build_definitions
from qhybrid_pipelines.defs.partitions import EXPERIMENT_PARTITIONS
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.cli_in_process import run_qhybrid
from qhybrid_pipelines_tests.support.wrong_inputs import ALL, SPECIFICATIONS
from qhybrid_pipelines_tests.support.wrong_problem_files import PROBLEM_FILES

pytestmark = experiment_homes.RUNS_IN_PROCESS

COMMAND = str(Path(sys.executable).with_name("qhybrid"))
GOOD = """
name: good
problem: {family: maxcut, source: 'networkx:house'}
shots: 16
repetitions: 2
sweep: {strategy: fixed_angles, points: 1}
rounds: {max: 1}
"""
RUDY = "4 3\n1 2 1\n2 3 1\n3 4 1\n"
BY_NAME = {case.name: case for case in ALL}


@pytest.fixture
def home(tmp_path):
    """A folder that is there, and empty."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def qhybrid(home, monkeypatch, capsys):
    """Run the command line in this process; returns (exit code, output, error stream)."""

    def run(*arguments, at=home):
        return run_qhybrid(monkeypatch, capsys, *arguments, home=at)

    return run


def started(*arguments, folder):
    ended = subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=folder, timeout=300
    )
    return ended.returncode, ended.stdout, ended.stderr


def assert_untouched(home):
    """Nothing registered, no job, no file kept, no temp file."""
    place = Home(home)
    workspace = Workspace(place)
    assert list(workspace.specifications) == []
    files = [path for folder in place.folders for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if not path.is_relative_to(place.locks)] == []
    assert not place.warehouse.exists()
    assert not place.ledger.exists() or list(workspace.control_plane.ledger.jobs()) == []


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_a_wrong_file_is_refused_in_one_sentence(case, tmp_path, home, qhybrid):
    path = case.drop(tmp_path / "files")
    code, out, err = qhybrid("run", path)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert str(tmp_path) not in err
    assert all(words in err for words in case.says)
    assert (case.about or case.submitted) in err
    assert case.line is None or f"line {case.line}" in err
    assert case.field is None or f"field '{case.field}'" in err
    assert_untouched(home)


@pytest.mark.parametrize("case", [("dusk", "the mapper 'dusk' is not known. "), ("ray:", "'ray:' names no cluster. ")])
def test_a_wrong_mapper_is_refused_before_anything_is_registered(case, tmp_path, home, qhybrid, monkeypatch):
    word, says = case
    monkeypatch.setenv("QHYBRID_MAPPER", word)
    (tmp_path / "good.yaml").write_text(GOOD)
    code, out, err = qhybrid("run", tmp_path / "good.yaml")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: field 'QHYBRID_MAPPER': {says}")
    assert_untouched(home)


@pytest.mark.parametrize("case", [*SPECIFICATIONS[::8], *PROBLEM_FILES[::8]], ids=lambda case: case.name)
def test_machines_get_the_parts(case, tmp_path, home, qhybrid):
    code, out, err = qhybrid("run", case.drop(tmp_path / "files"), "--json")
    answer = json.loads(out)
    (refused,) = answer["refused"]
    assert (code, err) == (2, "")
    assert (answer["verdicts"], answer["failures"]) == ([], [])
    assert (refused["file"], refused["line"], refused["field"]) == (
        case.about or case.submitted,
        case.line,
        case.field,
    )
    assert refused["remedy"]
    assert refused["error"] == "InvalidInput"
    assert_untouched(home)


@pytest.mark.acceptance
@pytest.mark.parametrize("name", ["unknown field", "half-written rudy", "not YAML", "K above n"])
def test_the_real_command_refuses_without_a_traceback(name, tmp_path, home):
    case = BY_NAME[name]
    case.drop(tmp_path)
    code, out, err = started("run", case.submitted, "--home", "home", folder=tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert all(words in err for words in case.says)
    assert str(tmp_path) not in err
    assert_untouched(home)


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A home in which one good experiment ran beside three wrong files, and what the command said."""
    folder = tmp_path_factory.mktemp("used")
    BY_NAME["self-loop"].drop(folder)
    (folder / "good.yaml").write_text(GOOD)
    (folder / "bad.yaml").write_text("name: bad\n")
    submitted = ("bad.yaml", "good.yaml", "a.mc", "gone.yaml")
    return folder / "home", started("run", *submitted, "--home", "home", "--json", folder=folder)


@pytest.mark.acceptance
def test_of_several_the_good_ones_run(used):
    home, (code, out, err) = used
    answer = json.loads(out)
    assert (code, err) == (2, "")
    assert [row["family"] for row in answer["verdicts"]] == ["maxcut"]
    assert answer["failures"] == []
    assert [refused["file"] for refused in answer["refused"]] == ["bad.yaml", "a.mc", "gone.yaml"]
    assert len(list(Workspace(Home(home)).specifications)) == 1


class TestAccepted:
    """Oddities that are not mistakes."""

    @pytest.mark.parametrize(
        "text",
        [
            RUDY,
            "\ufeff" + RUDY,
            RUDY.replace("\n", "\r\n"),
            "# CC BY 4.0\n\n" + RUDY.replace("\n", "\n# and here\n"),
            RUDY.rstrip("\n"),
            "  4\t3 \n1 2 1.0\n 2 3 +1\n3 4 1e0\n\n\n",
        ],
        ids=["plain", "byte-order mark", "CRLF", "comments", "no last line end", "spaces"],
    )
    def test_a_problem_file_may_be_written_in_many_ways(self, text, tmp_path, home, qhybrid):
        path = tmp_path / "a.mc"
        path.write_bytes(text.encode())
        code, out, err = qhybrid("estimate", path, "--json")
        assert (code, err) == (0, "")
        assert json.loads(out)["rows"][0]["qubits"] == 0

    @pytest.mark.parametrize("text", ["\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), "%YAML 1.1\n---\n" + GOOD])
    def test_a_specification_may_be_written_in_many_ways(self, text, tmp_path, home, qhybrid):
        keys = set()
        for name, content in (("one.yaml", text), ("two.yaml", GOOD)):
            (tmp_path / name).write_bytes(content.encode())
            code, out, _ = qhybrid("estimate", tmp_path / name, "--json")
            assert code == 0
            keys.add(json.loads(out)["rows"][0]["experiment"])
        assert len(keys) == 1

    @pytest.mark.acceptance
    def test_the_same_content_again_runs_nothing(self, used, tmp_path, qhybrid):
        home, (_, first, _) = used
        (tmp_path / "good.yaml").write_text(GOOD)
        (tmp_path / "again.yaml").write_text("# another file\n" + GOOD.replace("16", "16   # the same number"))
        tables = {path: path.stat().st_mtime_ns for path in Home(home).lake.rglob("*.parquet")}
        jobs = len(list(Workspace(Home(home)).control_plane.ledger.jobs()))
        code, second, _ = qhybrid("run", tmp_path / "again.yaml", tmp_path / "good.yaml", "--json", at=home)
        assert code == 0
        assert json.loads(second)["verdicts"] == json.loads(first)["verdicts"]
        assert {path: path.stat().st_mtime_ns for path in Home(home).lake.rglob("*.parquet")} == tables
        assert len(list(Workspace(Home(home)).control_plane.ledger.jobs())) == jobs


class TestMisuse:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("frobnicate",), "No such command"),
            (("run",), "Missing argument"),
            (("run", "x.yaml", "--shots", "5"), "No such option"),
            (("jobs", "frobnicate"), "No such command"),
            (("sql",), "there is no query"),
            (("jobs", "approve"), "Missing argument"),
            (("jobs", "decline", "JOB"), "Missing option"),
            (("jobs", "reprioritise", "JOB", "high"), "Invalid value"),
            (("metrics", "--since", "yesterday"), "No such option"),
        ],
    )
    def test_the_command_itself(self, arguments, words, home, qhybrid):
        code, _, err = qhybrid(*arguments)
        assert code == 2
        assert words in err
        assert "Traceback" not in err

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("run", "gone.yaml"), "there is no such file"),
            (("run", "."), "this is a folder"),
            (("run", "x" * 5000), "there is no such file"),
            (("estimate", "gone.yaml"), "there is no such file"),
            (("jobs", "list"), "there is no ledger in"),
            (("jobs", "show", "nope"), "there is no ledger in"),
            (("jobs", "cancel", "nope"), "there is no ledger in"),
            (("jobs", "approve", "nope"), "there is no ledger in"),
            (("jobs", "decline", "nope", "--reason", "no"), "there is no ledger in"),
            (("jobs", "reroute", "nope", "local:auto"), "there is no ledger in"),
            (("jobs", "replay", "nope"), "there is no ledger in"),
            (("jobs", "retry", "nope"), "there is no ledger in"),
            (("jobs", "resolve", "nope", "--not-there"), "there is no ledger in"),
            (("jobs", "reprioritise", "nope", "1"), "there is no ledger in"),
            (("metrics",), "there is no ledger in"),
            (("estimate",), "Name specifications, or give --due"),
            (("estimate", "gone.yaml", "--due"), "Name specifications, or give --due"),
            (("sql", "SELECT 1"), "there is no warehouse yet"),
        ],
    )
    def test_what_is_not_there(self, arguments, words, home, qhybrid):
        code, out, err = qhybrid(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert words in err
        assert_untouched(home)
        code, out, err = qhybrid(*arguments, "--json")
        answer = json.loads(out)
        details = answer["refused"][0] if "refused" in answer else answer
        assert (code, err) == (2, "")
        assert details["remedy"]

    @pytest.mark.acceptance
    def test_wrong_questions_to_the_warehouse(self, used, tmp_path, qhybrid):
        home, _ = used
        before = (home / "warehouse.duckdb").read_bytes()
        target = tmp_path / "out.csv"
        for query, words in (
            ("SELEC 1", "syntax error"),
            ("SELECT nothing FROM verdicts", "nothing"),
            ("SELECT * FROM nowhere", "SHOW TABLES"),
            ("DELETE FROM verdicts", "only be read"),
            ("CREATE TABLE x AS SELECT 1", "only be read"),
            (f"COPY verdicts TO '{target}'", "only be read"),
            ("SELECT * FROM read_csv('/etc/passwd')", "only be read"),
            ("ATTACH 'other.duckdb'", "only be read"),
            ("INSTALL httpfs", "only be read"),
            ("", "the query is empty"),
        ):
            code, out, err = qhybrid("sql", query, at=home)
            assert (code, out) == (2, ""), query
            assert words in err
            assert "Traceback" not in err
        assert not target.exists()
        assert (home / "warehouse.duckdb").read_bytes() == before
        for action in ("show", "cancel"):
            code, out, err = qhybrid("jobs", action, "nope", at=home)
            assert (code, out) == (2, "")
            assert "the ledger has no job 'nope'" in err

    @pytest.mark.parametrize("below", ["", "sub"])
    def test_a_home_that_is_a_file(self, below, tmp_path, qhybrid):
        (tmp_path / "file").write_text("mine")
        code, _, err = qhybrid("run", "x.yaml", at=tmp_path / "file" / below)
        assert code == 2
        assert "is, or lies below, a file. Name a folder" in err
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_home_that_cannot_be_written(self, tmp_path, home, qhybrid, monkeypatch):
        """Root may write everywhere, so the refusal of the system is played where it is asked for."""
        monkeypatch.setattr(os, "access", lambda *_, **__: False)
        code, _, err = qhybrid("run", "x.yaml")
        assert code == 2
        assert "Permission denied. Name a folder that you may write to" in err

    def test_a_home_that_cannot_be_made(self, qhybrid):
        code, _, err = qhybrid("run", "x.yaml", at="/proc/nowhere")
        assert code == 2
        assert "cannot be used as the home folder" in err


WRONG_KEYS = (
    "../../x",
    "a|b",
    "/etc/passwd",
    "..",
    "x",
    "good-0000000g",
    "good-00000000\n",
    "a" * 300,
    "good-00000000",
)


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_a_partition_key_cannot_leave_the_lake(key, tmp_path, home):
    """Somebody may add any partition in the UI."""
    Home(home).make()
    definitions = build_definitions(Settings(home=home))
    before = sorted(tmp_path.rglob("*"))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(EXPERIMENT_PARTITIONS, [key])
        result = dg.materialize(
            [definitions.resolve_assets_def("experiments")],
            partition_key=key,
            instance=instance,
            raise_on_error=False,
        )
    assert not result.success
    messages = [e.step_failure_data.error.cause.message for e in result.get_step_failure_events()]
    assert any("experiment" in message and "qhybrid" in message for message in messages)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} <= set(before)
