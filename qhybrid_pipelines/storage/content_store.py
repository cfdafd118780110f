"""Bytes kept under their own SHA-256: vendors' answers as received, and problem files as registered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.system.files import write_bytes

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.removals import Removal, RemovalStore

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RawStore:
    """A folder of files named by the SHA-256 of their content.

    Attributes:
        folder: where they lie.
        tmp: for unfinished files; the default is the folder ``tmp`` beside ``folder``, which in a home is the one
            that `core.system.files.remove_leftovers` keeps clean.
        removals: say which files were removed because their time was over.
    """

    folder: Path
    tmp: Path | None = None
    removals: RemovalStore | None = None

    def put(self, content: bytes) -> str:
        """Keep ``content`` and return its SHA-256. It is on the disk when this returns; a second put changes nothing."""
        digest = sha256_hex(content)
        path = self.folder / digest
        if not path.is_file() or path.read_bytes() != content:
            write_bytes(path, content, tmp=self.tmp or self.folder.parent / "tmp")
        return digest

    def get(self, digest: str) -> bytes:
        """Return the content of that SHA-256.

        Raises:
            CorruptFile: it is not there, or its bytes are not those that were put.
            ValueError: ``digest`` is not a SHA-256.
        """
        path = self._path(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            if (removal := self.removal(digest)) is not None:
                raise CorruptFile(
                    str(path), str(removal), remedy="What it decided stands; a backup may hold it."
                ) from None
            raise CorruptFile(str(path), "the file is missing", remedy="Restore it, or register it again.") from None
        if sha256_hex(content) != digest:
            raise CorruptFile(
                str(path),
                "its bytes do not have the SHA-256 that it is named by",
                remedy="Restore it, or remove it and register it again.",
            )
        return content

    def removal(self, digest: str) -> Removal | None:
        """Return when and by which rule a file was removed; None where nothing says that it was."""
        return self.removals.find(f"{self.folder.name}/{digest}") if self.removals is not None else None

    def __contains__(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def _path(self, digest: str) -> Path:
        if not _HASH.fullmatch(digest):
            raise ValueError(f"{digest!r} is not a SHA-256")
        return self.folder / digest
