"""Names of processes that no other process will ever have, and whether the process of a name has ended.

An id alone does not name a process: the system gives it out again. So a name is the id, the time when the process
started, counted from the start of the machine so that setting the clock changes nothing, and the machine.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from qhybrid_pipelines.core.canonical import sha256_hex

_NAME = re.compile(r"(?P<pid>\d+)\.(?P<start>\d+)\.(?P<machine>[0-9a-f]{12})")


def process_name() -> str:
    """Return what tells this process from all others: process id, start time, machine."""
    pid = os.getpid()
    return f"{pid}.{_start_time(pid)}.{_machine()}"


def process_has_ended(name: str) -> bool:
    """Tell whether the process of this name has ended for certain; one on another machine cannot be asked."""
    parts = _NAME.fullmatch(name)
    return (
        parts is not None and parts["machine"] == _machine() and _start_time(int(parts["pid"])) != int(parts["start"])
    )


def is_on_this_machine(name: str) -> bool:
    """Tell whether a process of this name ran here since the machine was started, so that it can be asked."""
    parts = _NAME.fullmatch(name)
    return parts is not None and parts["machine"] == _machine()


def _start_time(pid: int) -> int | None:
    """Return when a living process started, in hundredths of a second since the machine did; None for a dead one.

    A zombie counts as dead.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        # Both are times of the clock and move when it is set; their difference does not.
        return round((process.create_time() - psutil.boot_time()) * 100)
    except psutil.NoSuchProcess:
        return None


@cache
def _machine() -> str:
    """Return a tag of host, boot and process-id namespace: equal tags mean that process ids can be compared."""
    parts = [os.uname().nodename]
    for source in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        path = Path(source)
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text().strip())
        except OSError:
            parts.append("")
    return sha256_hex("\n".join(parts))[:12]
