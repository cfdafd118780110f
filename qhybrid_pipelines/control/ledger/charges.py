"""What executions were charged, read from the ledger's own file without opening it as a ledger: for lists, which must be quick."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

from qhybrid_pipelines.control.ledger.databases.read_only_files import reading_options
from qhybrid_pipelines.core.errors import InvalidInput

_SUMS = "SELECT experiment, requested_backend, sum(cost_settled_microusd) FROM job GROUP BY 1, 2"


def read_charges(path: Path) -> dict[tuple[str, str], float]:
    """Return the sum of settled costs of each execution, (experiment, requested backend), in US dollars.

    Args:
        path: the ledger on SQLite.

    Raises:
        InvalidInput: it cannot be read.
    """
    address = f"{path.absolute().as_uri()}?{urlencode(reading_options(path))}"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            rows = connection.execute(_SUMS).fetchall()
    except sqlite3.Error as error:
        raise InvalidInput(
            f"the ledger cannot be read: {error}", remedy="`qhybrid doctor` says what is wrong with it.", file=str(path)
        ) from error
    return {(experiment, backend): (microusd or 0) / 1e6 for experiment, backend, microusd in rows}
