"""A process with little address space (`ulimit -v`): refused at once, because libraries abort there, or try for ever."""

from __future__ import annotations

import resource

from qhybrid_pipelines.core.errors import EnvironmentFailure

#: What commands need that read a home, or estimate: below it OpenBLAS asks for memory without end. In bytes.
READING = 1 << 30
#: What commands need that run experiments: all libraries mapped, and the stacks of their threads on two cores. In bytes.
RUNNING = 4 << 30


def check_address_space(needed: int) -> None:
    """Refuse a command that this process's limit leaves too little address space for.

    Measured with a small experiment: below the limits above, native libraries end the process by a signal, without a word of
    ours, or ask for memory again and again; nothing in this program could catch that.

    Args:
        needed: bytes.

    Raises:
        EnvironmentFailure: the soft limit is lower.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return
    raise EnvironmentFailure(
        f"this process may use {limit / 2**30:.2f} GiB of address space, and this command takes {needed / 2**30:.0f} GiB",
        remedy="Raise the limit (`ulimit -v`, of the shell or of the service); nothing was begun. To bound the memory that is really "
        "used, take a control group instead, such as systemd's `MemoryMax`.",
    )
