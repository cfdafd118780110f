"""Which experiments are settled, so that a tick looks at those that are not: a cache, and never a second truth.

A mark says that an experiment was looked at whole and left nothing to do, and which files said so, as they stood then. A file of
a home is never changed, only replaced, so that size, inode and time of change tell versions apart (`storage.lake_files`). A mark
whose files look otherwise is taken away and its experiment looked at again; so are all marks that another release has
made, or that a copy of the home has brought along, whose files have other inodes.

The file may be removed at any time. Whatever goes wrong with it, the answer is that nothing is settled.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

from qhybrid_pipelines.storage.lake_store import is_on_objects, object_versions
from qhybrid_pipelines.storage.layout import Home

#: A file that is younger might be replaced by one that looks the same, see `storage.lake_files`.
MIN_AGE_SECONDS = 0.05
BUSY_TIMEOUT_SECONDS = 2.0
LAKE_PREFIX = "lake/"

_TABLES = (
    "CREATE TABLE IF NOT EXISTS rules (text TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS mark (
        experiment TEXT PRIMARY KEY,
        files TEXT NOT NULL,
        fingerprint BLOB NOT NULL
    ) WITHOUT ROWID""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSeen:
    """How some files of a home stood at one moment.

    Attributes:
        files: their paths below the home, with ``/`` between folders.
        states: size, inode and time of change of each; empty for one that is absent.
        newest_ns: when the last of them was changed, in nanoseconds since 1970 by the clock of the file system.
    """

    files: tuple[str, ...]
    states: tuple[str, ...]
    newest_ns: int = 0

    @property
    def all_there(self) -> bool:
        """Every one is a regular file."""
        return all(self.states)

    @property
    def fingerprint(self) -> bytes:
        """The states in 16 bytes."""
        return hashlib.blake2b("\n".join(self.states).encode(), digest_size=16).digest()

    def joined(self, other: FilesSeen) -> FilesSeen:
        """Return these files and others."""
        return FilesSeen(
            files=self.files + other.files,
            states=self.states + other.states,
            newest_ns=max(self.newest_ns, other.newest_ns),
        )


def stat_files(home: Home, files: Sequence[str], versions: Mapping[str, int] | None = None) -> FilesSeen:
    """Return size and time of files, without opening them; paths as in `FilesSeen`.

    Args:
        home: whose files.
        files: paths.
        versions: of the partitions of a lake on objects, which has no files; the default asks its catalogue.
    """
    states, newest_ns = [], 0
    if versions is None and is_on_objects():
        versions = object_versions(home, [file for file in files if file.startswith(LAKE_PREFIX)])
    for file in files:
        if versions is not None and file.startswith(LAKE_PREFIX):
            states.append(f"version {versions[file]}" if file in versions else "")
            continue
        try:
            found = os.stat(f"{home.path}/{file}")  # noqa: PTH116  a path object per file costs more than the look
        except OSError:
            found = None
        if found is None or not stat.S_ISREG(found.st_mode):
            states.append("")
        else:
            states.append(f"{found.st_size},{found.st_ino},{found.st_ctime_ns}")
            newest_ns = max(newest_ns, found.st_ctime_ns)
    return FilesSeen(files=tuple(files), states=tuple(states), newest_ns=newest_ns)


@dataclass(slots=True)
class SettledMarks:
    """The marks of one home.

    Args:
        home: whose.
        rules: what made them; marks that were made by other rules are forgotten.
        left: experiments for which the time of the last search did not suffice; the next one in this process begins with them.
    """

    home: Home
    rules: str
    left: tuple[str, ...] = ()
    _resume_after: str = field(default="", init=False)

    def keys(self) -> set[str]:
        """Return the experiments that are marked."""
        return {row[0] for row in self._read("SELECT experiment FROM mark")}

    def take_away_changed(self, most: int) -> set[str]:
        """Look at the files of up to ``most`` marks, going on where the last call stopped; return those taken away."""
        known = "SELECT experiment, files, fingerprint FROM mark WHERE experiment > ? ORDER BY experiment LIMIT ?"
        rows = self._read(known, self._resume_after, most)
        if len(rows) < most and self._resume_after:  # from the beginning, up to where this call began
            again = self._read(
                f"{known.replace('WHERE', 'WHERE experiment <= ? AND')}", self._resume_after, "", most - len(rows)
            )
            rows += again
        self._resume_after = rows[-1][0] if len(rows) == most else ""
        changed = self._changed(rows)
        self.remove(changed)
        return changed

    def find_changed(self) -> set[str]:
        """Look at the files of all marks and return those that would be taken away; nothing is."""
        return self._changed(self._read("SELECT experiment, files, fingerprint FROM mark"))

    def _changed(self, rows: Iterable[tuple[Any, ...]]) -> set[str]:
        named = [(key, files.split("\n"), seen) for key, files, seen in rows]
        versions = None
        if is_on_objects():
            versions = object_versions(
                self.home, [f for _, files, _ in named for f in files if f.startswith(LAKE_PREFIX)]
            )
        return {key for key, files, seen in named if stat_files(self.home, files, versions).fingerprint != seen}

    def add(self, seen: Iterable[tuple[str, FilesSeen]]) -> None:
        """Mark experiments, each with the files as they stood before it was looked at.

        One with a file that was changed just now is left for the next time.
        """
        old_enough = time.time_ns() - MIN_AGE_SECONDS * 1e9
        rows = [(key, "\n".join(one.files), one.fingerprint) for key, one in seen if one.newest_ns < old_enough]
        self._write("INSERT OR REPLACE INTO mark VALUES (?, ?, ?)", rows)

    def remove(self, keys: Iterable[str]) -> None:
        """Take marks away."""
        self._write("DELETE FROM mark WHERE experiment = ?", [(key,) for key in keys])

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return rows; none where there is no file, where it cannot be read, or where other rules made it."""
        try:
            with closing(self._connect("ro")) as connection:
                connection.execute("BEGIN")
                if connection.execute("SELECT text FROM rules").fetchall() != [(self.rules,)]:
                    return []
                return connection.execute(statement, values).fetchall()
        except sqlite3.Error:
            return []

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Run a statement for all rows or for none; where that is impossible, experiments are looked at again."""
        if not rows:
            return
        try:
            with closing(self._connect("rwc")) as connection:
                connection.execute("BEGIN IMMEDIATE")
                for table in _TABLES:
                    connection.execute(table)
                if connection.execute("SELECT text FROM rules").fetchall() != [(self.rules,)]:
                    connection.execute("DELETE FROM mark")
                    connection.execute("DELETE FROM rules")
                    connection.execute("INSERT INTO rules VALUES (?)", (self.rules,))
                connection.executemany(statement, rows)
                connection.execute("COMMIT")
        except sqlite3.OperationalError:  # locked by another process, or a home that may only be read
            return
        except sqlite3.DatabaseError:  # damaged: what was in it is found again
            with suppress(OSError):
                self.home.settled.unlink(missing_ok=True)

    def _connect(self, mode: str) -> sqlite3.Connection:
        address = f"{self.home.settled.as_uri()}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
