"""A ledger's file: made with its folder, read where it may not be written to, and refused where it is none."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from qhybrid_pipelines.control.ledger.databases import sqlite
from qhybrid_pipelines.control.ledger.port import Breaker
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration
from qhybrid_pipelines_tests.support.ledger_plans import NOW, plan

REMEDY = "Name a folder on a local disk that you may write to, not a file of another program."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with one job, in a folder with a blank and a percent sign in its name."""
    made = tmp_path / "a folder %20" / "ledger.db"
    ledger = SqlLedger.open_sqlite(made)
    ledger.plan(plan("a"))
    ledger.close()
    return made


@pytest.fixture(params=["file", "folder"])
def protected(request, path, monkeypatch) -> Path:
    """The same, where the file or its folder may only be read."""
    place, access = path if request.param == "file" else path.parent, os.access

    def may(asked, mode, **options):
        assert options == {"effective_ids": True}
        return False if (Path(asked), mode) == (place, os.W_OK) else access(asked, mode, **options)

    monkeypatch.setattr(os, "access", may)
    return path


def test_locks_lie_beside_it(path) -> None:
    assert sqlite.lock_file(path) == path.parent / "ledger.db-locks"
    assert sqlite.lock_file(path).is_file()


def test_connections_write_as_was_measured_to_be_safe(path) -> None:
    engine = sqlite.open_database(path)
    with engine.connect() as connection:
        for pragma, value in (
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("busy_timeout", 30_000),
        ):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    engine.dispose()


def test_a_writer_keeps_writers_waiting_from_its_beginning_and_a_reader_nobody(path) -> None:
    engine, other = sqlite.open_database(path), sqlite3.connect(path, timeout=0, isolation_level=None)
    with engine.begin(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    with engine.connect().execution_options(**{sqlite.READ_ONLY_OPTION: True}) as connection, connection.begin():
        assert connection.exec_driver_sql("SELECT count(*) FROM job").scalar() == 1
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE job SET priority = 3")
        other.execute("COMMIT")
        assert connection.exec_driver_sql("SELECT priority FROM job").scalar() == 0, "one snapshot"
    other.close()
    engine.dispose()


def test_what_may_only_be_read_is_read_and_not_touched(protected) -> None:
    before = {file.name: file.read_bytes() for file in protected.parent.iterdir()}
    ledger = SqlLedger.open_sqlite(protected)
    assert [job.job_id for job in ledger.jobs()] == ["j-a"]
    assert ledger.verify_chain().is_intact
    with pytest.raises(OperationalError, match="readonly"):
        ledger.plan(plan("b"))
    ledger.close()
    assert {file.name: file.read_bytes() for file in protected.parent.iterdir()} == before


def test_what_is_kept_of_backends_is_left_out_where_it_may_only_be_read(protected) -> None:
    before = {file.name: file.read_bytes() for file in protected.parent.iterdir()}
    calibration = Calibration(calibration_id="c", measured_at=NOW, fetched_at=NOW, payload={})
    ledger = SqlLedger.open_sqlite(protected)
    assert ledger.add_calibration("v:d", calibration) is False
    assert ledger.save_breaker(Breaker(backend="v:d")).version == 1
    assert (ledger.calibrations(), ledger.breaker("v:d")) == ([], None)
    ledger.close()
    assert {file.name: file.read_bytes() for file in protected.parent.iterdir()} == before


def test_a_log_beside_it_counts(path, monkeypatch) -> None:
    writer = SqlLedger.open_sqlite(path)
    writer.plan(plan("b"))
    assert path.with_name("ledger.db-wal").stat().st_size
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    reader = SqlLedger.open_sqlite(path)
    assert [job.job_id for job in reader.jobs()] == ["j-a", "j-b"]
    reader.close()
    writer.close()


def test_a_url_to_read_says_that_nobody_writes_where_there_is_no_log(path) -> None:
    quoted = str(path).replace("%", "%25").replace(" ", "%20")
    assert sqlite._read_only_url(path).database == f"file:{quoted}"
    assert dict(sqlite._read_only_url(path).query) == {"mode": "ro", "uri": "true", "immutable": "1"}
    log = path.with_name("ledger.db-wal")
    log.write_bytes(b"")
    assert "immutable" in sqlite._read_only_url(path).query
    log.write_bytes(b"x")
    assert dict(sqlite._read_only_url(path).query) == {"mode": "ro", "uri": "true"}


def test_a_file_that_is_not_there_and_may_not_be_made_is_wrong_input(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    with pytest.raises(InvalidInput) as refusal:
        SqlLedger.open_sqlite(tmp_path / "ledger.db")
    assert refusal.value.problem == "the ledger cannot be opened: unable to open database file"
    assert (refusal.value.remedy, refusal.value.file) == (REMEDY, str(tmp_path / "ledger.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_program_is_wrong_input(tmp_path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database at all, and long enough to be read as one" * 20)
    with pytest.raises(InvalidInput) as refusal:
        SqlLedger.open_sqlite(tmp_path / "ledger.db")
    assert refusal.value.problem == "the ledger cannot be opened: file is not a database"
    assert (refusal.value.remedy, refusal.value.file) == (REMEDY, str(tmp_path / "ledger.db"))


def test_the_umask_decides_who_may_read_a_new_one(tmp_path) -> None:
    before = os.umask(0o027)
    try:
        SqlLedger.open_sqlite(tmp_path / "ledger.db").close()
    finally:
        os.umask(before)
    assert (tmp_path / "ledger.db").stat().st_mode & 0o777 == 0o640
