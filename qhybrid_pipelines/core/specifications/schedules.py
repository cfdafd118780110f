"""When a page is to run again: a cron line in a time zone, and what its runs may spend in a month.

On a page it reads::

    schedule: {cron: "0 2 * * *", timezone: Europe/Vienna, max_usd_per_month: 50}

The schedule is written on a page and is not part of it: with another schedule it is the same experiment. Every run is an
experiment of its own, named after its date. Times follow the zone's clock as Debian's cron does: what falls into the hour that a
change of clocks skips runs right after it, and what falls into the hour that comes twice runs once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.text.spelling import closest_match

FIELD = "schedule"
CRON, TIMEZONE, MAX_USD = "cron", "timezone", "max_usd_per_month"
_EXAMPLE = f'Write {FIELD}: {{{CRON}: "0 2 * * *", {TIMEZONE}: Europe/Vienna}}.'
#: A name with a date is cut to this, so that a key shows the date.
_MAX_NAME = 48
#: What a date adds to the readable part of a key.
DATED_KEY = re.compile(r"(?P<slug>.+)-\d{4}-\d{2}-\d{2}(?:-\d{2}-\d{2}z)?-[0-9a-f]+")

#: What editors are told about the field, which belongs to the page and not to a specification.
SCHEMA: dict[str, Any] = {
    FIELD: {
        "type": ["object", "null"],
        "description": "When to run it again, each time as an experiment of its own under its date. Not part of the key.",
        "additionalProperties": False,
        "required": [CRON],
        "properties": {
            CRON: {"type": "string", "description": "Five fields: minute, hour, day of month, month, day of week."},
            TIMEZONE: {"type": "string", "description": "Of the IANA data base, for example Europe/Vienna; else UTC."},
            MAX_USD: {"type": "number", "description": "US dollars that its runs may spend in a month (UTC) together."},
        },
    }
}

Lines = Mapping[tuple[str, ...], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a page is to run again.

    Attributes:
        cron: five fields.
        timezone: name of the zone whose clock counts.
        max_usd_per_month: US dollars of all its runs of a calendar month, UTC; None is without a limit of its own.
    """

    cron: str
    timezone: str = "UTC"
    max_usd_per_month: float | None = None

    def latest(self, now: datetime) -> datetime | None:
        """Return the last time that was due, not after ``now``, UTC; None where there was none in fifty years."""
        return self._tick(now.astimezone(UTC).replace(microsecond=0) + timedelta(microseconds=1), reverse=True)

    def next(self, now: datetime) -> datetime | None:
        """Return the first time after ``now``, UTC; None where there is none in fifty years."""
        return self._tick(now.astimezone(UTC), reverse=False)

    def dated_name(self, name: str, due: datetime) -> str:
        """Return the name of the run of a time: with the day, and the time in UTC where there are several on that day."""
        zone = ZoneInfo(self.timezone)
        day = due.astimezone(zone).date()
        before, after = self.latest(due - timedelta(seconds=1)), self.next(due)
        is_alone = all(other is None or other.astimezone(zone).date() != day for other in (before, after))
        suffix = f"{day}" if is_alone else f"{due.astimezone(UTC):%Y-%m-%d %H.%MZ}"
        return f"{_shortened(name, suffix)} {suffix}"

    def rows(self) -> dict[str, Any]:
        """Return the fields as they are written on a page."""
        limit = {} if self.max_usd_per_month is None else {MAX_USD: self.max_usd_per_month}
        return {CRON: self.cron, TIMEZONE: self.timezone, **limit}

    def _tick(self, at: datetime, *, reverse: bool) -> datetime | None:
        from cronsim import CronSim

        found: datetime | None = next(CronSim(self.cron, at.astimezone(ZoneInfo(self.timezone)), reverse=reverse), None)
        return None if found is None else found.astimezone(UTC)


def extract_schedule(
    data: Mapping[str, Any], lines: Lines, *, file: str, now: datetime
) -> tuple[dict[str, Any], Schedule | None]:
    """Return a page's fields without its schedule, and the schedule; None where the page has none.

    Args:
        data: the fields.
        lines: of the fields.
        file: the page, for messages.
        now: a schedule has to have a time after this.

    Raises:
        InvalidInput: a field is unknown or wrong, or the cron line never fires.
    """
    rest = {name: value for name, value in data.items() if name != FIELD}
    given = data.get(FIELD)
    if given is None:
        return rest, None

    def invalid(problem: str, remedy: str, field: str | None = None) -> InvalidInput:
        path = (FIELD,) if field is None else (FIELD, field)
        line = lines.get(path, lines.get((FIELD,)))
        return InvalidInput(problem, remedy=remedy, file=file, line=line, field=".".join(path))

    if not isinstance(given, dict):
        raise invalid("this must hold fields", _EXAMPLE)
    for field in given:
        if field not in (CRON, TIMEZONE, MAX_USD):
            near = closest_match(field, (CRON, TIMEZONE, MAX_USD))
            raise invalid("unknown field", near or f"Known here: {CRON}, {TIMEZONE}, {MAX_USD}.", str(field))
    cron, zone, limit = given.get(CRON), given.get(TIMEZONE, "UTC"), given.get(MAX_USD)
    if not isinstance(zone, str) or not _is_zone(zone):
        raise invalid(f"there is no time zone {str(zone)[:60]!r}", _zone_remedy(zone), TIMEZONE)
    if limit is not None and not _is_amount(limit):
        raise invalid(f"{str(limit)[:60]!r} is not an amount of money", f"Write {MAX_USD}: 50.", MAX_USD)
    if not isinstance(cron, str) or len(cron.split()) != 5:
        raise invalid("a cron line has five fields", 'Write minute, hour, day, month, weekday: "0 2 * * *".', CRON)
    schedule = Schedule(cron=" ".join(cron.split()), timezone=zone, max_usd_per_month=limit)
    if (problem := _never(schedule, now)) is not None:
        raise invalid(
            f"{cron[:60]!r} never fires{problem}",
            'Write minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-7: "0 2 * * 1" is Mondays at two.',
            CRON,
        )
    return rest, schedule


def _never(schedule: Schedule, now: datetime) -> str | None:
    """Return why a schedule has no time after this one, None where it has one."""
    from cronsim import CronSimError

    try:
        return None if schedule.next(now) else ""
    except CronSimError as error:
        return f": its {str(error).removeprefix('Bad ')} cannot be"


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def dated_slug(key: str) -> str | None:
    """Return the readable part, without the date, of the key of a scheduled run; None for the key of any other experiment."""
    found = DATED_KEY.fullmatch(key)
    return None if found is None else found["slug"]


def _shortened(name: str, suffix: str) -> str:
    return name[: _MAX_NAME - len(suffix) - 1].rstrip(" ._-")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; with path characters; the name of a folder
        return False
    return True


def _zone_remedy(zone: object) -> str:
    from zoneinfo import available_timezones

    names = {name.lower(): name for name in sorted(available_timezones())}
    near = closest_match(str(zone), list(names))
    for lower, name in names.items():
        near = near.replace(f"mean {lower}?", f"mean {name}?")
    return near or "Write a name of the IANA data base, for example Europe/Vienna or UTC."
