"""Results kept as files that are written once: whole or not at all, and never replaced."""

from __future__ import annotations

import re
from pathlib import Path

from qhybrid_pipelines.core.system.files import remove_leftovers, write_once

SUFFIX = ".arrow"
_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")


class ResultStore:
    """Write-once files in one folder, by name; safe for several processes and for being killed at any moment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes | None:
        """Return the content that was kept under ``name``, or None; also for a name that is not a file name of ours."""
        if not _NAME.fullmatch(name):
            return None
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None

    def write_once(self, name: str, content: bytes) -> bytes:
        """Keep ``content`` under ``name`` unless something is there already; return what is kept.

        Of two racing writers one wins, and both are told the winner's content.

        Raises:
            ValueError: ``name`` has other characters than letters, digits and hyphens.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name for a result")
        return write_once(self._path(name), content)

    def sweep_temporary(self) -> int:
        """Remove what killed processes left half-written; return how many files that were."""
        return len(remove_leftovers(self.folder))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"
