"""One byte sequence for one value: canonical JSON, and the hashes that identities are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def canonical_json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return ``value`` as JSON with sorted keys, no spaces and shortest round-trip floats.

    Raises:
        ValueError: ``value`` holds NaN or an infinity, which have no JSON form.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_hex(data: bytes | str) -> str:
    """Return the SHA-256 of ``data`` (text as UTF-8), 64 hexadecimal digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def content_hash(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return the SHA-256 of the canonical JSON of ``value``."""
    return sha256_hex(canonical_json(value))
