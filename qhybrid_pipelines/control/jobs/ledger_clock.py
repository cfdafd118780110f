"""The one clock of a ledger: acceptance windows, deadlines and back-offs go by it, whichever machine asks.

On Postgres it is the server's, read again every second and carried on by the boot-time clock in between. On SQLite it is
this machine's, and what is written down is never before the newest event: stored time does not run backwards. What is
compared with a stored time there is the machine's own present: an event that a machine with a wrong clock has dated
tomorrow must not make today's windows and deadlines look as if they were over.

A clock that is set while jobs are under way makes every duration wrong. So two disagreements stop sending and expiring,
and never polling or collecting: the ledger's clock and the boot-time clock measure another time since this process began
(a *step*; what passes between two processes is not a step), or a provider's ``Date`` is far from the ledger's time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.provider_time import last_reading
from qhybrid_pipelines.core.system.clock import Clock

#: How far two clocks may be apart. A second of rounding and half a minute of a slow answer do not count as a disagreement.
TOLERANCE_SECONDS = 60.0
#: How long a reading of the ledger's clock is carried on by the boot-time clock.
REFRESH_SECONDS = 1.0
#: A provider's time that was heard longer ago is asked for again before something expires.
FRESH_SECONDS = 600.0


class ClockDisagreement(Refused):
    """Two clocks that should agree do not: nothing is sent and nothing expires until somebody has set them right."""


@dataclass(frozen=True, slots=True)
class _Reading:
    source: datetime
    at: datetime
    boot_seconds: float


class LedgerClock:
    """The present by a ledger's clock, and whether it can be relied on.

    Args:
        ledger: whose clock it is.
        machine: this machine's.
    """

    def __init__(self, ledger: Ledger, machine: Clock) -> None:
        self._ledger, self._machine = ledger, machine
        self._first: _Reading | None = None
        self._last: _Reading | None = None
        self._question_times: dict[str, float] = {}
        self._mutex = threading.Lock()
        self.clock = Clock(
            now=self.now, monotonic=machine.monotonic, sleep=machine.sleep, boot_time=machine.boot_seconds
        )
        self.present_clock = replace(self.clock, now=self.present)

    def present(self) -> datetime:
        """Return the present for a comparison with a stored time: has a window, a deadline or a pause ended?"""
        return self.now() if self._ledger.has_server_clock else self._machine.now()

    def now(self) -> datetime:
        """Return the present for what is written down."""
        with self._mutex:
            boot = self._machine.boot_seconds()
            if self._last is None or not 0 <= boot - self._last.boot_seconds < REFRESH_SECONDS:
                self._last = self._read(boot)
                self._first = self._first or self._last
            if self._ledger.has_server_clock:
                return self._last.at + timedelta(seconds=boot - self._last.boot_seconds)
            return max(self._last.at, self._machine.now())

    def step_seconds(self) -> float:
        """Return by how much the ledger's clock was set forward since this process first read it; backward is negative."""
        with self._mutex:
            boot = self._machine.boot_seconds()
            reading = self._read(boot)
            first = self._first = self._first or reading
            self._last = reading
        return (reading.source - first.source).total_seconds() - (reading.boot_seconds - first.boot_seconds)

    def provider_skew_seconds(self, provider: str) -> float | None:
        """Return by how much the ledger's clock is ahead of a provider's; None where this process has not heard from it."""
        reading = None if self._machine.is_virtual else last_reading(provider)
        if reading is None:
            return None
        with self._mutex:
            present = self._read(self._machine.boot_seconds())
        return (present.source - reading.now(present.boot_seconds)).total_seconds()

    def true_present(self, provider: str) -> datetime | None:
        """Return the present where what is written down now gets a later time, because a wrong clock has dated an event ahead.

        None where both are the same, and where the provider's clock does not confirm this machine's.
        """
        present = self.present()
        ahead = (self.now() - present).total_seconds()
        skew = self.provider_skew_seconds(provider)
        if ahead <= TOLERANCE_SECONDS or skew is None or abs(skew) > TOLERANCE_SECONDS:
            return None
        return present

    def is_ahead(self, at: datetime) -> bool:
        """Tell whether a stored time is still to come, so that only a wrong clock can have written it."""
        return (at - self.present()).total_seconds() > TOLERANCE_SECONDS

    def check(self, provider: str) -> None:
        """Return if durations can be relied on for what is done with a provider.

        Raises:
            ClockDisagreement: they cannot.
        """
        step = self.step_seconds()
        if abs(step) > TOLERANCE_SECONDS:
            raise ClockDisagreement(
                f"{self._owner} was set {_by(step, 'forward', 'back')} while this process was running. Nothing is sent and "
                "nothing expires here; results are collected. Start the process again when the clock is right."
            )
        skew = self.provider_skew_seconds(provider)
        if skew is not None and abs(skew) > TOLERANCE_SECONDS:
            raise ClockDisagreement(
                f"{self._owner} is {_by(skew, 'ahead of', 'behind')} the clock of provider '{provider}'. Nothing is sent "
                "and nothing expires; results are collected. Set the clock (`qhybrid doctor` shows the skew), then run "
                "the same command again."
            )

    def should_ask(self, provider: str) -> bool:
        """Tell whether a provider's time is worth a question: it was neither heard nor asked for in the last minutes.

        With a server's clock nothing depends on it.
        """
        if self._ledger.has_server_clock or self._machine.is_virtual:
            return False
        boot, reading = self._machine.boot_seconds(), last_reading(provider)
        heard = max(
            self._question_times.get(provider, -FRESH_SECONDS), reading.boot_seconds if reading else -FRESH_SECONDS
        )
        if boot - heard < FRESH_SECONDS:
            return False
        self._question_times[provider] = boot
        return True

    def margin_seconds(self, provider: str, window_seconds: float) -> float:
        """Return how much longer a window has to be waited for because clocks that agree may still be apart.

        Nothing where one clock measured its beginning and measures its end: a server's. On one machine the clock may have
        been set within the tolerance on either side; a short window is waited for twice.
        """
        if self._ledger.has_server_clock or self._machine.is_virtual or last_reading(provider) is None:
            return 0.0
        return min(2 * TOLERANCE_SECONDS, window_seconds)

    def _read(self, boot: float) -> _Reading:
        machine_now = self._machine.now()
        at = self._ledger.read_time(machine_now)
        after = self._machine.boot_seconds()
        return _Reading(at if self._ledger.has_server_clock else machine_now, at, (boot + after) / 2)

    @property
    def _owner(self) -> str:
        return "the clock of the ledger's server" if self._ledger.has_server_clock else "the clock of this machine"


def _by(seconds: float, ahead: str, behind: str) -> str:
    return f"{abs(seconds):.0f} s {ahead if seconds > 0 else behind}"
