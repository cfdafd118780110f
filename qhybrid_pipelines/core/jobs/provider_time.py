"""What time it is at a provider, by the ``Date`` of its last answer: the one clock outside that costs nothing to ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

_current_provider: ContextVar[str | None] = ContextVar("current_provider", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeReading:
    """A time that a provider has stated.

    Attributes:
        at: the stated time; providers state whole seconds.
        boot_seconds: when it was said, by `core.system.clock.boot_seconds`.
    """

    at: datetime
    boot_seconds: float

    def now(self, boot_seconds: float) -> datetime:
        """Return what the same clock says by now."""
        return self.at + timedelta(seconds=boot_seconds - self.boot_seconds)


_readings: dict[str, TimeReading] = {}


@contextmanager
def asking(provider: str) -> Iterator[None]:
    """Name the provider whose answers come in meanwhile, in this thread."""
    token = _current_provider.set(provider)
    try:
        yield
    finally:
        _current_provider.reset(token)


def note_answer(headers: Mapping[str, str], *, sent: float, received: float) -> None:
    """Take note of the time that an answer carries; one without a time, or with a wrong one, is left out.

    Args:
        headers: of the answer.
        sent: when it was asked for, by `core.system.clock.boot_seconds`.
        received: when it was there.
    """
    provider, date = _current_provider.get(), headers.get("Date")
    if provider is None or date is None:
        return
    try:
        at = parsedate_to_datetime(date)
        at += timedelta(seconds=int(headers.get("Age", "0")))  # a proxy stored it for this long
    except (ValueError, TypeError, OverflowError):
        return
    if at.tzinfo is not None:
        _readings[provider] = TimeReading(at=at, boot_seconds=(sent + received) / 2)


def last_reading(provider: str) -> TimeReading | None:
    """Return what this process last heard about a provider's time, or None."""
    return _readings.get(provider)


def forget() -> None:
    """Forget all readings, as a new process would."""
    _readings.clear()
