"""One screen for whoever is on duty: what is with providers, what waits, what it costs, and what happens next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import NEEDS_A_PERSON, due_stages
from qhybrid_pipelines.control.experiments.scheduled_runs import coming_runs
from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.jobs.spending import spending
from qhybrid_pipelines.control.ledger.lifecycle import OPEN, TERMINAL
from qhybrid_pipelines.control.reporting.metrics import has_missed_deadline
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT
from qhybrid_pipelines.steps.operate.due_work import open_experiments, settled_marks
from qhybrid_pipelines.storage.schedule_store import ScheduleStore

if TYPE_CHECKING:
    from qhybrid_pipelines.control.control_plane import ControlPlane
    from qhybrid_pipelines.control.ledger.totals import JobTotals
    from qhybrid_pipelines.steps.values_from_rows import Row
    from qhybrid_pipelines.storage.lake import Lake
    from qhybrid_pipelines.storage.layout import Home
    from qhybrid_pipelines.storage.specifications import Specifications

MONEY_WINDOW = timedelta(days=30)
NOT_ENDED = frozenset(JobState) - TERMINAL
#: Lines of what happens next.
MAX_NEXT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of a home.

    Attributes:
        now: when this was read, UTC.
        experiments: how many are registered, decided or stopped, have a stage due, or cannot be read.
        backends: one row per backend that has or had a job.
        money: US dollars: reserved by jobs that have not ended, and charged to those that ended in the last 30 days.
        budgets: how much of each budget of the policy is used, one sentence each.
        budgets_near: those of which so much is used that people are warned.
        coming: what happens next, most urgent first, one sentence each.
    """

    now: datetime
    experiments: Row
    backends: tuple[Row, ...]
    money: Row
    budgets: tuple[str, ...]
    budgets_near: tuple[str, ...]
    coming: tuple[str, ...]


def read_status(
    home: Home, control_plane: ControlPlane, specifications: Specifications, lake: Lake, *, now: datetime
) -> Status:
    """Return the state of a home; nothing is asked of any provider."""
    ledger = control_plane.ledger
    unended = [job for job in ledger.jobs(states=NOT_ENDED) if job.experiment != CANARY_EXPERIMENT]
    totals = ledger.job_totals(without=CANARY_EXPERIMENT, since=now - MONEY_WINDOW)
    stops, damage = Stops(home), Damage()
    registered = list(specifications)
    marks = settled_marks(home)
    asked = open_experiments(specifications, ledger, marks.keys() - marks.find_changed())
    readable = load_readable(specifications, [key for key in asked if key not in stops], damage)
    due = due_stages(readable, lake, control_plane, damage)
    unsettled = {job.experiment for job in unended} | {stage.experiment for stage in due}
    stopped = [key for key in registered if key in stops]
    experiments = {
        "registered": len(registered),
        "decided": len([k for k in registered if k not in unsettled and k not in stops and k not in damage.problems]),
        "under_way": len(unsettled & set(registered)),
        "stopped": len(stopped),
        "unreadable": len(damage.problems),
    }
    coming = [
        *(
            f"{job.job_id} on {job.backend} is {job.state}: a person decides"
            for job in unended
            if job.state in NEEDS_A_PERSON
        ),
        *(f"{key} cannot go on: {problem}" for key, problem in damage.problems.items()),
        *(f"{job.job_id} on {job.backend} is past its deadline" for job in unended if has_missed_deadline(job, now)),
        *(f"{s.experiment}: {s.job}{f' on {s.backend}' if s.backend else ''}" for s in due),
        *(f"{job.job_id} on {job.backend} is {job.state}" for job in unended if job.state in OPEN),
    ]
    coming += [
        f"{run.page} runs again at {run.at:%Y-%m-%d %H:%M} UTC" if run.at else f"{run.page} cannot run: {run.problem}"
        for run in coming_runs(ScheduleStore(home), now=now)
    ]
    more = len(coming) - MAX_NEXT
    used = spending(control_plane.all_spending_limits(), ledger, now)
    return Status(
        now=now,
        experiments=experiments,
        backends=tuple(_backend_rows(totals, control_plane, now)),
        money={
            "reserved_usd": sum(one.quoted_usd for one in totals if one.state not in TERMINAL),
            "charged_30_days_usd": sum(one.charged_lately_usd for one in totals if one.state in TERMINAL),
        },
        budgets=tuple(map(str, used)),
        budgets_near=tuple(str(one) for one in used if one.is_near),
        coming=(*coming[:MAX_NEXT], *([f"and {more} more"] if more > 0 else [])),
    )


def _backend_rows(totals: list[JobTotals], control_plane: ControlPlane, now: datetime) -> list[Row]:
    breakers = {breaker.backend: breaker for breaker in control_plane.ledger.breakers()}
    calibrated = control_plane.ledger.calibrated_at()
    rows = []
    for backend in sorted({one.backend for one in totals} | set(breakers)):
        here = [one for one in totals if one.backend == backend]
        states = Counter({one.state: one.jobs for one in here})
        breaker = breakers.get(backend)
        rests = breaker is not None and breaker.state != "closed"
        last = max((one.last_updated_at for one in here), default=None)
        rows.append(
            {
                "backend": backend,
                "state": f"resting until {breaker.retry_at:%H:%M} UTC"
                if breaker is not None and rests
                else "no outage",
                "with_provider": sum(states[state] for state in OPEN),
                "for_a_person": sum(states[state] for state in NEEDS_A_PERSON),
                "ended": sum(states[state] for state in TERMINAL),
                "open_shots": sum(one.shots for one in here if one.state in OPEN),
                "last_change": _age(now - last) if last else None,
                "calibrated": _age(now - calibrated[backend]) if backend in calibrated else None,
            }
        )
    return rows


def _age(passed: timedelta) -> str:
    """Return how long ago something was, in its largest unit."""
    seconds = max(0.0, passed.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
