"""A home backed up while its jobs run, and restored without paying anything twice.

A backup shows the moment at which the ledger is copied. The lake is copied before that, so that it names nothing that the
ledger does not know; what the ledger names (specifications, problem files, results as received, the adapters' memory) is
copied after it and is never changed once it is written. Each file is replaced whole, so each copy is whole.

A restored home sends nothing before its providers were asked for jobs that the backup does not know.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlencode

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.home_identity import read_question
from qhybrid_pipelines.control.ledger.chain import chain_anchor
from qhybrid_pipelines.control.ledger.databases.read_only_files import reading_options
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptFile, EnvironmentFailure, InvalidInput
from qhybrid_pipelines.core.system.files import is_unfinished, make_folder, promote, scratch_folder, write_bytes
from qhybrid_pipelines.steps.on_demand.backup_manifest import (
    ANOTHER,
    Manifest,
    check_contents,
    digest_of,
    folders_after_ledger,
    folders_before_ledger,
    open_plain_file,
    read_manifest,
    single_files,
)
from qhybrid_pipelines.steps.on_demand.object_backups import copy_tables, is_table, restore_table
from qhybrid_pipelines.storage.home_note import FORMAT, HomeNote, write_note
from qhybrid_pipelines.storage.lake_store import object_store
from qhybrid_pipelines.storage.layout import Home

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.lake_objects import ObjectStore

RESTORED = "restored from a backup of "


def back_up(home: Home, control_plane: ControlPlane, folder: Path) -> Manifest:
    """Copy a home into a folder that is made for it; jobs may be sent and collected meanwhile.

    Not copied is what can be computed or published again (the warehouse, MLflow's records), Dagster's history, and the inbox.

    Args:
        home: to be copied.
        control_plane: of that home.
        folder: new, or empty.

    Raises:
        InvalidInput: there is something in the folder, the ledger is on a server, a newer release has written the home, or
            nothing says where the lake is.
        CorruptFile: the lake is on objects, and one is missing or damaged.
    """
    folder = folder.expanduser().absolute()
    _check_release(home, control_plane)
    if control_plane.deployment.ledger_url is not None:
        raise InvalidInput(
            "the ledger of this home is on a Postgres server, and only its owner can copy it there",
            remedy="Use the server's own backup; docs/copies.md says in which order.",
        )
    store = object_store(home)
    if folder.is_relative_to(home.path):
        raise InvalidInput("a backup does not lie in the home itself", remedy="Name another folder.", file=str(folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput("there is something at this place", remedy="Name a new folder.", file=str(folder))
    make_folder(folder.parent)
    with scratch_folder(folder.parent) as scratch:
        built = Home(scratch / "backup")
        files = _copy_all(home, built, folders_before_ledger(home))
        if store is not None:
            files |= copy_tables(store, built)
        # Before the ledger: no receiver has got further than the copy knows.
        files |= _copy_other_database(home.webhooks, built.webhooks)
        # Before the requests: a decision's experiment is among those that are copied.
        files |= _copy_other_database(home.service_decisions, built.service_decisions)
        _copy_database(home.ledger, built.ledger)
        made_at = datetime.now(UTC)
        # A request that says it was registered has its experiment in the copy as well.
        files |= _copy_other_database(home.requests, built.requests)
        files |= _copy_all(home, built, [*folders_after_ledger(home), *single_files(home)])
        # After all that may be removed because its time is over: what was removed meanwhile is noted in the copy too.
        files |= _copy_other_database(home.removals, built.removals)
        manifest = _describe(built, files, made_at=made_at)
        if folder.exists():
            folder.rmdir()
        promote(built.path, folder)
    return manifest


def _check_release(home: Home, control_plane: ControlPlane) -> None:
    """Check that this release knows all that belongs to a home.

    Raises:
        InvalidInput: a newer one has written it, and lets this one collect, but not name what is to be copied.
    """
    if (written := control_plane.guard.format()) > FORMAT:
        raise InvalidInput(
            f"the home has format {written}, and this release knows what belongs to homes of formats up to {FORMAT}",
            remedy="Make the backup with the newer release.",
            file=str(home.path),
        )


def restore(folder: Path, home: Home) -> Manifest:
    """Copy a backup into a new home, see `check_backup` and `put_back`."""
    manifest = check_backup(folder)
    put_back(folder, manifest, home)
    return manifest


def check_backup(folder: Path) -> Manifest:
    """Return the contents of a backup after checking that it is complete and holds nothing else; nothing is written.

    Raises:
        InvalidInput: that is not a backup, or of a newer release.
        CorruptFile: a file of it is missing, is more than was backed up, or has changed.
    """
    backup = Home(folder)
    manifest = read_manifest(backup)
    check_contents(backup, manifest)
    _check_ledger(backup, manifest)
    return manifest


def put_back(folder: Path, manifest: Manifest, home: Home) -> None:
    """Copy a checked backup into a new home, whose providers have to be asked before it sends anything (`ask_providers`).

    Args:
        folder: with a backup.
        manifest: of the backup, as it was checked.
        home: without a ledger, and without other files at the places of those that come back.

    Raises:
        InvalidInput: the home has a ledger, or other files; nothing was written.
        CorruptFile: a file of the backup has changed since; the home sends nothing.
    """
    backup = Home(folder)
    if home.ledger.exists() or home.note.exists():
        raise InvalidInput(
            "this home has a ledger or a note of its own, and a backup never replaces one",
            remedy="Name a new home, or move this one away first.",
            file=str(home.path),
        )
    store = object_store(home)
    _check_places(home, manifest, store)
    home.make()
    # The question comes first and the ledger last: a home that is half restored sends nothing.
    sentence = (
        f"{RESTORED}{manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, and not all its providers were asked for jobs sent since"
    )
    write_bytes(home.question, canonical_json({"problems": [sentence], "jobs": []}).encode())
    for name in manifest.files:
        if store is not None and is_table(name, home):
            restore_table(store, backup, name, manifest)
        elif name != backup.ledger.name:
            _restore_file(backup, name, manifest, home.path / name)
    chain_anchor.write_link(home.ledger_anchor, manifest.head, now=manifest.made_at)
    write_note(home, HomeNote(home_id=manifest.home_id, openings=manifest.openings))
    with scratch_folder(home.tmp) as scratch:
        _restore_file(backup, backup.ledger.name, manifest, scratch / "ledger.db")
        promote(scratch / "ledger.db", home.ledger)


def ask_providers(home: Home, control_plane: ControlPlane) -> dict[str, str]:
    """Ask every provider for jobs of this home that its ledger does not know; nothing is sent.

    Where all have answered, a restored home waits for nothing but what was found.

    Returns:
        By backend, why it could not be asked.
    """
    used = control_plane.ledger.backends_used()
    known = {backend.partition(":")[0] for backend in control_plane.backends}
    named = {backend for backend in used if backend.partition(":")[0] in known} | set(control_plane.backends)
    failed = control_plane.dispatcher.find_copies(sorted(named))
    failed |= dict.fromkeys(sorted(used - named), "its provider is not configured here")
    if not failed:
        for problem in read_question(home).problems:
            if problem.startswith(RESTORED):
                control_plane.guard.settle(problem)
    return failed


def _describe(built: Home, files: dict[str, str], *, made_at: datetime) -> Manifest:
    """Check the copied ledger and write what the backup holds."""
    copied = SqlLedger.open_sqlite(built.ledger)
    try:
        chain, identity, head = copied.verify_chain(), copied.identity(), copied.head()
    finally:
        copied.close()
    for name in ("-wal", "-shm", "-locks"):
        Path(f"{built.ledger}{name}").unlink(missing_ok=True)
    if not chain.is_intact:
        raise CorruptFile(str(built.ledger), str(chain.problem), remedy="`qhybrid doctor --full` says more.")
    _flush(built.ledger)
    files = files | {built.ledger.name: digest_of(built.ledger)}
    values = {
        "format": FORMAT,
        "home_id": identity.home_id,
        "openings": identity.openings,
        "head": {"position": head.position, "hash": head.hash},
        "made_at": made_at.isoformat(),
        "files": files,
    }
    # As ASCII: the name of a file that somebody dropped into the inbox may be no text, and keeps its bytes by an escape.
    write_bytes(built.backup_manifest, json.dumps(values, sort_keys=True).encode("ascii") + b"\n")
    return Manifest(
        format=FORMAT,
        home_id=identity.home_id,
        openings=identity.openings,
        head=head,
        made_at=made_at,
        files=files,
    )


def _copy_other_database(path: Path, copy: Path) -> dict[str, str]:
    """Copy a database that is not the ledger, if it is there; return the file's SHA-256 by its place."""
    if not path.is_file():
        return {}
    _copy_database(path, copy)
    for name in ("-wal", "-shm"):
        Path(f"{copy}{name}").unlink(missing_ok=True)
    _flush(copy)
    copy.chmod(path.stat().st_mode & 0o777)  # addresses of receivers may be secrets
    return {copy.name: digest_of(copy)}


def _copy_database(path: Path, copy: Path) -> None:
    """Copy a SQLite database as it is at one moment; writers go on.

    Raises:
        EnvironmentFailure: somebody wrote to a database that this user may only read, and that had no log when it was opened.
    """
    make_folder(copy.parent)
    options = reading_options(path)
    before = path.stat()
    with (
        closing(sqlite3.connect(f"{path.as_uri()}?{urlencode(options)}", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    after = path.stat()
    # SQLite takes no lock then, so a writer may have replaced pages between two that were read.
    if "immutable" in options and (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise EnvironmentFailure(f"{path} was written while it was copied", remedy="Make the backup again.")


def _copy_all(home: Home, built: Home, places: Iterable[Path]) -> dict[str, str]:
    """Copy files and folders below a home, each file durably; return their SHA-256 by place."""
    copied = {}
    for file in _files(places):
        name = str(file.relative_to(home.path))
        try:
            copied[name] = _copy_file(file, built.path / name)
        except FileNotFoundError:
            continue  # it was replaced by another, or was not needed any more
    return copied


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        found = [place] if place.is_file() else sorted(place.rglob("*"))
        yield from (
            file
            for file in found
            if file.is_file() and not is_unfinished(file.name) and not file.name.endswith(".lock")
        )


def _copy_file(file: Path, copy: Path) -> str:
    """Copy a file durably and return the SHA-256 of what was copied."""
    with file.open("rb") as source:
        return _write_copy(source, copy)


def _restore_file(backup: Home, name: str, manifest: Manifest, copy: Path) -> None:
    """Copy a file of a backup durably; what was copied has to be what was backed up."""
    with open_plain_file(backup.path / name) as source:
        digest = _write_copy(source, copy)
    if digest != manifest.files[name]:
        raise CorruptFile(str(backup.path / name), "the file has changed while it was being restored", remedy=ANOTHER)


def _write_copy(source: BinaryIO, copy: Path) -> str:
    make_folder(copy.parent)
    digest = hashlib.sha256()
    with copy.open("wb") as target:
        while chunk := source.read(2**20):
            digest.update(chunk)
            target.write(chunk)
        target.flush()
        # Since when an experiment is registered, and a file is there, is the time of its file.
        changed = os.fstat(source.fileno())
        os.utime(target.fileno(), ns=(changed.st_atime_ns, changed.st_mtime_ns))
        os.fsync(target.fileno())
    return digest.hexdigest()


def _check_places(home: Home, manifest: Manifest, store: ObjectStore | None) -> None:
    """Check that nothing is where files of a backup will go, except what an interrupted restore has left.

    Args:
        home: where they will go.
        manifest: names them.
        store: where tables will go; None is the home's folder.

    Raises:
        InvalidInput: something does, and would be replaced.
    """
    is_half_restored = any(problem.startswith(RESTORED) for problem in read_question(home).problems)
    for name, digest in manifest.files.items():
        place = home.path / name
        if store is not None and is_table(name, home):
            is_same = is_half_restored or store.digest(name) in (None, digest)
        elif not os.path.lexists(place):
            continue
        else:
            try:
                is_same = digest_of(place) == digest or is_half_restored
            except OSError:
                is_same = False
        if not is_same:
            raise InvalidInput(
                "there is something else at this place, and a backup never replaces it",
                remedy="Name a new home, or move it away first.",
                file=str(place),
            )


def _check_ledger(backup: Home, manifest: Manifest) -> None:
    """Check that the ledger of a backup is the one in its manifest; a copy of it is opened.

    Raises:
        CorruptFile: it is not.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / backup.ledger.name
        _restore_file(backup, backup.ledger.name, manifest, copy)
        try:
            ledger = SqlLedger.open_sqlite(copy)
        except InvalidInput as error:
            raise CorruptFile(str(backup.ledger), error.problem, remedy=ANOTHER) from error
        try:
            identity, chain = ledger.identity(), ledger.verify_chain(manifest.head)
        finally:
            ledger.close()
    named = (manifest.home_id, manifest.openings)
    if (identity.home_id, identity.openings) != named or not chain.is_intact:
        raise CorruptFile(
            str(backup.ledger),
            f"the ledger is not the one that {backup.backup_manifest.name} speaks of"
            + (f": {chain.problem}" if chain.problem else ""),
            remedy=ANOTHER,
        )


def _flush(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
