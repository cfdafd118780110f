"""Results kept as files that are written once: whole or not at all, and never replaced."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

SUFFIX = ".arrow"
_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
_TEMPORARY = re.compile(r"\..+\.(\d+)\.[0-9a-f]{32}\.tmp")


class ResultStore:
    """Write-once files in one folder, by name; safe for several processes and for being killed at any moment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes | None:
        """Return the content that was kept under ``name``, or None; also for a name that is no file name of ours."""
        if not _NAME.fullmatch(name):
            return None
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None

    def write_once(self, name: str, content: bytes) -> bytes:
        """Keep ``content`` under ``name`` unless something is there already; return what is kept.

        The file is complete and on disk before it gets its name, and giving a name that is taken fails: of two racing
        writers one wins, and both are told the winner's content.

        Raises:
            ValueError: ``name`` has other characters than letters, digits and hyphens.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name for a result")
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{name}.{os.getpid()}.{uuid.uuid4().hex}.tmp"
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, self._path(name))
            except FileExistsError:
                return self._path(name).read_bytes()
        finally:
            temporary.unlink(missing_ok=True)
        self._sync_folder()
        return content

    def sweep_temporary(self) -> int:
        """Remove what killed processes left half-written; return how many files that were."""
        if not self.folder.is_dir():
            return 0
        removed = 0
        for path in self.folder.iterdir():
            match = _TEMPORARY.fullmatch(path.name)
            if match and not _is_alive(int(match.group(1))):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _sync_folder(self) -> None:
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
