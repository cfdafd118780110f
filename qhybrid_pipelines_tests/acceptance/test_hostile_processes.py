"""Hostile circumstances of a process: little memory, another user of the group, the hour that a clock is put forward or back."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.hostile_places import SPEC, assert_one_sentence, qhybrid

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, experiment_homes.RUNS_IN_PROCESS]

#: Ids of nobody on this machine, which a file server gives to its users as well; reading the interpreter needs a right here.
GROUP, STRANGERS = 54321, 54322
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only the administrator can become somebody else")


def somebody(user: int, group: int = GROUP) -> list[str]:
    """Return what starts a command as another user, who writes only where their group may."""
    ids = [f"--reuid={user}", f"--regid={group}", "--clear-groups"]
    return ["setpriv", *ids, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def states(home: Path, *before: str) -> dict[str, str]:
    """Return the states of all jobs, as a user sees them; whoever opens a ledger may make files beside it."""
    listed = qhybrid("jobs", "list", "--json", "--home", home, before=before, shell="umask 002;")
    assert listed.returncode == 0, listed.stderr
    return {job["job_id"]: job["state"] for job in json.loads(listed.stdout)}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home in which one experiment was run."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / "one.yaml").write_text(SPEC)
    launcher = experiment_homes.make_launcher(folder / "home")
    experiment_homes.run(launcher, [launcher.workspace.registration.register_file(folder / "one.yaml").key])
    return folder / "home"


def jobs(home: Path) -> list[JobRecord]:
    return SqlLedger.open_sqlite(home / "ledger.db").jobs()


@pytest.mark.parametrize("kilobytes", [300_000, 1_000_000])
@pytest.mark.parametrize(
    "command",
    [["sql", "SELECT 1"], ["estimate", "one.yaml"], ["run", "one.yaml"]],
    ids=lambda command: command[0],
)
def test_little_memory_is_one_sentence(home, command, kilobytes):
    before = jobs(home)
    done = qhybrid(*command, "--home", home, shell=f"cd {home.parent}; ulimit -v {kilobytes};")
    assert_one_sentence(done)
    assert done.returncode == 3
    assert "of address space" in done.stderr
    assert "ulimit -v" in done.stderr
    assert jobs(home) == before


def test_what_only_reads_takes_less_memory_than_a_run(home, tmp_path):
    (tmp_path / "two.yaml").write_text(SPEC.replace("one", "two"))
    limit = "ulimit -v 1300000;"
    assert "one-" in qhybrid("experiments", "--home", home, shell=limit).stdout
    assert "VERIFIED" in qhybrid("jobs", "list", "--home", home, shell=limit).stdout
    assert_one_sentence(qhybrid("run", tmp_path / "two.yaml", "--home", tmp_path / "home", shell=limit))
    assert not (tmp_path / "home").exists()
    again = qhybrid("run", tmp_path / "two.yaml", "--home", tmp_path / "home")
    assert again.returncode == 0, again.stderr


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder of the group's, as `docs/runbook.md` wants it; what is made in it belongs to the group."""
    folder = Path(tempfile.mkdtemp(prefix="group-"))
    (folder / "one.yaml").write_text(SPEC)
    (folder / "two.yaml").write_text(SPEC.replace("name: one", "name: two"))
    home = folder / "home"
    home.mkdir()
    os.chown(home, 0, GROUP)
    home.chmod(0o2775)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.long
@needs_root
def test_two_users_of_a_group_share_a_home_and_a_stranger_does_not(shared_folder):
    home = shared_folder / "home"
    umask = "umask 002;"
    first = qhybrid("run", shared_folder / "one.yaml", "--home", home, before=somebody(12345), shell=umask)
    assert first.returncode == 0, first.stderr
    second = qhybrid("run", shared_folder / "two.yaml", "--home", home, before=somebody(12346), shell=umask)
    assert second.returncode == 0, second.stderr
    told = qhybrid("experiments", "--home", home, before=somebody(12345), shell=umask)
    assert "one-" in told.stdout
    assert "two-" in told.stdout
    assert {path.stat().st_uid for path in home.rglob("*")} == {12345, 12346}
    assert {path.stat().st_gid for path in home.rglob("*")} == {GROUP}
    unreadable = [path for path in home.rglob("*") if path.stat().st_mode & 0o040 != 0o040]
    assert unreadable == []
    # files that are replaced and never changed are nobody's to write to
    assert {path.name for path in home.rglob("*") if path.stat().st_mode & 0o020 != 0o020} <= {"warehouse.duckdb"}
    # the second one's command reads what the first one paid, and pays nothing again
    before = states(home, *somebody(12345))
    assert set(before.values()) == {"VERIFIED"}
    again = qhybrid("run", shared_folder / "one.yaml", "--home", home, before=somebody(12346), shell=umask)
    assert again.returncode == 0, again.stderr
    assert states(home, *somebody(12345)) == before

    stranger = qhybrid("run", shared_folder / "one.yaml", "--home", home, before=somebody(12347, STRANGERS))
    assert_one_sentence(stranger)
    assert "Permission denied" in stranger.stderr
    assert states(home, *somebody(12345)) == before


def zone_that_changes(at: datetime, *, back: bool) -> str:
    """Return a time zone, in POSIX' words, whose clocks are put forward or back by an hour at a moment.

    Args:
        at: the moment.
        back: to the hour that was already.
    """
    other = at + timedelta(days=60 if not back else -60)
    # A rule gives its moment as people read it just before: an hour more where summer time ends.
    begin, end = (other, at + timedelta(hours=1)) if back else (at, other)
    return "AAA0BBB," + ",".join(f"{day.timetuple().tm_yday - 1}/{day:%H:%M:%S}" for day in (begin, end))


@pytest.mark.long
@pytest.mark.parametrize("back", [False, True], ids=["forward", "back"])
def test_the_hour_changes_in_the_middle_of_a_run(tmp_path, back):
    (tmp_path / "one.yaml").write_text(SPEC)
    began = datetime.now(UTC)
    changes = began + timedelta(seconds=3)
    zone = zone_that_changes(changes, back=back)
    assert local_hours(zone, changes) == (1.0 if not back else -1.0)
    done = qhybrid("run", tmp_path / "one.yaml", "--home", tmp_path / "home", TZ=zone)
    ended = datetime.now(UTC)
    assert done.returncode == 0, done.stderr
    assert changes < ended, "the run was over before the hour changed"
    ledger = SqlLedger.open_sqlite(tmp_path / "home" / "ledger.db")
    events = ledger.events()
    times = [event.observed_at for event in events]
    assert len(times) > 5
    assert times == sorted(times)
    assert all(
        began - timedelta(seconds=1) <= moment <= ended + timedelta(seconds=1)
        for moment in [*times, *(event.at for event in events)]
    )
    for reader in (zone, "Pacific/Kiritimati"):
        seen = qhybrid("doctor", "--home", tmp_path / "home", TZ=reader)
        assert seen.returncode == 0, seen.stdout


def local_hours(zone: str, at: datetime) -> float:
    """Return by how many hours the local time of a zone jumps at a moment."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        offsets = [time.localtime(at.timestamp() + step).tm_gmtoff for step in (-2, 2)]
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()
    return (offsets[1] - offsets[0]) / 3600
