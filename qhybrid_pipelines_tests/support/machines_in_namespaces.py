"""Machines of their own on this one: a host name and process ids that nobody else sees, and an end that takes everything along."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

_NAMESPACES = ("unshare", "--pid", "--fork", "--uts", "--mount-proc", "--kill-child")


def as_machine(name: str, *command: str) -> list[str]:
    """Return the command that executes another one as the first process of a machine with a name."""
    return [*_NAMESPACES, "sh", "-c", 'hostname "$0" && exec "$@"', name, *command]


def reason_against(engine: str, programs: Sequence[str], path: str | None = None) -> str | None:
    """Return why an engine's machines cannot be made here, or None.

    Args:
        engine: its name.
        programs: that it needs beside those of a machine.
        path: on which they are searched; by default that of this process.
    """
    missing = [program for program in (*programs, "unshare") if shutil.which(program, path=path) is None]
    if missing:
        return f"SKIPPED LOUDLY: no {', '.join(missing)} here, nothing of {engine} is tried"
    tried = subprocess.run(as_machine("machine", "true"), capture_output=True, text=True, check=False)
    return f"SKIPPED LOUDLY: no right to make a machine ({tried.stderr.strip()})" if tried.returncode else None
