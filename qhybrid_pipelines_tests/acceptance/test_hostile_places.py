"""Hostile places: each is worked in, or refused with one sentence and an exit code of the table; nothing is lost there."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from contextlib import closing

import pytest

from qhybrid_pipelines.steps.on_demand.home_backups import check_backup
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.hostile_places import SPEC, assert_one_sentence, qhybrid

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, experiment_homes.RUNS_IN_PROCESS]

#: The administrator may write everywhere; without this right they are like anybody.
WITHOUT_OVERRIDE = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which one experiment was run, with umask 002 as in a group."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "one.yaml").write_text(SPEC)
    done = qhybrid("run", folder / "one.yaml", "--home", folder / "home", shell="umask 002;")
    assert done.returncode == 0, done.stderr
    return folder / "home"


@pytest.fixture
def copied(home, tmp_path):
    """A copy that a test may spoil; it lies where the original does not, as a moved home."""
    shutil.copytree(home, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


def test_every_file_belongs_to_the_group_as_well(home):
    closed = {
        path.relative_to(home).as_posix()
        for path in home.rglob("*")
        if path.is_file() and not path.stat().st_mode & 0o020
    }
    # Nobody writes to a snapshot, nor to the events of a run but the process that runs it.
    assert {name for name in closed if not re.fullmatch(r"dagster/history/runs/[0-9a-f-]{36}\.db", name)} == {
        "warehouse.duckdb"
    }


@pytest.mark.parametrize(
    "command",
    [
        ["sql", "SELECT experiment, verdict FROM verdicts"],
        ["experiments"],
        ["jobs", "list"],
        ["metrics"],
        ["status"],
        ["answer", "latest"],
        ["home", "show"],
        ["estimate", "one.yaml"],
    ],
    ids=lambda command: command[0],
)
def test_commands_that_only_read_need_only_read(copied, monkeypatch, command):
    (copied.parent / "one.yaml").write_text(SPEC)
    monkeypatch.chdir(copied.parent)
    expected = qhybrid(*command, "--json", "--home", copied)
    assert expected.returncode == 0, expected.stderr
    for path in [copied, *copied.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        done = qhybrid(*command, "--json", "--home", copied, before=WITHOUT_OVERRIDE)
        assert done.returncode == 0, done.stderr
        if command[0] == "metrics":  # free space and times change meanwhile
            assert [sample["name"] for sample in json.loads(done.stdout)] == [
                sample["name"] for sample in json.loads(expected.stdout)
            ]
        else:
            assert command[0] == "status" or done.stdout == expected.stdout
        writing = qhybrid("run", copied.parent / "none.yaml", "--home", copied, before=WITHOUT_OVERRIDE)
        assert_one_sentence(writing)
        assert "Permission denied" in writing.stderr
    finally:
        for path in [copied, *copied.rglob("*")]:
            path.chmod(0o775 if path.is_dir() else 0o664)


@pytest.mark.long
def test_a_device_that_nobody_has_asked_yet_is_priced_where_the_home_may_only_be_read(copied):
    """Its calibration and the compiled circuit are kept where they can be; neither is needed for a price."""
    spec = copied.parent / "device.yaml"
    spec.write_text(f"{SPEC}backends: ['ibm:fake_torino']\n")
    for path in [copied, *copied.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat().st_mtime_ns for path in [copied, *copied.rglob("*")]}
    try:
        done = qhybrid("estimate", spec, "--json", "--home", copied, before=WITHOUT_OVERRIDE)
        assert done.returncode == 0, done.stderr
        [row] = json.loads(done.stdout)["rows"]
        assert row["backend"] == "ibm:fake_torino"
        assert row["policy"].startswith("allow: "), row
        assert {path: path.stat().st_mtime_ns for path in [copied, *copied.rglob("*")]} == before
    finally:
        for path in [copied, *copied.rglob("*")]:
            path.chmod(0o775 if path.is_dir() else 0o664)


@pytest.mark.parametrize("log", ["none", "of a killed program"])
def test_a_backup_needs_only_read(home, tmp_path, log):
    place = tmp_path / "home"
    with closing(sqlite3.connect(home / "ledger.db")) as ledger:
        if log == "none":
            shutil.copytree(home, place)
        else:  # what is committed last stands in the log alone
            ledger.execute("PRAGMA user_version = 77")
            shutil.copytree(home, place)
            ledger.execute("PRAGMA user_version = 0")
            assert (place / "ledger.db-wal").stat().st_size
    for path in [place, *place.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat().st_mtime_ns for path in [place, *place.rglob("*")]}
    done = qhybrid("backup", tmp_path / "new", "--home", place, before=WITHOUT_OVERRIDE)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in [place, *place.rglob("*")]} == before
    with closing(sqlite3.connect(tmp_path / "new" / "ledger.db")) as ledger:
        assert ledger.execute("PRAGMA user_version").fetchone() == (0 if log == "none" else 77,)
    check_backup(tmp_path / "new")


@pytest.mark.skipif(not WITHOUT_OVERRIDE, reason="needs the administrator, who gives up rights")
def test_a_lock_file_of_somebody_else_is_named_at_once(copied):
    lock = copied / "ledger.db-locks"
    lock.chmod(0o444)
    done = qhybrid("jobs", "list", "--home", copied, before=WITHOUT_OVERRIDE)
    assert_one_sentence(done)
    assert "ledger.db-locks" in done.stderr
    assert "chmod g+w" in done.stderr


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%41b", "a\nb", "a\x1bb"])
def test_a_name_that_addresses_read_as_something_else_is_refused(tmp_path, name):
    (tmp_path / "one.yaml").write_text(SPEC)
    done = qhybrid("run", tmp_path / "one.yaml", "--home", tmp_path / name)
    assert_one_sentence(done)
    assert "has the character" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["one.yaml"]


@pytest.mark.parametrize("named", [[], ["--home", "relative"]], ids=["no home named", "a relative home"])
def test_a_current_folder_that_was_removed_is_one_sentence(tmp_path, named):
    gone = tmp_path / "gone"
    gone.mkdir()
    done = qhybrid("experiments", *named, shell=f"unset QHYBRID_HOME; cd {gone}; rmdir {gone};")
    assert_one_sentence(done)
    assert "the current folder no longer exists" in done.stderr


def test_other_names_work(tmp_path):
    (tmp_path / "one.yaml").write_text(SPEC)
    place = tmp_path / "Müller & Söhne; [x] = 'y' ~+"
    done = qhybrid("run", tmp_path / "one.yaml", "--home", place)
    assert done.returncode == 0, done.stderr
    told = qhybrid("sql", "SELECT experiment FROM verdicts", "--home", place)
    assert "one-" in told.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["one.yaml", place.name])


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns", "Europe/Berlin"])
def test_a_day_is_the_same_for_every_reader(home, zone):
    query = "SELECT job_id, created_at::DATE AS created_on, created_at::VARCHAR AS created FROM jobs ORDER BY job_id"
    expected = qhybrid("sql", query, "--json", "--home", home, TZ="UTC")
    told = qhybrid("sql", query, "--json", "--home", home, TZ=zone)
    assert expected.returncode == 0
    assert told.stdout == expected.stdout


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(1, id="0 kB", marks=pytest.mark.long),
        pytest.param(64, id="32 kB"),
        pytest.param(2000, id="1000 kB", marks=pytest.mark.long),
    ],
)
def test_a_full_disk_is_one_sentence_and_room_goes_on(tmp_path, limit):
    (tmp_path / "one.yaml").write_text(SPEC)
    # Python does not notice that a file of its byte code was cut off by such a limit, and would read it ever after.
    limited = {"shell": f"ulimit -f {limit};", "PYTHONDONTWRITEBYTECODE": "1"}
    done = qhybrid("run", tmp_path / "one.yaml", "--home", tmp_path / "home", **limited)
    assert_one_sentence(done)
    again = qhybrid("run", tmp_path / "one.yaml", "--home", tmp_path / "home")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("damage", ["middle", "beginning", "empty"])
def test_a_damaged_ledger_is_one_sentence(copied, damage):
    ledger = copied / "ledger.db"
    content = bytearray(ledger.read_bytes())
    if damage == "middle":
        content[4096:] = b"\xa5" * (len(content) - 4096)
    elif damage == "beginning":
        content[:100] = b"\xa5" * 100
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (copied / name).unlink(missing_ok=True)
    ledger.write_bytes(b"not a database at all, but long enough" * 200 if damage == "empty" else bytes(content))
    for command in (["jobs", "list"], ["metrics"]):
        done = qhybrid(*command, "--home", copied)
        assert_one_sentence(done)
        assert "ledger" in done.stderr


def test_an_endless_query_is_ended(home):
    from qhybrid_pipelines.core.errors import InvalidInput
    from qhybrid_pipelines.storage.analyst import query
    from qhybrid_pipelines.storage.layout import Home

    endless = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range * b.range % 7 = 3"
    with pytest.raises(InvalidInput, match=r"took more than 0\.5 seconds"):
        query(Home(home), endless, limit_seconds=0.5)
    assert query(Home(home), "SELECT 1 AS one", limit_seconds=60).to_pylist() == [{"one": 1}]
