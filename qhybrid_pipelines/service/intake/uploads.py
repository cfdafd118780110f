"""Files that a principal has sent ahead of its requests: by their hash, its own only, and only so many.

A request names one by its hash, and no other name leads to it: whoever does not have a file cannot learn by its hash whether
somebody else has. The folder of a principal is named by a hash, so that no name of a caller is part of a path.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError, not_found
from qhybrid_pipelines.storage.layout import Home

MOST_BYTES = 4 * 2**20
MOST_BYTES_TOGETHER, MOST_FILES = 64 * 2**20, 200
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is there."""

    sha256: str
    size_bytes: int
    sent_at: datetime

    @property
    def fields(self) -> dict[str, Any]:
        """The file as the interface shows it."""
        return {
            "sha256": self.sha256,
            "bytes": self.size_bytes,
            "sent_at": self.sent_at.isoformat(),
            "href": f"/v1/uploads/{self.sha256}",
        }


@dataclass(frozen=True, slots=True)
class Uploads:
    """The files of a home's callers."""

    home: Home
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, principal: str, content: bytes) -> tuple[Upload, bool]:
        """Keep a file durably; return it, and whether it is new.

        Raises:
            ProblemError: 422, it is empty; 403, the principal has as much as it may have.
            OSError: the disk takes nothing.
        """
        if not content:
            raise _problem(422, "invalid-input", "The file is empty.", "Send its bytes as the body.")
        sha256 = sha256_hex(content)
        with self._lock:
            found = self._find(principal, sha256)
            if found is not None:
                return found, False
            there = list(self.of(principal))
            if (
                len(there) >= MOST_FILES
                or sum(upload.size_bytes for upload in there) + len(content) > MOST_BYTES_TOGETHER
            ):
                raise _problem(
                    403,
                    "refused",
                    f"You have {len(there)} files here; there may be {MOST_FILES}, of {MOST_BYTES_TOGETHER // 2**20} MB together.",
                    "Delete some; an experiment that was accepted has its own copy.",
                )
            write_bytes(self._folder(principal) / sha256, content, tmp=self.home.tmp)
            found = self._find(principal, sha256)
            assert found is not None
            return found, True

    def of(self, principal: str) -> Iterator[Upload]:
        """Yield the files of a principal, by hash."""
        try:
            names = sorted(path.name for path in self._folder(principal).iterdir())
        except FileNotFoundError:
            return
        for name in names:
            if SHA256.fullmatch(name) and (found := self._find(principal, name)) is not None:
                yield found

    def read(self, principal: str, sha256: str) -> bytes:
        """Return the content of a file of a principal.

        Raises:
            ProblemError: 404, it has none of this hash.
        """
        if SHA256.fullmatch(sha256):
            try:
                return (self._folder(principal) / sha256).read_bytes()
            except FileNotFoundError:
                pass
        raise not_found("upload")

    def remove(self, principal: str, sha256: str) -> None:
        """Delete a file of a principal.

        Raises:
            ProblemError: 404, it has none of this hash.
        """
        if not SHA256.fullmatch(sha256):
            raise not_found("upload")
        try:
            (self._folder(principal) / sha256).unlink()
        except FileNotFoundError:
            raise not_found("upload") from None

    def _find(self, principal: str, sha256: str) -> Upload | None:
        try:
            status = (self._folder(principal) / sha256).stat()
        except FileNotFoundError:
            return None
        return Upload(sha256, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def _folder(self, principal: str) -> Path:
        return self.home.uploads / sha256_hex(principal)[:32]


def _problem(status: int, code: str, detail: str, remedy: str) -> ProblemError:
    return ProblemError(Problem(status=status, code=code, detail=detail, remedy=remedy))
