"""Which files a specification may name: those in some folders, or only those that were sent with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import composed
from qhybrid_pipelines.problems.sources import read_file

#: Names folders, beside the inbox itself, that specifications in the inbox may name files of.
ROOTS_VARIABLE = "QHYBRID_INBOX_ROOTS"


@dataclass(frozen=True, slots=True)
class ReadableFolders:
    """Reads files that lie in some folders, links followed; with None whatever the user of this process may read."""

    roots: tuple[Path, ...] | None

    def __call__(self, path_text: str, folder: Path, *, field: str) -> tuple[str, bytes]:
        """Return name and content of a file that lies in the folders when it is open.

        Its name may be written with other accents than on disk, and a link may take its place after it was checked: so what is
        checked is the file that was found, and once more the one that was opened.
        """

        def check(path: Path, opened: int | None) -> None:
            self._check(path, path_text, field, opened)

        return read_file(path_text, folder, field=field, check_place=check)

    def check(self, named: object, folder: Path, *, field: str) -> None:
        """Refuse a path that leads out of the folders, before anything is known of the file, its existence included."""
        if isinstance(named, str):
            self._check(folder / named, named, field, None)

    def _check(self, path: Path, named: str, field: str, opened: int | None) -> None:
        if self.roots is None:
            return
        try:
            place = path.resolve()
            is_same = opened is None or os.path.samestat(os.fstat(opened), place.stat())
        except (OSError, ValueError, RuntimeError):  # a loop of links, or a name that no file can have
            place, is_same = None, False
        if place is None or not is_same or not any(place.is_relative_to(root) for root in self.roots):
            raise InvalidInput(
                f"{named!r} lies outside of the folders that are read here",
                remedy=f"Drop the file beside the specification, or let {ROOTS_VARIABLE} name its folder.",
                field=field,
            )


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
