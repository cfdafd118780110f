"""A person's word to stop this process: set once, by Ctrl-C or SIGTERM, and asked before anything is sent.

Dagster replaces signal handlers while it runs a stage, and swallows what they raise. So the word does not travel by an
exception alone: the C part of Python's signal handling writes each signal into a pipe, whoever handles it, and a thread
of ours reads that pipe. The thread also ends the process at the second signal, whatever the main thread is doing.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

#: What a shell reports for a process that ended because of a signal: 128 and the signal's number.
SIGNAL_EXIT_BASE = 128

#: How long the thread that reads signals is waited for: it only has to come to its turn.
_PAUSE_SECONDS, _LONGEST_PAUSES = 0.001, 5000

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class StopRequested(BaseException):
    """Somebody asked this process to stop. Not an `Exception`, so that no handler for errors goes on after it.

    Attributes:
        exit_code: 130 after Ctrl-C, 143 after SIGTERM.
        reason: the same in words.
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(self.reason)

    @property
    def exit_code(self) -> int:
        """What the process returns."""
        return SIGNAL_EXIT_BASE + self.signal_number

    @property
    def reason(self) -> str:
        """``Ctrl-C`` or ``SIGTERM``."""
        return _NAMES.get(signal.Signals(self.signal_number), signal.Signals(self.signal_number).name)


_received: list[int] = []


def stop_requested() -> StopRequested | None:
    """Return the request to stop this process; None while nobody has asked."""
    return StopRequested(_received[0]) if _received else None


def raise_if_stop_requested() -> None:
    """Raise `StopRequested` once somebody has asked; called right before anything is sent or begun."""
    if (request := stop_requested()) is not None:
        raise request


def note_stop_signal(number: int) -> None:
    """Note that this process was asked to stop, for whoever has a signal handler of its own: a server that ends in peace."""
    _remember(number)


def watch_stop_signals() -> None:
    """Listen for Ctrl-C and SIGTERM from now on; call it once, in the main thread.

    The first signal raises `StopRequested` in the main thread, where our handler is in force, and is remembered in any
    case. The second one ends the process at once, with the exit code of the first.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_read_signals, args=(reader,), name="stop-signals", daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _raise_stop)
    sys.unraisablehook = _leave_out_interruptions


def _raise_stop(number: int, _: FrameType | None) -> None:
    _remember(number)
    raise StopRequested(_received[0])


def _leave_out_interruptions(unraisable: UnraisableHookArgs) -> None:
    """Print what Python cannot raise, but for an interruption: ours, that of Dagster's handlers, and Python's own.

    A signal that comes while Python clears weak references is raised inside one of their callbacks, which swallows it
    with a traceback on the terminal. Where another handler is in place, our thread may not have read the signal yet, and the
    interrupted work would simply go on: wait for the thread.
    """
    if issubclass(unraisable.exc_type, Exception):
        sys.__unraisablehook__(unraisable)
        return
    for _ in range(_LONGEST_PAUSES):
        if _received:
            return
        time.sleep(_PAUSE_SECONDS)
    sys.__unraisablehook__(unraisable)  # no signal has raised it


def _remember(number: int) -> None:
    if not _received:
        _received.append(number)


def _read_signals(reader: int) -> None:
    """Note the first signal; at the second one, end the process without waiting for anything."""
    seen = 0
    while data := os.read(reader, 16):
        for number in data:
            if number not in _NAMES:
                continue
            _remember(number)
            seen += 1
            if seen > 1:
                os._exit(SIGNAL_EXIT_BASE + _received[0])
