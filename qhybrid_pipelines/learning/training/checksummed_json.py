"""JSON with its own SHA-256, so that a truncated file is detected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from qhybrid_pipelines.core.canonical import canonical_json, content_hash
from qhybrid_pipelines.core.errors import CorruptFile


def add_checksum(content: Mapping[str, Any]) -> bytes:
    """Return content as JSON with its SHA-256; floats are written so that they read back bit by bit."""
    return canonical_json({"content": content, "sha256": content_hash(content)}).encode()


def verify_checksum(data: bytes, *, name: str, remedy: str) -> dict[str, Any]:
    """Return the content of what :func:`add_checksum` gave.

    Args:
        data: the bytes.
        name: what people call them.
        remedy: what to do where they are damaged.

    Raises:
        CorruptFile: the bytes are not whole.
    """
    try:
        record = json.loads(data)
        content = record["content"]
        whole = isinstance(content, dict) and record["sha256"] == content_hash(content)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFile(name, f"it cannot be read: {error}", remedy=remedy) from None
    if not whole:
        raise CorruptFile(name, "its content does not have the SHA-256 that it states", remedy=remedy)
    return dict(content)
