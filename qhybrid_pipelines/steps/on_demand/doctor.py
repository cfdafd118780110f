"""Is this installation in order? One row per check; a check that fails is a finding, and never hides the others."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.home_identity import REMEDY
from qhybrid_pipelines.control.jobs.ledger_clock import TOLERANCE_SECONDS
from qhybrid_pipelines.control.jobs.spending import spending
from qhybrid_pipelines.control.jobs.uncollected_results import describe, uncollected_jobs
from qhybrid_pipelines.control.ledger.lifecycle import CANCEL_REQUEST_MAY_WAIT, OPEN, TERMINAL
from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.control.policy.rules import read_policy
from qhybrid_pipelines.control.reporting.logs import logger_from_environment
from qhybrid_pipelines.control.reporting.metrics import has_missed_deadline
from qhybrid_pipelines.control.reporting.next_steps import UNNAMED_BACKEND, next_steps
from qhybrid_pipelines.control.reporting.spans import exporter_from_environment
from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.files import foreign_leftovers
from qhybrid_pipelines.steps.on_demand.experiment_check import check_experiments
from qhybrid_pipelines.steps.on_demand.fleet_summary import count_by_provider
from qhybrid_pipelines.steps.on_demand.job_problems import explain_requests
from qhybrid_pipelines.steps.on_demand.schedule_check import check_schedules
from qhybrid_pipelines.steps.operate.ledger_audit import LedgerAudit, audit_ledger
from qhybrid_pipelines.steps.operate.warehouse import is_stale, unreadable_files
from qhybrid_pipelines.storage.lake_store import open_store
from qhybrid_pipelines.storage.warehouse import matches_published_checksum

if TYPE_CHECKING:
    from qhybrid_pipelines.control.control_plane import ControlPlane
    from qhybrid_pipelines.control.job_dispatcher import Dispatcher
    from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
    from qhybrid_pipelines.steps.values_from_rows import Row
    from qhybrid_pipelines.storage.layout import Home
    from qhybrid_pipelines.storage.specifications import Specifications

#: With less than this the next snapshot or result may not fit, so people are warned before it hurts.
FREE_BYTES = 2 * 2**30
#: A clock this far behind the newest event of the ledger was set back, or belongs to another machine.
CLOCK_TOLERANCE = timedelta(seconds=10)
BREAKER_OPEN_LIMIT = timedelta(hours=1)  #: one that has been open for longer does not close by itself soon
#: A submission that takes longer has lost its process; reconciling should have found it long ago.
SUBMITTING_LIMIT = timedelta(hours=1)
NOT_ENDED = frozenset(JobState) - TERMINAL
MAX_LISTED_JOBS = 5  #: in one row; the list of jobs has them all

CheckResult = tuple[bool, str]


def findings(
    home: Home,
    control_plane: ControlPlane,
    specifications: Specifications,
    *,
    online: bool = False,
    full: bool = False,
    now: datetime | None = None,
) -> list[Row]:
    """Return what was checked, whether it is in order, and what was found.

    Args:
        home: to check.
        control_plane: of that home; its parts are opened within the checks, because that may fail.
        specifications: say which backends are used.
        online: also ask every backend of every provider.
        full: compare everything that the ledger says, not only what changed since the last check that found nothing.
        now: the time to compare with; the default is now.
    """
    present = cache(lambda: now or control_plane.ledger.read_time(datetime.now(UTC)))
    audit = cache(lambda: audit_ledger(home, control_plane.ledger, full=full))
    checks: list[tuple[str, Callable[[], CheckResult]]] = [
        ("python", lambda: (sys.version_info >= (3, 11), sys.version.split()[0])),
        ("packages", _packages),
        ("floating point", _floating_point),
        ("home", lambda: _home(home.path)),
        ("disk", lambda: _disk(home.path)),
        ("environment", lambda: _environment(home.path)),
        ("policy", lambda: _policy(home.path)),
        ("clock", lambda: _clock(control_plane.dispatcher, now or datetime.now(UTC))),
        ("copies and backups", lambda: _identity(control_plane)),
        ("ledger chain", lambda: _chain(audit())),
        ("ledger rows", lambda: _audited(audit().rows, "what their events say")),
        ("ledger triggers", lambda: _audited(audit().guards, "in force", "not in force: ")),
        ("ledger notes", lambda: _audited(audit().notes, "the ledger contains what was noted outside it")),
        ("lake", lambda: _lake(home)),
        ("lake and ledger", lambda: _audited(audit().lake, "say the same")),
        ("backends", lambda: (bool(control_plane.backends), count_by_provider(control_plane.backends))),
        ("budgets of the policy", lambda: _budgets(control_plane, present())),
        ("breakers", lambda: _breakers(control_plane.ledger, present())),
        ("open jobs", lambda: _open_jobs(control_plane)),
        ("jobs past their deadline", lambda: _overdue(control_plane.ledger, present())),
        ("cancellations that wait", lambda: _cancellations(control_plane.ledger)),
        ("unacknowledged submissions", lambda: _submitting(control_plane.ledger, present())),
        ("jobs in doubt", lambda: _waiting(control_plane.ledger, JobState.SUBMIT_UNKNOWN, present())),
        ("paid and not collected", lambda: _uncollected(control_plane.ledger, present())),
        ("jobs that wait for approval", lambda: _waiting(control_plane.ledger, JobState.AWAITING_APPROVAL, present())),
        ("schedules", lambda: check_schedules(home, present())),
        ("experiments", lambda: check_experiments(specifications, control_plane, full=full)),
        ("jobs of unnamed backends", lambda: _unnamed_backends(control_plane)),
        ("stopped experiments", lambda: _stopped(Stops(home))),
        ("locks", lambda: _locks(home.locks)),
        ("unfinished files", lambda: _unfinished(home.tmp)),
        ("warehouse", lambda: _warehouse(home, control_plane)),
        ("MLflow spool", lambda: _spool(home.spool)),
        ("quarantine", lambda: _quarantine(home.quarantine)),
        ("log and collector", _telemetry),
    ]
    rows = [_row(name, run_check) for name, run_check in checks]
    return rows + list(_provider_checks(control_plane, specifications)) if online else rows


def _row(name: str, run_check: Callable[[], CheckResult]) -> Row:
    try:
        ok, finding = run_check()
    except Exception as error:  # noqa: BLE001  what is damaged, and how, is not ours to know; the other checks go on
        kind = "" if isinstance(error, QHybridError | OSError) else f"could not be looked at: {type(error).__name__}: "
        return {"check": name, "ok": False, "finding": f"{kind}{error}"}
    return {"check": name, "ok": ok, "finding": finding}


def _packages() -> CheckResult:
    return True, ", ".join(f"{name} {version(name)}" for name in ("dagster", "qiskit", "duckdb", "mlflow"))


def _floating_point() -> CheckResult:
    # A library linked for fast mathematics can switch the whole process to flush-to-zero, which breaks transpilation.
    denormals = float(np.float64(5e-324) * np.float64(1.0)) != 0.0
    return denormals, "denormal numbers are kept" if denormals else "denormal numbers become zero"


def _home(path: Path) -> CheckResult:
    usable = os.access(path, os.W_OK)
    return usable, f"{path} is {'' if usable else 'not '}writable"


def _identity(control_plane: ControlPlane) -> CheckResult:
    """Say whether this is the home that it says it is, or what a person has to decide before anything is sent."""
    problems = control_plane.guard.problems()
    if problems:
        return False, f"nothing is sent: {'; '.join(problems)}. {REMEDY}"
    if newer := control_plane.guard.newer_release():
        return False, newer
    return True, f"home {control_plane.home_id}, its ledger and its notes belong together"


def _disk(path: Path) -> CheckResult:
    usage = shutil.disk_usage(path)
    seen = f"{usage.free / 2**30:.1f} GiB free of {usage.total / 2**30:.0f} GiB"
    if usage.free >= FREE_BYTES:
        return True, seen
    return False, f"{seen}; make room before it is full (docs/runbook.md says what may be deleted)"


def _environment(path: Path) -> CheckResult:
    deployment = Deployment.from_environment(path)
    ledger = "Postgres" if deployment.ledger_url else "SQLite"
    return True, f"{deployment.environment}, asking as {deployment.principal}, ledger in {ledger}"


def _policy(path: Path) -> CheckResult:
    file = Deployment.from_environment(path).policy_file
    policy = read_policy(file)
    return True, f"{len(policy.rules)} rules of {file or 'the built-in policy'}, SHA-256 {policy.sha256[:12]}"


def _budgets(control_plane: ControlPlane, now: datetime) -> CheckResult:
    if not control_plane.policy.budgets:
        return True, "none: each experiment has its own"
    ledger = control_plane.ledger
    used = spending(control_plane.policy.all_spending_limits(ledger.principals()), ledger, now)
    near = [one for one in used if one.is_near]
    if near:
        return False, f"{'; '.join(map(str, near))}. More is refused at the limit: `budgets` in the policy raises it"
    return True, "; ".join(map(str, used))


def _clock(dispatcher: Dispatcher, now: datetime) -> CheckResult:
    """Compare this machine's clock with the ledger's: its server's, or the time of its newest event."""
    ledger, clock_text = dispatcher.ledger, f"{now:%Y-%m-%d %H:%M:%S} UTC"
    there = ledger.read_time(now)
    skew = (now - there).total_seconds()
    if ledger.has_server_clock:
        seen = f"{clock_text}, {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the ledger's server, whose clock decides"
        return abs(skew) <= TOLERANCE_SECONDS, seen
    if problems := dispatcher.clock_problems():
        return False, "; ".join(problems)
    if timedelta(seconds=-skew) <= CLOCK_TOLERANCE:
        return True, f"{clock_text}, later than every event of the ledger"
    return False, (
        f"{clock_text}, and the ledger has an event of {there:%Y-%m-%d %H:%M:%S}: set the clock, or find what set it ahead; until "
        "then new events get that time, and what is in doubt waits for it"
    )


def _provider_clock(dispatcher: Dispatcher, provider: str) -> CheckResult:
    skew = dispatcher.time.provider_skew_seconds(provider)
    if skew is None:  # heard a moment ago, or there would be no such check
        return True, "its answers carry no time"
    seen = f"the ledger's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} its own"
    too_far = "; nothing is sent there and nothing expires until the clock is set"
    return (True, seen) if abs(skew) <= TOLERANCE_SECONDS else (False, seen + too_far)


def _chain(audit: LedgerAudit) -> CheckResult:
    compared = f"compared from event {audit.start.position + 1} on" if audit.start.position else "all compared"
    whole = f"{audit.head.position} events, all links whole, {compared}, the last one is {audit.head.hash[:12]}"
    return not audit.chain, "; ".join(audit.chain) or whole


def _audited(found: Sequence[str], well: str, introduction: str = "") -> CheckResult:
    """Name the first findings of an audit; nothing is paid for a job whose rows are among them."""
    more = f"; and {len(found) - MAX_LISTED_JOBS} more" if len(found) > MAX_LISTED_JOBS else ""
    named = introduction + "; ".join(found[:MAX_LISTED_JOBS]) + more
    return not found, f"{named} (docs/runbook.md, *When the ledger was changed*)" if found else well


def _breakers(ledger: Ledger, now: datetime) -> CheckResult:
    opened = [breaker for breaker in ledger.breakers() if breaker.state != "closed"]
    stuck = [b for b in opened if b.opened_at is not None and now - b.opened_at > BREAKER_OPEN_LIMIT]
    seen = "; ".join(
        f"{b.backend} is {b.state.replace('_', ' ')} after {b.failures} failures ({b.reason}), tried again at "
        f"{b.retry_at:%H:%M:%S} UTC"
        for b in opened
    )
    return not stuck, seen or "all closed"


def _open_jobs(control_plane: ControlPlane) -> CheckResult:
    jobs = control_plane.ledger.jobs(states=list(OPEN))
    for backend in sorted({job.backend for job in jobs} & set(control_plane.backends)):
        if missing := control_plane.dispatcher.missing_setting(backend):
            return False, f"those on '{backend}' cannot be polled or collected: {missing}"
    return True, f"{len(jobs)} with their providers"


def _overdue(ledger: Ledger, now: datetime) -> CheckResult:
    late = [job for job in ledger.jobs(states=NOT_ENDED) if has_missed_deadline(job, now)]
    if not late:
        return True, "none"
    return False, f"{_list_job_ids(late)}: the sensor qpu_poll ends them; start it (`make ui`), or cancel them"


def _cancellations(ledger: Ledger) -> CheckResult:
    jobs = ledger.jobs(states=CANCEL_REQUEST_MAY_WAIT, cancel_intended=True)
    return not jobs, explain_requests(jobs, ledger, _list_job_ids) if jobs else "none"


def _submitting(ledger: Ledger, now: datetime) -> CheckResult:
    jobs = ledger.jobs(states=[JobState.SUBMITTING])
    lost = [job for job in jobs if now - job.updated_at > SUBMITTING_LIMIT]
    if not lost:
        return True, f"{len(jobs)} under way"
    return (
        False,
        f"{_list_job_ids(lost)}: their process is gone; run their experiments again, which looks them up first",
    )


def _waiting(ledger: Ledger, state: JobState, now: datetime) -> CheckResult:
    jobs = ledger.jobs(states=[state])
    if not jobs:
        return True, "none"
    return False, f"{_list_job_ids(jobs)}. {next_steps(jobs[0], now)}"


def _uncollected(ledger: Ledger, now: datetime) -> CheckResult:
    jobs = uncollected_jobs(ledger, now)
    if not jobs:
        return True, "none"
    more = f"; and {len(jobs) - MAX_LISTED_JOBS} more" if len(jobs) > MAX_LISTED_JOBS else ""
    return False, "; ".join(describe(job) for job in jobs[:MAX_LISTED_JOBS]) + more


def _list_job_ids(jobs: Sequence[JobRecord]) -> str:
    more = f" and {len(jobs) - MAX_LISTED_JOBS} more" if len(jobs) > MAX_LISTED_JOBS else ""
    return ", ".join(job.job_id for job in jobs[:MAX_LISTED_JOBS]) + more


def _unnamed_backends(control_plane: ControlPlane) -> CheckResult:
    """Name open jobs whose backend today's settings do not name; they are polled and collected all the same."""
    known = set(control_plane.backends)
    jobs = [job for job in control_plane.ledger.jobs(states=list(OPEN)) if job.backend not in known]
    if not jobs:
        return True, "none"
    return False, f"{_list_job_ids(jobs)}: {UNNAMED_BACKEND}"


def _stopped(stops: Stops) -> CheckResult:
    """Name what a person stopped; that is their word, and nothing to mend."""
    notes = [f"{key} (by {stop.principal}, {stop.reason})" for key in stops if (stop := stops.get(key)) is not None]
    return True, f"{', '.join(notes)}: `qhybrid run KEY` goes on with one" if notes else "none"


def _locks(folder: Path) -> CheckResult:
    """Name the locks that are held. The kernel gives back a dead process's locks, so a held one has a living holder."""
    held = []
    for file in sorted(folder.glob("*.lock")):
        try:
            with FileLock(file, timeout=0):
                pass
        except Timeout:
            held.append(file.stem)
    return True, f"held by running processes: {', '.join(held)}" if held else "none held"


def _unfinished(folder: Path) -> CheckResult:
    """Name what processes left unfinished that ran on other machines, or before the last boot; only a person can know."""
    left = foreign_leftovers(folder)
    if not left:
        return True, "none of other machines"
    return True, (
        f"{len(left)} in {folder}, of processes on other machines or before this one was started: remove them if those have "
        "ended"
    )


def _warehouse(home: Home, control_plane: ControlPlane) -> CheckResult:
    try:
        if not matches_published_checksum(home):
            return False, (
                f"{home.warehouse} has other bytes than were published (a damaged disk, or somebody wrote to "
                "it): delete it and publish again; the data is in the lake"
            )
    except Timeout:
        return True, "is being published"
    except FileNotFoundError:
        return True, "not there yet; the next publish makes it"
    if missing := unreadable_files(home):
        return False, f"{len(missing)} files of the lake are missing from it: {'; '.join(missing[:MAX_LISTED_JOBS])}"
    return True, "older than the lake; the next publish renews it" if is_stale(
        home, control_plane.ledger
    ) else "up to date"


def _lake(home: Home) -> CheckResult:
    """Say where the tables are; of a lake on objects, whether its catalogue and its store answer and belong together."""
    return True, open_store(home).describe()


def _spool(folder: Path) -> CheckResult:
    waiting = len(list(folder.glob("*.json"))) if folder.is_dir() else 0
    return True, f"{waiting} records wait; `qhybrid sync` sends them"


def _quarantine(folder: Path) -> CheckResult:
    files = len(list(folder.glob("*.error.json"))) if folder.is_dir() else 0
    return True, f"{files} files; each has a .error.json beside it"


def _telemetry() -> CheckResult:
    log, exporter = logger_from_environment(os.environ), exporter_from_environment()
    return True, f"steps are {'' if log else 'not '}logged, spans are {'sent' if exporter else 'not sent'}"


def _provider_checks(control_plane: ControlPlane, specifications: Specifications) -> Iterator[Row]:
    """Yield a check of every provider's key and of every backend; one that nothing here uses may be out of reach."""
    used = {job.backend for job in control_plane.ledger.jobs(states=list(OPEN))}
    for _, spec in load_readable(specifications, specifications, Damage()):
        used |= set(spec.backends)
    for name, check in control_plane.dispatcher.key_checks().items():
        yield _downgrade_if_unused(
            _row(f"key of {name}", partial(_check_key, check)), is_used=any(b.startswith(f"{name}:") for b in used)
        )
    for backend in control_plane.backends:
        asked = _row(f"ask {backend}", partial(_status, control_plane.dispatcher, backend))
        yield _downgrade_if_unused(asked, is_used=backend in used)
    for name in sorted({backend.partition(":")[0] for backend in control_plane.backends}):
        if control_plane.dispatcher.time.provider_skew_seconds(name) is not None:
            yield _row(f"clock of {name}", partial(_provider_clock, control_plane.dispatcher, name))


def _downgrade_if_unused(row: Row, *, is_used: bool) -> Row:
    return row if row["ok"] or is_used else row | {"ok": True, "finding": f"{row['finding']}; no experiment names it"}


def _check_key(check: Callable[[], None]) -> CheckResult:
    check()
    return True, "accepted"


def _status(dispatcher: Dispatcher, backend: str) -> CheckResult:
    status = dispatcher.status(backend)
    queue = "" if status.queued_jobs is None else f", {status.queued_jobs} jobs wait"
    queue += "" if status.queue_seconds is None else f", about {status.queue_seconds:.0f} s"
    why = f" ({status.reason})" if status.reason else ""
    return status.online, ("takes jobs" if status.online else f"takes no jobs now{why}") + queue
