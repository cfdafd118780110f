"""A person's word to stop reaches the process even where Python swallows the exception that carries it."""

from __future__ import annotations

import subprocess
import sys

SWALLOWED = """
import os, signal, time, weakref
from qhybrid_pipelines.core.system.stop_request import stop_requested, watch_stop_signals

# A shell that starts the tests in the background lets its processes ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
watch = {watch}
if watch:
    watch_stop_signals()

class Thing:
    pass

def interrupted(_):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(100):  # the signal's handler runs in here
        time.sleep(0.01)

thing = Thing()
reference = weakref.ref(thing, interrupted)
del thing
print(stop_requested().reason if watch else "went on")
"""

#: Dagster's case: its own handler is in place, and raises something that is not an `Exception`.
SWALLOWED_ELSEWHERE = """
import os, signal, weakref
from qhybrid_pipelines.core.system.stop_request import stop_requested, watch_stop_signals

class Interrupted(BaseException):
    pass

def interrupt(number, frame):
    raise Interrupted

class Thing:
    pass

watch_stop_signals()
signal.signal(signal.SIGTERM, interrupt)
thing = Thing()
# The handler runs before this call returns, and so before the thread that reads signals can.
reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))
del thing
print(stop_requested().reason)
"""

BROKEN = """
import weakref
from qhybrid_pipelines.core.system.stop_request import watch_stop_signals

watch_stop_signals()

class Thing:
    pass

def broken(_):
    raise ValueError("a fault of our own")

thing = Thing()
reference = weakref.ref(thing, broken)
del thing
"""


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)


def test_a_swallowed_interruption_is_remembered_and_not_printed():
    finished = run(SWALLOWED.format(watch=True))
    assert finished.stdout == "Ctrl-C\n"
    assert finished.stderr == ""


def test_one_that_another_handler_raises_is_remembered_before_anything_goes_on():
    finished = run(SWALLOWED_ELSEWHERE)
    assert finished.stdout == "SIGTERM\n"
    assert finished.stderr == ""


def test_without_the_watch_the_interruption_is_lost():
    finished = run(SWALLOWED.format(watch=False))
    assert finished.stdout == "went on\n"
    assert "KeyboardInterrupt" in finished.stderr


def test_other_faults_are_still_printed():
    assert "a fault of our own" in run(BROKEN).stderr
