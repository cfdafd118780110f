"""Named places where a test may kill the process, to prove that nothing is lost or paid twice there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

VARIABLE = "QHYBRID_FAILPOINT"


def _kill_where_chosen(name: str) -> None:
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)


#: What happens at a place. A test that imitates many processes in one, and so must not kill it, puts its own here.
on_reached: Callable[[str], None] = _kill_where_chosen


def failpoint(name: str) -> None:
    """Kill this process if the environment variable QHYBRID_FAILPOINT holds ``name``; otherwise do nothing.

    SIGKILL leaves no chance to clean up, as a power cut or the kernel's memory killer would not.
    """
    on_reached(name)
