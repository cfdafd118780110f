"""Who may come in: one key is in force; keys that were in force before are known and refused."""

from __future__ import annotations

import hmac
import uuid
from typing import Any


class ApiKeys:
    """The keys of one emulator, kept in memory only.

    Args:
        key: in force.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._revoked: set[str] = set()

    @property
    def in_force(self) -> str:
        """The key in force, to check signatures with."""
        return self._key

    def rotate(self, key: str) -> None:
        """Put another key into force; the one before is revoked."""
        self._revoked.add(self._key)
        self._revoked.discard(key)
        self._key = key

    def refusal(self, header: str | None) -> int | None:
        """Return the HTTP status that refuses an ``Authorization`` header, or None when it opens.

        401 for a missing, malformed or unknown key; 403 for a key that was revoked.
        """
        scheme, _, given = (header or "").partition(" ")
        if scheme != "apiKey" or not given:
            return 401
        if hmac.compare_digest(given.encode(), self._key.encode()):
            return None
        return 403 if given in self._revoked else 401

    def whoami(self) -> dict[str, Any]:
        """Return what the interface tells about the key in force; its id gives nothing of it away."""
        return {"key_id": str(_KEY_ID), "key_name": "emulator key", "project_id": str(_PROJECT_ID)}


_KEY_ID = uuid.UUID("00000000-0000-4000-8000-000000000003")
_PROJECT_ID = uuid.UUID("00000000-0000-4000-8000-000000000002")
