"""The chain of hashes over all events of a ledger: each event seals the one before it.

Whoever changes, removes or inserts a row has to rewrite every later row and the head; a head that was written down
elsewhere (a log, a tracking run) shows even that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.core.canonical import content_hash

#: Stored columns that every hash covers; ``facts`` comes to them where an event has any.
HASHED_COLUMNS = (
    "position",
    "job_id",
    "sequence",
    "event",
    "from_state",
    "to_state",
    "at_us",
    "observed_at_us",
    "clock",
    "raw_status",
    "detail",
    "previous_hash",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The last link: how many events there are, and the hash of the last one."""

    position: int = 0
    hash: str = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What a check of the whole chain found.

    Attributes:
        events: links that are whole, from the first on.
        broken_at: position of the first row that was changed, removed or inserted; None if the chain is whole.
        problem: one sentence about it.
    """

    events: int
    broken_at: int | None = None
    problem: str | None = None

    @property
    def is_intact(self) -> bool:
        """Nothing was tampered with."""
        return self.broken_at is None


def event_hash(row: Mapping[str, Any]) -> str:
    """Return the hash of an event: SHA-256 over the canonical JSON of its stored columns and of its predecessor's hash.

    An event without facts has the hash that it had before there were any, so older chains stay whole.
    """
    values = [row[name] for name in HASHED_COLUMNS]
    facts = row.get("facts")
    return content_hash(values if facts is None else [*values, facts])


def verify(
    rows: Iterable[Mapping[str, Any]],
    head: ChainHead,
    anchor: ChainHead | None = None,
    *,
    start: ChainHead | None = None,
) -> ChainReport:
    """Return whether the stored rows, in order of position, form one chain that ends at ``head``.

    Args:
        rows: stored columns of every event, as the database gives them, with ``hash``.
        head: last link as the ledger has it.
        anchor: a link as it was noted outside the ledger earlier.
        start: a link up to which the chain was found whole before; then ``rows`` begin with the event after it.
    """
    try:
        last = _walk(rows, anchor, start or ChainHead())
        _check_end(last, head, anchor)
    except _BrokenChain as broken:
        return ChainReport(events=broken.position - 1, broken_at=broken.position, problem=str(broken))
    return ChainReport(events=last.position)


class _BrokenChain(Exception):
    """The chain is broken at a position."""

    def __init__(self, position: int, what: str) -> None:
        self.position = position
        super().__init__(f"event {position} {what}")


def _walk(rows: Iterable[Mapping[str, Any]], anchor: ChainHead | None, start: ChainHead) -> ChainHead:
    last = start
    for row in rows:
        last = _next_link(last, row)
        if anchor is not None and anchor.position == last.position and anchor.hash != last.hash:
            raise _BrokenChain(last.position, "was replaced after the anchor was noted")
    return last


def _check_end(last: ChainHead, head: ChainHead, anchor: ChainHead | None) -> None:
    if max(head.position, anchor.position if anchor else 0) > last.position:
        raise _BrokenChain(last.position + 1, "is missing")
    if head.position < last.position:
        raise _BrokenChain(head.position + 1, "was inserted")
    if head.hash != last.hash:
        raise _BrokenChain(last.position, "was replaced by another one")


def _next_link(last: ChainHead, row: Mapping[str, Any]) -> ChainHead:
    position = last.position + 1
    if row["position"] != position:
        raise _BrokenChain(position, "is missing")
    if not _matches_hash(row):
        raise _BrokenChain(position, "does not match its own hash")
    if row["previous_hash"] != last.hash:
        # Both rows match their own hashes, so the earlier one was replaced as a whole after the later was written.
        raise _BrokenChain(max(last.position, 1), "was replaced by another one")
    return ChainHead(position=position, hash=row["hash"])


def _matches_hash(row: Mapping[str, Any]) -> bool:
    try:
        return bool(event_hash(row) == row["hash"])
    except (TypeError, ValueError):  # a value of a kind that the ledger never writes
        return False
