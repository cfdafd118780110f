"""Whether Dagster's record has an unfinished run, read without importing Dagster.

The import takes longer than everything else where all experiments are decided.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from qhybrid_pipelines.settings import DAGSTER_POSTGRES_VARIABLE
from qhybrid_pipelines.storage.layout import Home

#: Dagster's words for a run that has ended; every other one counts as not ended.
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


def may_have_unended_runs(home: Home) -> bool:
    """Tell whether Dagster's record has a run that has not ended; true where only Dagster itself can say."""
    if os.environ.get(DAGSTER_POSTGRES_VARIABLE):
        return True
    path = home.dagster / "history" / "runs.db"
    if not path.exists():
        return False
    query = f"SELECT EXISTS (SELECT 1 FROM runs WHERE status NOT IN ({', '.join('?' for _ in ENDED)}))"  # noqa: S608  no values
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute(query, ENDED).fetchone()
    except sqlite3.Error:
        return True
    return bool(found)
