"""MLflow's tables in an empty SQLite file, at once: what its sixty migrations end with, written down for the release that we pin.

MLflow makes a new store by running all of its migrations, which takes longer than a small experiment. Of another release than
that of the file nothing is taken, and MLflow makes its tables itself. `python -m qhybrid_pipelines.storage.mlflow_schema` writes
the file again; a test holds it against the migrations.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from importlib import resources
from importlib.metadata import version
from pathlib import Path

FILE_NAME = "mlflow_schema.sql"
_HEAD = re.compile(r"""^INSERT INTO "alembic_version" VALUES\('(\w+)'\);""", re.MULTILINE)
_FIRST_LINE = "-- MLflow {version}: what its migrations leave in an empty SQLite file"


def fill(database: Path) -> bool:
    """Make MLflow's tables in a new file; return False, with no file made, where the release is another one."""
    script = _script()
    if script is None:
        return False
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(script)
    return True


def head() -> str | None:
    """Return the name of the last migration in a store of the release that is installed, None where that is another one."""
    script = _script()
    found = None if script is None else _HEAD.search(script)
    return found[1] if found else None


def _script() -> str | None:
    script = resources.files(__package__).joinpath(FILE_NAME).read_text(encoding="utf-8")
    return script if script.partition("\n")[0] == _FIRST_LINE.format(version=version("mlflow")) else None


def dump(database: Path) -> str:
    """Return the script that makes the tables and rows of a file."""
    with closing(sqlite3.connect(database)) as connection:
        return "\n".join([_FIRST_LINE.format(version=version("mlflow")), *connection.iterdump(), ""])


def migrate(database: Path) -> None:
    """Make MLflow's tables as MLflow does it, by its migrations."""
    from mlflow.store.db import utils

    engine = utils.create_sqlalchemy_engine(f"sqlite:///{database}")  # type: ignore[no-untyped-call]  # no types upstream
    utils._initialize_tables(engine)  # type: ignore[no-untyped-call]  # noqa: SLF001  MLflow has no public call for it
    engine.dispose()


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        migrate(Path(folder, "mlflow.db"))
        Path(__file__).with_name(FILE_NAME).write_text(dump(Path(folder, "mlflow.db")), encoding="utf-8")
