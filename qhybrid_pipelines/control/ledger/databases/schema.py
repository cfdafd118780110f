"""How the ledger's tables come into a database: a new one is created whole, an older one is upgraded by Alembic.

`control.ledger.sql.tables` is the only description of the tables. A database carries the name of the revision that it has;
`REVISION` is the newest. A change of the tables is made in three places: the tables, a revision in
``control/ledger/alembic/versions`` that brings older databases there, and `REVISION`. A revision that was released is
never edited.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

from qhybrid_pipelines.control.ledger.chain import event_triggers
from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead
from qhybrid_pipelines.control.ledger.sql import home_row, tables
from qhybrid_pipelines.core.errors import InvalidInput

#: The newest revision, which is what `control.ledger.sql.tables` describes.
REVISION = "0006"

#: A name of our own: Dagster and MLflow keep theirs as ``alembic_version``, and may share a database with us.
REVISION_TABLE = "ledger_revision"

FOLDER = Path(__file__).parents[1] / "alembic"

_revision = Table(REVISION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))


def prepare(connection: Connection, *, revision: str = REVISION, versions: Sequence[Path] = ()) -> None:
    """Create the tables or upgrade them, inside the caller's transaction and under the caller's lock.

    Args:
        connection: to a ledger's database, or to one without tables.
        revision: to be reached.
        versions: further folders of revisions; the released ones are always known.

    Tables that a newer release has made are left as they are, where that says that this one may go on collecting.

    Raises:
        InvalidInput: a newer release has written the ledger for itself alone, or one from before the first release.
    """
    found = inspect(connection)
    if found.has_table(REVISION_TABLE):
        current = connection.scalar(select(_revision.c.version_num))
        if current != revision:
            _upgrade(connection, str(current), revision, versions)
    elif found.has_table(tables.job.name):
        raise InvalidInput(
            "the database has tables of a ledger from before the first release",
            remedy="Use another database or home folder for the ledger.",
        )
    else:
        _create(connection, revision)


def _create(connection: Connection, revision: str) -> None:
    tables.metadata.create_all(connection)
    event_triggers.create(connection)
    start = ChainHead()
    connection.execute(insert(tables.chain_head).values(id=1, position=start.position, hash=start.hash))
    home_row.create(connection)
    _revision.create(connection)
    connection.execute(insert(_revision).values(version_num=revision))


def _upgrade(connection: Connection, current: str, revision: str, versions: Sequence[Path]) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", _escaped(FOLDER))
    config.set_main_option(
        "version_locations", "\n".join(_escaped(place) for place in (FOLDER / "versions", *versions))
    )
    try:
        ScriptDirectory.from_config(config).get_revision(current)
    except CommandError:
        if home_row.may_collect(connection):
            return
        raise InvalidInput(
            f"the ledger has schema revision '{current}', and this release knows revisions up to '{revision}'",
            remedy="Install the release that wrote it, or a newer one.",
        ) from None
    command.upgrade(config, revision)
    home_row.note_collects_from(connection)


def _escaped(path: Path) -> str:
    """Return a path as Alembic's configuration takes it, in which a percent sign begins a name."""
    return str(path).replace("%", "%%")
