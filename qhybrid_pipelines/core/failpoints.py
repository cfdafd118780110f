"""Named places where a test may kill the process, to prove that nothing is lost or paid twice there."""

from __future__ import annotations

import os
import signal

VARIABLE = "QHYBRID_FAILPOINT"


def failpoint(name: str) -> None:
    """Kill this process if the environment variable QHYBRID_FAILPOINT holds ``name``; otherwise do nothing.

    SIGKILL leaves no chance to clean up, as a power cut or the kernel's memory killer would not.
    """
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
