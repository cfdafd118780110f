"""How the process of a command ends: without taking apart what its libraries made.

Before the interpreter ends by itself it looks for cycles among all objects and clears every module, which takes a twentieth of a
second after a command that reads and half a second after one that ran something. What has to be put in order has asked for that
by `atexit`, as `weakref.finalize`, logging and pools of processes do: all of it is run, and the operating system takes back the rest.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Let the process end with this block's `SystemExit`, as soon as everything that asked for it has been put in order.

    An error of another kind ends it as it always does, with its traceback. So does everything where something asked before this
    block, such as a tracer that Python loads as it starts: that is run last, and would not be run at all.
    """
    if atexit._ncallbacks():  # noqa: SLF001
        yield
        return
    codes: list[int] = []
    atexit.register(_end, codes)  # what is registered first is run last
    try:
        yield
    except SystemExit as request:
        if request.code is None or isinstance(request.code, int):
            codes.append(request.code or 0)
        raise
    codes.append(0)


def _end(codes: list[int]) -> None:
    if not codes:
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(codes[0] & 0xFF)
