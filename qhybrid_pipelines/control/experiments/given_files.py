"""Files that were sent with a specification, which are read instead of files of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import composed


@dataclass(frozen=True, slots=True)
class GivenFiles:
    """Reads only what came together with a specification; nothing of this machine is looked at."""

    files: Mapping[str, bytes]

    def check(self, named: object, folder: Path, *, field: str) -> None:
        """Refuse nothing: no path leads anywhere."""

    def __call__(self, path_text: str, folder: Path, *, field: str) -> tuple[str, bytes]:
        """Return name and content of a file that was sent with it."""
        del folder
        if path_text not in self.files:
            raise InvalidInput(
                f"{path_text[:80]!r} is not among the files that came with the specification",
                remedy="Send its text in `files` under just this name; no file of this machine is read."
                + (" Or name networkx:NAME, or {generator: NAME, ...}." if field == "problem.source" else ""),
                field=field,
            )
        return composed(path_text), self.files[path_text]
