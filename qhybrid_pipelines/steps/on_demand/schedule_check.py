"""Whether every page that runs on a schedule can be read, and when the next of them runs."""

from __future__ import annotations

from datetime import datetime

from qhybrid_pipelines.control.experiments.scheduled_runs import coming_runs
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.schedule_store import ScheduleStore


def check_schedules(home: Home, now: datetime) -> tuple[bool, str]:
    """Return whether all pages are well, and what was seen."""
    coming = coming_runs(ScheduleStore(home), now=now)
    wrong = [run.problem for run in coming if run.problem]
    if wrong:
        return False, "; ".join(wrong)
    times = [run for run in coming if run.at is not None]
    first = min(times, key=lambda run: (run.at, run.page), default=None)
    if first is None:
        return True, "none"
    return True, f"{len(coming)} pages; {first.page} runs next, at {first.at:%Y-%m-%d %H:%M} UTC"
