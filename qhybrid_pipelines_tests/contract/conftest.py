"""The ledgers that keep one contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qhybrid_pipelines.control.ledger.port import (
    Ledger,
)
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger


@pytest.fixture(params=["sqlite", "postgres", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    made: Ledger
    if request.param == "sqlite":
        made = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    elif request.param == "postgres":
        made = SqlLedger.open_postgres(request.getfixturevalue("postgres_url"))
    else:
        made = MemoryLedger()
    yield made
    made.close()
