"""A mutant in a process of its own, and what became of it."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mutation.operators import Mutant

KILLED, TIMEOUT, SURVIVED, UNREACHED = "killed", "timeout", "survived", "unreached"
#: What went wrong with the machinery and not with a test; the run is void.
BROKEN = "broken"
#: Where other work fills the machine, a second of work may take this many on the clock, and some wait for nothing.
_CLOCK_FACTOR, _CLOCK_GRACE_SECONDS = 6.0, 120.0


@dataclass(slots=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        mutant: the change.
        state: `killed`, `timeout`, `survived`, or `unreached`: no test runs the statement.
        by: the test that failed.
        seconds: on the clock.
        tests: how many tests were chosen.
    """

    mutant: Mutant
    state: str
    by: str = ""
    seconds: float = 0.0
    tests: int = 0


class Trial:
    """A mutant in a process of its own, which writes the name of the first test that fails and ends.

    Args:
        mutant: the change.
        tests: names of those that are run.
        seconds: of processor time that it may take; then it counts as one that never ends.
    """

    def __init__(self, mutant: Mutant, tests: Sequence[str], seconds: float) -> None:
        self._mutant, self._tests, self._timed_out, self._told = mutant, len(tests), False, b""
        self._began = time.monotonic()
        self._seconds = seconds
        self.ends_at = self._began + _CLOCK_FACTOR * seconds + _CLOCK_GRACE_SECONDS
        self.pipe = -1

    def start(self, work: Callable[[int], None]) -> None:
        """Fork."""
        self.pipe, write = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(self.pipe)
            os.setpgid(0, 0)
            used = math.ceil(time.process_time() + self._seconds)
            resource.setrlimit(resource.RLIMIT_CPU, (used, resource.getrlimit(resource.RLIMIT_CPU)[1]))
            run_child(lambda: work(write), crash=lambda: os.write(write, b"crash"))
        os.close(write)

    def read(self) -> bool:
        """Read what is there; whether that was all."""
        told = os.read(self.pipe, 65536)
        self._told += told
        return not told

    def kill(self) -> None:
        """End the process and what it started."""
        self._timed_out = True
        os.killpg(self._pid, signal.SIGKILL)

    def outcome(self) -> Outcome:
        """Wait for the process and return what became of the mutant."""
        os.close(self.pipe)
        _, status = os.waitpid(self._pid, 0)
        with contextlib.suppress(ProcessLookupError):  # what its tests have left behind
            os.killpg(self._pid, signal.SIGKILL)
        self._timed_out |= os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
        died = status != 0 and not self._timed_out
        by = self._told.decode() or ("crash" if died else "")
        state = TIMEOUT if self._timed_out and not by else KILLED if by else SURVIVED
        return Outcome(self._mutant, state, by, time.monotonic() - self._began, self._tests)


def run_child(work: Callable[[], None], crash: Callable[[], object] = lambda: None) -> None:
    """Work in a forked process, in silence, and end it without what the parent would do at its end."""
    code = 1
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent's code must not go on here
        crash()
    finally:
        os._exit(code)


def describe(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as a line of the report."""
    mutant = outcome.mutant
    return {
        "mutant": mutant.name,
        "line": mutant.line,
        "before": mutant.before,
        "after": mutant.after,
        "state": outcome.state,
        "by": outcome.by,
        "tests": outcome.tests,
        "seconds": round(outcome.seconds, 2),
    }
