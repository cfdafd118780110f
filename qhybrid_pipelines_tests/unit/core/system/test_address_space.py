"""Limits on address space: kept by the kernel, never raised, and left out where a system takes none."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from qhybrid_pipelines.core.system.address_space import address_space, limit_address_space

BEGINNING = "import resource; from qhybrid_pipelines.core.system.address_space import *; "


def run(code: str) -> str:
    """Return what a new process prints: limits cannot be taken back."""
    command = [sys.executable, "-c", BEGINNING + code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("extra", "outcome"), [(1 << 27, "refused"), (1 << 30, "there")])
def test_the_kernel_keeps_the_limit(extra, outcome):
    assert (
        run(
            f"limit_address_space(address_space() + {extra})\n"
            "try: block, outcome = bytearray(1 << 28), 'there'\n"
            "except MemoryError: outcome = 'refused'\n"
            "print(outcome)"
        )
        == outcome
    )


def test_a_lower_limit_of_before_stays():
    given = f"resource.setrlimit(resource.RLIMIT_AS, ({1 << 32}, {1 << 32})); "
    assert run(f"{given}limit_address_space({1 << 33}); print(*resource.getrlimit(resource.RLIMIT_AS))") == (
        f"{1 << 32} {1 << 32}"
    )


def test_the_space_is_what_the_kernel_counts():
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    assert address_space() == pytest.approx(int(fields["VmSize"].split()[0]) * 1024, abs=64 << 20)


def test_a_system_that_takes_no_such_limit_goes_on_without(monkeypatch):
    def refuse(*_):
        raise ValueError("current limit exceeds maximum limit")  # what macOS says

    monkeypatch.setattr(resource, "setrlimit", refuse)
    with pytest.raises(ValueError, match="exceeds"):
        limit_address_space(1 << 40)
    monkeypatch.setattr(sys, "platform", "darwin")
    limit_address_space(1 << 40)
