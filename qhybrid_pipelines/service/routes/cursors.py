"""Pages of a list: an opaque cursor that names the last thing seen, and the address of the next page (RFC 8288).

A cursor is a key and not a number of lines to skip: what is added or removed in between shifts nothing.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlencode

from qhybrid_pipelines.service.problem_documents import bad_request

DEFAULT_LIMIT, MAX_LIMIT = 50, 200


def encode(last: str) -> str:
    """Return the cursor behind something."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def decode(cursor: str | None) -> str:
    """Return the last entry before a cursor; nothing at the beginning.

    Raises:
        ProblemError: 400, it is not one that was given out.
    """
    if not cursor:
        return ""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        text = ""
    if not text or not text.isprintable() or encode(text) != cursor:
        raise bad_request(
            "this cursor was not issued by the service",
            remedy="Follow the `next` link of a page, or leave the cursor out.",
            field="cursor",
        )
    return text


def next_link(path: str, *, last: str, limit: int, filters: dict[str, str | None]) -> str:
    """Return the address of the next page, with the filters of this one."""
    query = {name: value for name, value in filters.items() if value is not None}
    return f"{path}?{urlencode({**query, 'cursor': encode(last), 'limit': limit})}"
