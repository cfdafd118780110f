"""How values are stored, so that every ledger gives them back alike, and hashes of stored values agree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from qhybrid_pipelines.core.canonical import canonical_json

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

#: Characters that Postgres (NUL) or UTF-8 (halves of a pair) cannot hold. Vendors' messages are not ours to trust.
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def to_microseconds(at: datetime) -> int:
    """Return an aware datetime as microseconds since 1970 UTC."""
    return (at - EPOCH) // MICROSECOND


def from_microseconds(at_us: int) -> datetime:
    """Return microseconds since 1970 UTC as an aware datetime."""
    return EPOCH + at_us * MICROSECOND


def stored_text(text: str) -> str:
    """Return a text with a replacement character for every character that cannot be stored."""
    return _NOT_STORABLE.sub("\ufffd", text)


def stored_json(value: Mapping[str, Any] | None) -> str | None:
    """Return a value as the JSON that is stored, or None.

    Raises:
        ValueError: it holds NaN or an infinity.
    """
    return None if value is None else stored_text(canonical_json(value))
