"""What the ledger hands to the warehouse: rows, and how far they go. No Arrow, no DuckDB: whoever shows a job needs neither."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Rows of the ledger's tables, by the table's name.
LedgerRows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCursor:
    """How far into the ledger's chain of events somebody has read; the hash tells this ledger from another one."""

    position: int = 0
    hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDelta:
    """Rows of the ledger by table name, page by page, each job whole in one of them; a missing name is an empty table.

    Attributes:
        pages: may be read once, and memory holds one at a time.
        mark: events that the rows show at least.
        jobs: the jobs of which these are all rows; None where they are all rows of all jobs.
    """

    pages: Iterable[LedgerRows]
    mark: LedgerCursor = field(default_factory=LedgerCursor)
    jobs: tuple[str, ...] | None = None
