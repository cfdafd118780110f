"""The tables of a ledger over its releases, on SQLite and on Postgres: created whole, upgraded in place, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy.exc import DatabaseError

from qhybrid_pipelines.control.ledger.databases import schema
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.sql import tables
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan, run_in_processes

#: What a later release might bring: a column with a value for the jobs that are there.
LATER = """
import sqlalchemy as sa
from alembic import op

revision = "later1"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("job", sa.Column("colour", sa.Text()))
    op.execute("UPDATE job SET colour = 'blue'")
"""
#: A revision that fails when it has changed something already.
BROKEN = """
from alembic import op

revision = "later2"
down_revision = "later1"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("UPDATE job SET colour = 'green'")
    op.execute("UPDATE no_such_table SET colour = 'green'")
"""

Open = Callable[[], SqlLedger]


@pytest.fixture(params=["sqlite", "postgres"])
def open_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Give what opens one and the same ledger, as often as it is called."""
    opener = (
        partial(SqlLedger.open_sqlite, tmp_path / "ledger.db")
        if request.param == "sqlite"
        else partial(SqlLedger.open_postgres, request.getfixturevalue("postgres_url"))
    )
    with ExitStack() as stack:

        def opened() -> SqlLedger:
            ledger = opener()
            stack.callback(ledger.close)
            return ledger

        yield opened


@pytest.fixture
def later_revisions(tmp_path: Path) -> Path:
    """Return a folder of revisions that this release does not have; its name is one that needs care."""
    folder = tmp_path / "later 100%"
    folder.mkdir()
    for name, text in (("later", LATER), ("broken", BROKEN)):
        (folder / f"{name}.py").write_text(text)
    return folder


def revision_of(ledger: SqlLedger) -> str:
    with ledger._engine.connect() as connection:
        return str(connection.exec_driver_sql("SELECT version_num FROM ledger_revision").scalar_one())


def colours(ledger: SqlLedger) -> list[tuple[str, str | None]]:
    with ledger._engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT job_id, colour FROM job ORDER BY job_id").all()
    return [(row[0], row[1]) for row in rows]


def test_a_new_ledger_has_the_tables_of_the_code_and_the_newest_revision(open_ledger: Open) -> None:
    ledger = open_ledger()
    assert set(inspect(ledger._engine).get_table_names()) == {*tables.metadata.tables, "ledger_revision"}
    assert revision_of(ledger) == schema.REVISION

    def is_ours(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name != "ledger_revision"

    with ledger._engine.connect() as connection:
        options = {"include_name": is_ours, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata) == []


def test_what_a_constraint_forbids_is_refused(open_ledger: Open) -> None:
    """The database checks what it is told, whoever writes to it."""
    ledger = open_ledger()
    ledger.plan(plan())
    wrong = {
        "UPDATE job SET attempt = 0": "has_an_attempt",
        "UPDATE job SET cost_quoted_microusd = -1": "quote_is_not_negative",
        "UPDATE job SET run_number = 0": "counts_from_one",
        "UPDATE job SET state = NULL": "state",
        "UPDATE attempt SET job_id = 'nobody'": "(?i)foreign key",
        "UPDATE budget SET reserved_microusd = -1": "reserved_is_not_negative",
        "INSERT INTO chain_head VALUES (2, 0, '')": "has_one_row",
        "UPDATE event SET event = ''": "append-only",
        "DELETE FROM event": "append-only",
    }
    for statement, reason in wrong.items():
        with pytest.raises(DatabaseError, match=reason), ledger._engine.begin() as connection:
            connection.exec_driver_sql(statement)


def test_the_newest_revision_of_the_code_is_the_newest_of_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.FOLDER))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [schema.REVISION]
    assert scripts.get_bases() == ["0001"]


def test_a_ledger_is_carried_to_the_next_revision_in_its_place(
    open_ledger: Open, later_revisions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = open_ledger()
    job = old.plan(plan())
    events, head = old.events(), old.head()
    monkeypatch.setattr(schema, "prepare", partial(schema.prepare, revision="later1", versions=[later_revisions]))
    for _ in range(2):
        ledger = open_ledger()
        assert revision_of(ledger) == "later1"
        assert colours(ledger) == [("j-a", "blue")]
        assert (ledger.events(), ledger.head()) == (events, head)
    apply_events(ledger, job, Event.ACKNOWLEDGE, provider_job_id="p-1")
    with pytest.raises(DatabaseError, match="append-only"), ledger._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM event")
    assert ledger.verify_chain().is_intact


def test_a_revision_that_fails_leaves_the_ledger_as_it_was(
    open_ledger: Open, later_revisions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger()
    ledger.plan(plan())
    monkeypatch.setattr(schema, "prepare", partial(schema.prepare, revision="later2", versions=[later_revisions]))
    with pytest.raises(InvalidInput, match="no_such_table"):
        open_ledger()
    assert revision_of(ledger) == schema.REVISION
    assert "colour" not in [column["name"] for column in inspect(ledger._engine).get_columns("job")]
    assert [job.job_id for job in ledger.jobs()] == ["j-a"]


def test_processes_that_open_an_older_ledger_at_once_upgrade_it_once(
    open_ledger: Open, later_revisions: Path, tmp_path: Path
) -> None:
    """A second one would fail on the column that is there."""
    first = open_ledger()
    first.plan(plan())
    url = first._engine.url.render_as_string(hide_password=False)
    is_file = first._engine.dialect.name == "sqlite"
    before = (
        "from functools import partial; from qhybrid_pipelines.control.ledger.databases import schema; "
        f"schema.prepare = partial(schema.prepare, revision='later1', versions=[Path({str(later_revisions)!r})])"
    )
    work = "SqlLedger.open_sqlite(home / 'ledger.db')" if is_file else "SqlLedger.open_postgres(url)"
    assert run_in_processes(6, work, tmp_path, before=before, url=url) == [0] * 6
    assert revision_of(first) == "later1"
    assert colours(first) == [("j-a", "blue")]


def test_a_ledger_of_a_newer_release_is_refused_and_not_touched(open_ledger: Open) -> None:
    newer = open_ledger()
    with newer._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger_revision SET version_num = '0007'")
        connection.exec_driver_sql("UPDATE home SET collects_from = collects_from + 1")
    with pytest.raises(
        InvalidInput, match=f"schema revision '0007', and this release knows revisions up to '{schema.REVISION}'"
    ) as said:
        open_ledger()
    assert "newer" in said.value.remedy
    assert revision_of(newer) == "0007"


def test_tables_that_are_there_without_a_revision_are_refused(open_ledger: Open) -> None:
    ledger = open_ledger()
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE ledger_revision")
    with pytest.raises(InvalidInput, match="before the first release"):
        open_ledger()


def test_a_table_of_dagsters_or_mlflows_revisions_is_left_alone(open_ledger: Open, tmp_path: Path) -> None:
    """Both keep theirs under one name, in a database that may be shared."""
    first = open_ledger()
    with first._engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('theirs')")
    assert revision_of(open_ledger()) == schema.REVISION
    with first._engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "theirs"
