"""Cron lines in time zones, compared with the reader that Dagster has of its own, and what is refused with its line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.schedules import Schedule, dated_slug
from qhybrid_pipelines.core.specifications.specification_text import read_experiments

PAGE = """\
name: cube every night
problem: {family: maxcut, source: "networkx:cubical"}
"""
#: Where clocks change by half an hour Dagster's reader loses its way, so that zone is compared by brute force only.
HALF_HOUR = "Australia/Lord_Howe"
ZONES = ("UTC", "Europe/Vienna", "America/New_York", "Asia/Kathmandu")
FIXED = ("0 2 * * *", "30 2 * * *", "30 1 * * *", "0 12 * * 1", "15 3 1 * *", "45 23 31 12 *")
#: Lines whose minute or hour is open, and the same as a condition on the clock of the zone.
OPEN = {"*/20 * * * *": lambda at: at.minute % 20 == 0, "0 */6 * * *": lambda at: at.minute == 0 and at.hour % 6 == 0}
PERIODS = [
    (start, start + timedelta(days=40))
    for start in (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC))
]


def ticks(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    found, at = [], start
    while (after := schedule.next(at)) is not None and after <= end:
        found.append(after)
        at = after
    return found


@pytest.mark.parametrize(("start", "end"), PERIODS)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", [*FIXED, *OPEN])
def test_times_are_those_of_another_reader_over_both_changes_of_clocks(zone, cron, start, end):
    mine = ticks(Schedule(cron=cron, timezone=zone), start, end)
    others = schedule_execution_time_iterator(start.timestamp() + 1, cron, zone)
    theirs = [at.astimezone(UTC) for at in takewhile(lambda at: at.astimezone(UTC) <= end, others)]
    # An hour that comes twice: both run once in it, Dagster the second time of a fixed hour, Debian's cron the first.
    assert {at for at in {*mine} ^ {*theirs} if not _comes_twice(at, ZoneInfo(zone))} == set()
    assert len(mine) == len(theirs)


@pytest.mark.parametrize(("start", "end"), PERIODS)
@pytest.mark.parametrize("zone", [*ZONES, HALF_HOUR])
@pytest.mark.parametrize("cron", OPEN)
def test_what_was_due_last_is_the_last_minute_that_matches(zone, cron, start, end):
    schedule, matches, clock = Schedule(cron=cron, timezone=zone), OPEN[cron], ZoneInfo(zone)
    last = None
    for number in range(int((end - start) / timedelta(minutes=1))):
        at = start + timedelta(minutes=number)
        last = at if matches(at.astimezone(clock)) else last
        if last is not None and number % 13 == 0:
            assert schedule.latest(at + timedelta(seconds=30)) == last


@pytest.mark.parametrize(("start", "end"), PERIODS)
@pytest.mark.parametrize("zone", [*ZONES, HALF_HOUR])
@pytest.mark.parametrize("cron", FIXED)
def test_the_last_time_is_the_one_before_the_next(zone, cron, start, end):
    schedule = Schedule(cron=cron, timezone=zone)
    found = ticks(schedule, start, end)
    for before, after in pairwise(found):
        assert schedule.latest(before) == schedule.latest(before + timedelta(microseconds=1)) == before
        assert schedule.latest(after - timedelta(seconds=1)) == before


def _comes_twice(at: datetime, zone: ZoneInfo) -> bool:
    local = at.astimezone(zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def test_each_time_makes_a_name_of_its_own_and_a_key_that_shows_the_date():
    daily = Schedule(cron="0 2 * * *", timezone="Europe/Vienna")
    due = datetime(2026, 11, 30, 1, tzinfo=UTC)
    assert daily.dated_name("cube every night", due) == "cube every night 2026-11-30"
    often = Schedule(cron="30 * * * *", timezone="Europe/Vienna")
    both = ticks(often, datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC))
    names = [often.dated_name("x" * 64, at) for at in both]
    assert names == [f"{'x' * 30} 2026-10-25 00.30Z", f"{'x' * 30} 2026-10-25 01.30Z"]  # both are half past two there
    for name, slug in ((names[0], "x" * 30), ("cube every night 2026-11-30", "cube-every-night")):
        [one] = read_experiments(PAGE.replace("cube every night", name), file="page.yaml")
        assert dated_slug(experiment_key(one.specification)) == slug
    assert dated_slug("cube-0123456789abcdef") is None


def test_a_schedule_is_no_part_of_the_experiment():
    [plain] = read_experiments(PAGE, file="page.yaml")
    text = PAGE + 'schedule: {cron: "0 2 * * 1", timezone: Europe/Vienna, max_usd_per_month: 50}\n'
    [scheduled] = read_experiments(text, file="page.yaml")
    assert experiment_key(plain.specification) == experiment_key(scheduled.specification)
    assert scheduled.schedule == Schedule(cron="0 2 * * 1", timezone="Europe/Vienna", max_usd_per_month=50)
    assert (plain.schedule, plain.unscheduled) == (None, False)
    [ended] = read_experiments(PAGE + "schedule: null\n", file="page.yaml")
    assert (ended.schedule, ended.unscheduled) == (None, True)


@pytest.mark.parametrize(
    ("schedule", "field", "problem", "remedy"),
    [
        ("{}", "schedule.cron", "five fields", "minute, hour"),
        ("nightly", "schedule", "must hold fields", "cron"),
        ('{cron: "0 2 * *"}', "schedule.cron", "five fields", "minute, hour"),
        ('{cron: "0 0 0 2 * *"}', "schedule.cron", "five fields", "minute, hour"),
        ('{cron: "61 2 * * *"}', "schedule.cron", "its minute cannot be", "minute 0-59"),
        ('{cron: "0 2 30 2 *"}', "schedule.cron", "never fires: its day-of-month", "day 1-31"),
        ('{cron: "0 2 31 4,6,9,11 *"}', "schedule.cron", "never fires", "day 1-31"),
        (
            '{cron: "0 2 * * *", timezone: europe/vienna2}',
            "schedule.timezone",
            "no time zone",
            "Did you mean Europe/Vienna",
        ),
        ('{cron: "0 2 * * *", timezone: ../../etc/passwd}', "schedule.timezone", "no time zone", "IANA"),
        ('{cron: "0 2 * * *", timezone: 1}', "schedule.timezone", "no time zone", "IANA"),
        (
            '{cron: "0 2 * * *", max_usd_per_month: -1}',
            "schedule.max_usd_per_month",
            "not an amount",
            "max_usd_per_month: 50",
        ),
        ('{cron: "0 2 * * *", max_usd_per_month: .nan}', "schedule.max_usd_per_month", "not an amount", "50"),
        ('{cron: "0 2 * * *", time_zone: UTC}', "schedule.time_zone", "unknown field", "Did you mean timezone"),
    ],
)
def test_a_wrong_schedule_is_refused_with_its_line(schedule, field, problem, remedy):
    with pytest.raises(InvalidInput) as refused:
        read_experiments(f"{PAGE}schedule: {schedule}\n", file="page.yaml")
    said = refused.value
    assert (said.file, said.line, said.field) == ("page.yaml", 3, field)
    assert problem in str(said)
    assert remedy in said.remedy
