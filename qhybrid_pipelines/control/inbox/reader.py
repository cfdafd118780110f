"""A scan of the inbox that never takes long: files are read in a process of their own, however large or hostile they are.

A scan starts that process where there is something to read, waits a moment for it, and reports what came of the files. What
takes longer goes on meanwhile. Where the process ended in the middle of a file, that file needs more than it may have: it
goes to quarantine, and the next process reads on behind it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from qhybrid_pipelines.control.experiments.allowed_files import ROOTS_VARIABLE
from qhybrid_pipelines.control.inbox.notes import InboxNotes
from qhybrid_pipelines.control.inbox.scan import (
    MEMORY_VARIABLE,
    SECONDS_VARIABLE,
    QuarantinedFile,
    count_settled,
    quarantine_file,
    too_large_error,
)
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.storage.layout import Home

_MODULE = "qhybrid_pipelines.control.inbox.reader_process"
DEFAULT_SECONDS, DEFAULT_MEMORY_GB = 120.0, 2.0
#: Seconds between two checks whether the process has ended.
_PAUSE_SECONDS = 0.05
#: Processes that scans of this process started, and that may still read; a dead one is taken off, so that no zombie stays.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxLimits:
    """What reading one file may take, and where a specification may point.

    Attributes:
        seconds: for one specification with the files that it names.
        memory_bytes: address space of the process that reads.
        roots: folders other than the inbox that a specification may name files of.
    """

    seconds: float = DEFAULT_SECONDS
    memory_bytes: int = round(DEFAULT_MEMORY_GB * 2**30)
    roots: tuple[Path, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> InboxLimits:
        """Return the limits that the environment sets.

        Raises:
            InvalidInput: a variable is not a number above zero, or a root is not an absolute path.
        """
        environment = os.environ if environment is None else environment
        roots = tuple(Path(root) for root in environment.get(ROOTS_VARIABLE, "").split(os.pathsep) if root)
        for root in roots:
            if not root.is_absolute():
                raise InvalidInput(
                    f"{str(root)!r} is not an absolute path",
                    remedy=f"Give absolute paths, separated by {os.pathsep!r}.",
                    field=ROOTS_VARIABLE,
                )
        return cls(
            seconds=_positive(environment, SECONDS_VARIABLE, DEFAULT_SECONDS),
            memory_bytes=round(_positive(environment, MEMORY_VARIABLE, DEFAULT_MEMORY_GB) * 2**30),
            roots=roots,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxReading:
    """What one scan found.

    Attributes:
        registered: keys of experiments that were registered since the last scan.
        quarantined: files that were refused since then.
        waiting: files that may still be written to.
        reading: names of the files that are being read at this moment.
        problem: why nothing could be read, None where it could.
    """

    registered: tuple[str, ...]
    quarantined: tuple[QuarantinedFile, ...]
    waiting: int
    reading: tuple[str, ...]
    problem: str | None = None


def read_inbox(home: Home, backends: Collection[str], limits: InboxLimits, *, wait_seconds: float) -> InboxReading:
    """Have the inbox read, for at most ``wait_seconds`` here and now, and say what came of its files.

    Args:
        home: whose inbox.
        backends: names of the backends that exist.
        limits: for the process that reads.
        wait_seconds: what is not read by then is reported by a later scan.
    """
    notes, until = InboxNotes(home), time.monotonic() + wait_seconds
    home.inbox.mkdir(parents=True, exist_ok=True)
    home.locks.mkdir(parents=True, exist_ok=True)
    registered: list[str] = []
    quarantined: list[QuarantinedFile] = []
    process: subprocess.Popen[bytes] | None = None
    problem = None
    while True:
        before = len(quarantined)
        outcomes = _collect_outcomes(home, notes, quarantined)
        if outcomes is None:  # somebody reads
            if time.monotonic() >= until:
                break
            time.sleep(_PAUSE_SECONDS)
            continue
        _sort_outcomes(outcomes, registered, quarantined)
        settled, _ = count_settled(home.inbox)
        failed = process is not None and process.poll() is not None and not outcomes and len(quarantined) == before
        if failed and process is not None and process.returncode:
            problem = f"the process that reads the inbox ended with exit code {process.returncode}, and read nothing"
        if not settled or failed or (process is not None and time.monotonic() >= until):
            break
        process = _start(home, backends, limits)
        _wait(process, until)
        if process.poll() is None:
            break  # it reads on; holding its lock now, be it for a moment, might keep it from beginning
    reading = [file.name for file in notes.reading()[0]]
    return InboxReading(
        registered=tuple(dict.fromkeys(registered)),
        quarantined=tuple(quarantined),
        waiting=count_settled(home.inbox)[1],
        reading=tuple(reading),
        problem=problem,
    )


def _collect_outcomes(home: Home, notes: InboxNotes, quarantined: list[QuarantinedFile]) -> list[dict[str, Any]] | None:
    """Return what was done since the last scan, and quarantine what a process was ended by; None while one reads."""
    try:
        with FileLock(notes.lock, timeout=0):
            guilty, _ = notes.reading()
            quarantined += [
                quarantine_file(file, home.quarantine, too_large_error(file.name))
                for file in guilty
                if os.path.lexists(file)
            ]
            notes.forget_reading()
            return notes.pop_outcomes()
    except Timeout:
        return None


def _start(home: Home, backends: Collection[str], limits: InboxLimits) -> subprocess.Popen[bytes]:
    orders = {
        "home": str(home.path),
        "backends": list(backends),
        "roots": [str(root) for root in limits.roots],
        "seconds": limits.seconds,
        "memory_bytes": limits.memory_bytes,
    }
    _started[:] = [process for process in _started if process.poll() is None]
    process = subprocess.Popen(  # noqa: S603  our own code
        [sys.executable, "-m", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a tick that is ended does not end it
    )
    if process.stdin is not None:
        process.stdin.write(json.dumps(orders).encode())
        process.stdin.close()
    _started.append(process)
    return process


def _wait(process: subprocess.Popen[bytes], until: float) -> None:
    while process.poll() is None and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)


def _sort_outcomes(outcomes: list[dict[str, Any]], registered: list[str], quarantined: list[QuarantinedFile]) -> None:
    for outcome in outcomes:
        if "registered" in outcome:
            registered.append(str(outcome["registered"]))
        elif {"quarantined", "path", "reason"} <= outcome.keys():
            quarantined.append(
                QuarantinedFile(
                    name=str(outcome["quarantined"]), path=Path(outcome["path"]), reason=str(outcome["reason"])
                )
            )


def _positive(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise InvalidInput(f"{text!r} is not a number above zero", remedy=f"Without it, {default:g}.", field=name)
    return value
