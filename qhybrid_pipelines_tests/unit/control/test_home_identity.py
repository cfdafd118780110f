"""A copy is recognised by what differs: the ledger, the notes beside it, the lake. A home that was only moved is not a copy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pytest

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.home_identity import HomeGuard
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput, Refused
from qhybrid_pipelines.storage.home_decisions import read_decisions
from qhybrid_pipelines.storage.home_note import FORMAT, read_note
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.schemas.execution import QPU_SUBMISSIONS
from qhybrid_pipelines_tests.support.ledger_plans import plan

Result = TypeVar("Result")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home that has sent something."""
    made = Home(tmp_path / "home").make()
    with_ledger(made, lambda ledger: (guard(made, ledger).check(), ledger.plan(plan()), guard(made, ledger).check()))
    return made


def guard(home: Home, ledger: SqlLedger, *, is_shared: bool = False) -> HomeGuard:
    return HomeGuard(home, ledger, is_shared=is_shared)


def with_ledger(home: Home, use: Callable[[SqlLedger], Result]) -> Result:
    ledger = SqlLedger.open_sqlite(home.ledger)
    try:
        return use(ledger)
    finally:
        ledger.close()


def problems(home: Home) -> list[str]:
    return with_ledger(home, lambda ledger: guard(home, ledger).problems())


def check(home: Home) -> None:
    with_ledger(home, lambda ledger: guard(home, ledger).check())


def ledger_files(home: Home) -> list[Path]:
    return sorted(home.path.glob("ledger.db*"))


def put_back(home: Home, backup: Path) -> None:
    for file in ledger_files(home):
        file.unlink()
    shutil.copy(backup, home.ledger)


def test_the_id_is_drawn_once_and_repeated_in_the_note(home: Home) -> None:
    note = read_note(home)
    assert note is not None
    assert (note.format, note.openings, len(note.home_id)) == (FORMAT, 2, 16)
    assert ControlPlane(home).home_id == note.home_id == ControlPlane(home).home_id
    assert ControlPlane(Home(home.path.parent / "other").make()).home_id != note.home_id


@pytest.mark.parametrize("times_opened", [0, 3])
def test_a_kill_between_ledger_and_note_raises_no_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times_opened: int
) -> None:
    made = Home(tmp_path / "home").make()
    for _ in range(times_opened):
        check(made)
    count = SqlLedger.count_opening

    def count_and_die(ledger: SqlLedger) -> None:
        count(ledger)
        raise KeyboardInterrupt

    monkeypatch.setattr(SqlLedger, "count_opening", count_and_die)
    with pytest.raises(KeyboardInterrupt):
        check(made)
    monkeypatch.undo()
    assert problems(made) == []
    check(made)


@pytest.mark.parametrize("way", ["moved", "copied", "linked"])
def test_a_home_that_lies_elsewhere_goes_on(home: Home, tmp_path: Path, way: str) -> None:
    """A mount, a new host name and a move change no byte, so nothing may be asked."""
    there = tmp_path / "there"
    {
        "moved": lambda: home.path.rename(there),
        "copied": lambda: shutil.copytree(home.path, there),
        "linked": lambda: there.symlink_to(home.path),
    }[way]()
    check(Home(there))
    assert problems(Home(there)) == []


def test_machines_on_one_ledger_are_one_home(home: Home, tmp_path: Path) -> None:
    """Each has a folder of its own; a new one has no note yet."""
    ledger = SqlLedger.open_sqlite(home.ledger)
    folders = [Home(tmp_path / name).make() for name in ("first", "second", "third")]
    for folder in (*folders, *folders):
        guard(folder, ledger, is_shared=True).check()
    ids = {note.home_id for folder in folders if (note := read_note(folder))}
    assert ids == {ledger.identity().home_id}
    ledger.close()


def older_ledger(home: Home) -> None:
    backup = home.path.parent / "backup.db"
    with_ledger(home, lambda _: None)
    shutil.copy(home.ledger, backup)
    with_ledger(home, lambda ledger: (ledger.plan(plan("b")), guard(home, ledger).check()))
    put_back(home, backup)


def deleted_ledger(home: Home) -> None:
    for file in ledger_files(home):
        file.unlink()


def write_submission(home: Home, provider_job_id: str | None) -> Path:
    """Write the table of one submission; without a provider's id it waits for a person, or was refused."""
    row = {"experiment": "e-1", "backend": "p:b", "job_id": "j1", "token": "t", "provider_job_id": provider_job_id}
    numbers = dict.fromkeys(("sub_batch", "first_point", "first_repetition"), 0)
    row |= {
        **numbers,
        "points": 1,
        "repetitions": 1,
        "payload_sha256": "0" * 64,
        "shots_total": 1,
        "cost_quoted_usd": 0.0,
    }
    data = pa.Table.from_pylist([row], schema=QPU_SUBMISSIONS.schema)
    return Path(Lake(home).write(QPU_SUBMISSIONS, PartitionKey(experiment="e-1", backend="p:b"), data).address)


def deleted_ledger_and_notes(home: Home) -> None:
    """Only the lake is left, which says that something was sent."""
    write_submission(home, "p-1")
    deleted_ledger(home)
    for note in (home.note, home.ledger_anchor):
        note.unlink(missing_ok=True)


def other_homes_ledger(home: Home) -> None:
    other = Home(home.path.parent / "other").make()
    with_ledger(other, lambda ledger: (ledger.plan(plan()), guard(other, ledger).check()))
    put_back(home, other.ledger)


def ledger_without_its_notes(home: Home) -> None:
    for note in (home.note, home.ledger_anchor):
        note.unlink(missing_ok=True)


def other_homes_note(home: Home) -> None:
    other = Home(home.path.parent / "other").make()
    check(other)
    shutil.copy(other.note, home.note)


KINDS = [
    older_ledger,
    deleted_ledger,
    deleted_ledger_and_notes,
    other_homes_ledger,
    ledger_without_its_notes,
    other_homes_note,
]


@pytest.mark.parametrize("what", KINDS)
def test_what_differs_stops_sending_until_a_person_decides(home: Home, what: Callable[[Home], None]) -> None:
    what(home)
    assert problems(home)
    for _ in range(2):
        with pytest.raises(Refused, match="qhybrid home continue"):
            check(home)
    before = with_ledger(home, lambda ledger: ledger.identity().home_id)
    with_ledger(home, lambda ledger: guard(home, ledger).go_on())
    assert problems(home) == []
    check(home)
    assert with_ledger(home, lambda ledger: ledger.identity().home_id) == before


def test_who_has_decided_what_and_when_is_kept(home: Home) -> None:
    before = with_ledger(home, lambda ledger: ledger.identity().home_id)
    older_ledger(home)
    with_ledger(home, lambda ledger: guard(home, ledger).go_on(by="ada"))
    after = with_ledger(home, lambda ledger: guard(home, ledger).separate(by="bob", is_copy=True)).home_id
    one, two = read_decisions(home)
    assert (one.by, one.decision, one.home_id, one.new_home_id) == ("ada", "continue", before, before)
    assert "so it is an older copy" in one.problems[0]
    assert (two.by, two.decision, two.home_id, two.new_home_id, two.problems) == ("bob", "separate", before, after, ())
    assert datetime.now(UTC) - datetime.fromisoformat(two.at) < timedelta(minutes=10)


@pytest.mark.parametrize("what", KINDS)
def test_a_copy_that_becomes_a_home_of_its_own_gets_a_new_id(home: Home, what: Callable[[Home], None]) -> None:
    what(home)
    before = with_ledger(home, lambda ledger: ledger.identity().home_id)
    after = with_ledger(home, lambda ledger: guard(home, ledger).separate())
    assert after.home_id != before
    assert with_ledger(home, lambda ledger: ledger.identity().home_id) == after.home_id
    check(home)


def test_where_nothing_differs_there_is_nothing_to_separate(home: Home) -> None:
    before = (read_note(home), with_ledger(home, lambda ledger: ledger.identity()), read_decisions(home))
    with pytest.raises(InvalidInput, match="nothing to separate") as refused:
        with_ledger(home, lambda ledger: guard(home, ledger).separate(by="bob"))
    assert "qhybrid home separate --copy" in str(refused.value)
    assert (read_note(home), with_ledger(home, lambda ledger: ledger.identity()), read_decisions(home)) == before
    check(home)


def test_a_job_that_waits_for_a_person_was_not_sent(tmp_path: Path) -> None:
    """The first thing that happens in a home is a question or a refusal: its table is in the lake, and nothing was sent."""
    home = Home(tmp_path / "home").make()
    write_submission(home, None)
    check(home)
    assert problems(home) == []


def test_a_damaged_table_of_submissions_may_be_of_a_job_that_was_sent(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").make()
    write_submission(home, None).write_bytes(b"")
    with pytest.raises(Refused, match="qpu_submissions"):
        check(home)


def test_a_question_stays_for_every_process_until_it_is_answered(home: Home) -> None:
    with_ledger(home, lambda ledger: guard(home, ledger).ask(["p-1 is not ours", "p-2 is not ours"]))
    with_ledger(home, lambda ledger: guard(home, ledger).ask(["p-2 is not ours"]))
    assert problems(home) == ["p-1 is not ours", "p-2 is not ours"]
    with pytest.raises(Refused, match="p-2 is not ours"):
        check(home)
    with_ledger(home, lambda ledger: guard(home, ledger).go_on())
    assert problems(home) == []


def test_a_home_of_a_newer_release_is_refused_and_not_touched(home: Home) -> None:
    newer = json.loads(home.note.read_text()) | {"format": FORMAT + 1, "collects_from": FORMAT + 1, "unknown": "field"}
    home.note.write_text(json.dumps(newer))
    with pytest.raises(InvalidInput, match=f"format {FORMAT + 1}, and this release knows formats up to {FORMAT}"):
        ControlPlane(home).ledger  # noqa: B018  opening is what fails
    assert json.loads(home.note.read_text()) == newer


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": "two"}', "\x00"])
def test_a_note_that_cannot_be_read_is_named(home: Home, content: str) -> None:
    home.note.write_text(content)
    with pytest.raises(CorruptFile, match=r"home\.json"):
        check(home)
