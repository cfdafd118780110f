"""How much address space a process may have: the kernel enforces the limit, whatever a library does."""

from __future__ import annotations

import resource
import sys


def limit_address_space(most: int) -> None:
    """Give up all address space beyond some bytes; it cannot be taken back.

    Linux alone is known to keep this limit. Where it is not taken, the process goes on without.

    Args:
        most: bytes; a lower limit that this process was given stays.
    """
    _, allowed = resource.getrlimit(resource.RLIMIT_AS)
    if allowed != resource.RLIM_INFINITY:
        most = min(most, allowed)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    except (ValueError, OSError):
        if sys.platform == "linux":
            raise


def address_space() -> int:
    """Return the bytes of address space that this process has now."""
    import psutil

    return int(psutil.Process().memory_info().vms)
