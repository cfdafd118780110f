"""What a backup says that it holds (`backup.json`), and whether it holds that: looked at before anything of it is restored.

A backup comes from another disk, another machine, perhaps another person. So no name in it is followed anywhere: each has to be
a plain file's place below the folder, in a part of a home that is backed up, and the folder has to hold these files and no
others. Links, devices and pipes are refused by what they are, without being opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.storage.home_note import FORMAT
from qhybrid_pipelines.storage.layout import Home

POLICY = "policy.yaml"
ANOTHER = "Restore another backup."
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds.

    Attributes:
        format: number of the home's format.
        home_id: of the home.
        openings: how often the home was opened to send, by the copied ledger.
        head: last link of the copied ledger.
        made_at: the moment of the backup.
        files: SHA-256 of each file, by its place below the folder.
    """

    format: int
    home_id: str
    openings: int
    head: ChainHead
    made_at: datetime
    files: dict[str, str]


def folders_before_ledger(home: Home) -> tuple[Path, ...]:
    """Return the folders that are copied before the ledger, so that they name nothing that it does not know."""
    return (home.lake,)


def folders_after_ledger(home: Home) -> tuple[Path, ...]:
    """Return the folders with what the ledger names, which is on the disk before the ledger names it."""
    return (
        home.specifications,
        home.blobs,
        home.raw,
        home.providers,
        home.stops,
        home.labels,
        home.scheduled,
        home.requesters,
        home.checkpoints,
        home.spool,
        home.quarantine,
        home.uploads,
        home.retention,
    )


def single_files(home: Home) -> tuple[Path, ...]:
    """Return the files beside these folders that are copied as they are."""
    return (home.verdict_history, home.decisions, home.path / POLICY, home.service_keys, home.service_settings)


def databases(home: Home) -> tuple[Path, ...]:
    """Return the SQLite files, which are copied by SQLite."""
    return (home.ledger, home.webhooks, home.service_decisions, home.requests, home.removals)


def read_manifest(backup: Home) -> Manifest:
    """Return what a backup says that it holds; each name is one that a backup can have.

    Raises:
        InvalidInput: there is no such note, a newer release made it, or it names what no backup holds.
    """
    place = str(backup.backup_manifest)
    try:
        with open_plain_file(backup.backup_manifest) as note:
            values: dict[str, Any] = json.load(note, object_pairs_hook=_without_repeats)
        if int(values["format"]) > FORMAT:
            raise InvalidInput(
                f"the backup has format {values['format']}, and this release knows formats up to {FORMAT}",
                remedy="Install the release that made it, or a newer one.",
                file=place,
            )
        manifest = Manifest(
            format=int(values["format"]),
            home_id=str(values["home_id"]),
            openings=int(values["openings"]),
            head=ChainHead(position=int(values["head"]["position"]), hash=str(values["head"]["hash"])),
            made_at=datetime.fromisoformat(values["made_at"]),
            files=dict(values["files"]),
        )
    except _Repeated as error:
        raise InvalidInput(
            f"{str(error)!r} occurs in it twice, and nobody can tell which one counts", remedy=ANOTHER, file=place
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidInput(
            "there is no complete backup here",
            remedy="Name the folder that `qhybrid backup` made.",
            file=str(backup.path),
        ) from None
    if manifest.made_at.tzinfo is None:
        raise InvalidInput("the time has no zone", remedy=ANOTHER, file=place, field="made_at")
    for name, digest in manifest.files.items():
        _check_name(name, backup)
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise InvalidInput(f"the SHA-256 of {name!r} is not one", remedy=ANOTHER, file=place, field="files")
    if backup.ledger.name not in manifest.files:
        raise InvalidInput(f"it does not name {backup.ledger.name}", remedy=ANOTHER, file=place, field="files")
    return manifest


def check_contents(backup: Home, manifest: Manifest) -> None:
    """Return if a backup holds the files of its manifest as they were backed up, and nothing else.

    Raises:
        CorruptFile: a file is missing, more than was backed up, has changed, or is something else than a file.
    """
    there = set()
    for entry, name in _entries(backup.path):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise CorruptFile(str(backup.path / name), f"this is {_kind(mode)}, and no file", remedy=ANOTHER)
        there.add(name)
    there.discard(backup.backup_manifest.name)
    for name in sorted(manifest.files.keys() - there):
        raise CorruptFile(str(backup.path / name), "the file is missing from the backup", remedy=ANOTHER)
    for name in sorted(there - manifest.files.keys()):
        problem = f"the file is not named in {backup.backup_manifest.name}, so it was not backed up"
        raise CorruptFile(str(backup.path / name), problem, remedy=f"Remove it if you know whose it is. {ANOTHER}")
    for name, digest in manifest.files.items():
        if digest_of(backup.path / name) != digest:
            raise CorruptFile(str(backup.path / name), "the file is not what was backed up", remedy=ANOTHER)


def open_plain_file(file: Path) -> BufferedReader:
    """Open a file for reading, if it is one: neither a link nor a pipe nor a device.

    Raises:
        OSError: it is not there, or something else.
    """
    # O_NONBLOCK: a pipe that nobody writes to would hold its reader up for ever.
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"not a plain file: {file}")
    return BufferedReader(FileIO(descriptor))


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a plain file.

    Raises:
        OSError: it is not there, or not a plain file.
    """
    with open_plain_file(file) as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _check_name(name: str, backup: Home) -> None:
    """Return if a name is the place of something that is backed up, spelt in the one way that a backup spells it.

    Raises:
        InvalidInput: it is not.
    """
    place, parts = str(backup.backup_manifest), name.split("/")
    if "\0" in name or any(part in ("", ".", "..") for part in parts) or not _is_encodable(name):
        raise InvalidInput(
            f"the name {name!r} is not the place of a file below the folder", remedy=ANOTHER, file=place, field="files"
        )
    folders = {folder.name for folder in (*folders_before_ledger(backup), *folders_after_ledger(backup))}
    files = {file.name for file in (*single_files(backup), *databases(backup))}
    if not (name in files or (len(parts) > 1 and parts[0] in folders)):
        raise InvalidInput(
            f"the name {name!r} is not one of the places that are backed up", remedy=ANOTHER, file=place, field="files"
        )


def _is_encodable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def _entries(folder: Path) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield what is below a folder with its place below it; links to folders are not entered."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(folder / below) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = f"{below}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                yield entry, name


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


class _Repeated(Exception):
    """A key occurs twice in an object."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise _Repeated(key)
        values[key] = value
    return values
