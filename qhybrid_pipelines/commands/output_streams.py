"""The output and the error stream as they are: ASCII terminals, none at all, full devices, readers that went away."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import Any

from qhybrid_pipelines.core.errors import EnvironmentFailure

#: As click ends a command whose output nobody reads any more.
READER_WENT_AWAY = 1
#: What the loader of libraries, Python's threads and DuckDB say; each in an error whose type means many things.
_NO_MEMORY = ("failed to map segment", "cannot allocate memory", "can't start new thread", "Out of Memory Error:")
_MAKE_ROOM = "Make room on that file system and start the same command again; what was paid is in the ledger."
_MAY_NOT = "Check who owns it and its permissions, and those of the folders above it."
_REMEDIES = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EFBIG: _MAKE_ROOM,
    errno.ENOMEM: "Give this process more memory (`ulimit -v`), or run smaller experiments.",
    errno.EACCES: _MAY_NOT,
    errno.EPERM: _MAY_NOT,
    errno.EROFS: "Commands that only read work there; for this one, name a home on a file system that can be written.",
    errno.EMFILE: "Allow this process more open files (`ulimit -n`).",
    errno.ENAMETOOLONG: "Use a shorter name or a home with a shorter path.",
    errno.EIO: "Check the disk; start the same command again once it reads and writes.",
}


class OutputFailed(OSError):
    """The output or the error stream takes nothing; any other `OSError` is about a file."""


class _Stream(io.FileIO):
    """A standard stream whose failures can be told from those of files."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(error.errno, error.strerror) from None


def prepare_streams() -> None:
    """Let no character end a command: what a stream cannot write is spelt out; a stream that is closed takes everything."""
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            raw = getattr(stream.buffer, "raw", stream.buffer)
            if isinstance(raw, io.FileIO) and raw.fileno() == descriptor:
                replaced = io.TextIOWrapper(
                    io.BufferedWriter(_Stream(raw.fileno(), "wb", closefd=False)),
                    encoding=stream.encoding,
                    line_buffering=stream.line_buffering or raw is stream.buffer,
                )
                setattr(sys, name, replaced)
                stream = replaced
            stream.reconfigure(errors="backslashreplace")


def flush_output() -> None:
    """Write out what is still held back, so that a full device is noticed while somebody can be told."""
    sys.stdout.flush()


def discard_output() -> None:
    """Drop what the output still holds; the interpreter would try to write it once more, and complain, as it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def explain_failure(error: Exception) -> EnvironmentFailure | None:
    """Return a failure of this machine as a sentence, None for an error that says nothing about the machine."""
    if any(base.__module__ == "sqlalchemy.exc" and base.__name__ == "DBAPIError" for base in type(error).__mro__):
        # Not imported for this: a command that needs no database must not wait for it.
        return EnvironmentFailure(
            f"a database of this home cannot be used: {getattr(error, 'orig', None) or type(error).__name__}",
            remedy="Make room where the disk is full, and see that you may write to the home; a damaged file is restored from a "
            "backup (docs/runbook.md). What was paid is in the ledger.",
        )
    if isinstance(error, MemoryError) or _is_lack_of_memory(str(error)):
        return EnvironmentFailure(
            "there is not enough memory",
            remedy="Give this process more (`ulimit -v`), or run smaller experiments; what was paid is in the ledger.",
        )
    if isinstance(error, OutputFailed):
        return EnvironmentFailure(
            f"the output cannot be written: {error.strerror}",
            remedy="Everything that did not need the output was done. Make room, or send the output elsewhere.",
        )
    if not isinstance(error, OSError):
        return None
    place = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0)
    return None if remedy is None else EnvironmentFailure(f"{place}{error.strerror}", remedy=remedy)


def _is_lack_of_memory(message: str) -> bool:
    """Tell whether an error of a kind that says nothing by itself is about memory, by what loaders and threads say."""
    return any(words in message for words in _NO_MEMORY)
