"""Models that are uploaded in parts before a problem names them; the bytes are in the store, with all that clients send."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from qhybrid_pipelines.emulator.sapi.problems import SapiError
from qhybrid_pipelines.emulator.store import EmulatorStore

LARGEST_PART, LARGEST_UPLOAD = 5 * 2**20, 1 << 34
_MOST_PARTS = 10_000


class Uploads:
    """The uploads of one cloud; they survive its process.

    Args:
        store: of the cloud.
    """

    def __init__(self, store: EmulatorStore) -> None:
        self._store = store

    def begin(self, size: Any, *, body_seq: int) -> str:
        """Return the id of a new upload of so many bytes."""
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= LARGEST_UPLOAD:
            raise SapiError(400, f"size is not a number of bytes up to {LARGEST_UPLOAD}.")
        realm = self._store.read("realm")
        upload_id = hashlib.sha256(f"upload/{realm}/{body_seq}".encode()).hexdigest()[:32]
        self._write(upload_id, {"size": size, "parts": {}, "whole": False})
        return upload_id

    def add(self, upload_id: str, number: str, content: bytes, *, checksum: str | None, body_seq: int | None) -> None:
        """Keep one part; the same part again replaces it.

        Args:
            upload_id: as `begin` returned it.
            number: of the part, from 1.
            content: its bytes.
            checksum: its MD5 in base64, where the client says it.
            body_seq: where the store has the bytes.
        """
        upload = self._upload(upload_id)
        if upload["whole"]:
            raise SapiError(409, f"Upload {upload_id} is complete.")
        if not re.fullmatch("[0-9]{1,9}", number) or not 1 <= int(number) <= _MOST_PARTS:
            raise SapiError(400, f"Part {number[:40]!r} is not a number from 1 to {_MOST_PARTS}.")
        if body_seq is None or len(content) > LARGEST_PART:
            raise SapiError(400, f"A part has 1 to {LARGEST_PART} bytes.")
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        if checksum is not None and checksum != base64.b64encode(digest).decode():
            raise SapiError(400, "Content-MD5 is not that of the part.")
        upload["parts"][str(int(number))] = [body_seq, digest.hex()]
        self._write(upload_id, upload)

    def status(self, upload_id: str) -> dict[str, Any]:
        """Return how far an upload has come."""
        upload = self._upload(upload_id)
        parts = [{"part_number": number, "checksum": digest} for number, (_, digest) in _in_order(upload)]
        return {"status": "UPLOAD_COMPLETED" if upload["whole"] else "UPLOAD_IN_PROGRESS", "parts": parts}

    def combine(self, upload_id: str, checksum: Any) -> None:
        """Make one file of the parts, if it is the one that the client means."""
        upload = self._upload(upload_id)
        digests = b"".join(bytes.fromhex(digest) for _, (_, digest) in _in_order(upload))
        if checksum != hashlib.md5(digests, usedforsecurity=False).hexdigest():
            raise SapiError(400, "checksum is not that of the parts.")
        size = len(self._joined(upload))
        if size != upload["size"]:
            raise SapiError(400, f"The parts have {size} bytes, and {upload['size']} were announced.")
        self._write(upload_id, upload | {"whole": True})

    def content(self, upload_id: str) -> bytes:
        """Return a complete upload. Raises `SapiError` for any other."""
        upload = self._upload(upload_id)
        if not upload["whole"]:
            raise SapiError(400, f"Upload {upload_id} is not complete.")
        return self._joined(upload)

    def _joined(self, upload: dict[str, Any]) -> bytes:
        return b"".join(self._store.body(body_seq) for _, (body_seq, _) in _in_order(upload))

    def _upload(self, upload_id: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self._store.read(f"upload/{upload_id}")
        if found is None:
            raise SapiError(404, f"There is no upload {upload_id[:40]!r}.")
        return found

    def _write(self, upload_id: str, upload: dict[str, Any]) -> None:
        self._store.write_setting(f"upload/{upload_id}", upload)


def _in_order(upload: dict[str, Any]) -> list[tuple[int, tuple[int, str]]]:
    return sorted((int(number), tuple(part)) for number, part in upload["parts"].items())
