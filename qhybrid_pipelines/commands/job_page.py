"""A job's life on one screen of 80 columns and 40 lines: who, what, when, how long, how much, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from textwrap import wrap
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.reporting.ledger_tables import Latency, latency
from qhybrid_pipelines.control.reporting.next_steps import next_steps

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.budget import Account
    from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord

PAGE_WIDTH, LABEL_WIDTH = 80, 12
#: More events than this leave no room for the rest; the first ones and the last ones are shown.
MAX_EVENTS = 10
LEADING_EVENTS = 4
BAR_WIDTH = 34
#: Of a text; advice may be longer, because it ends with the command, or with what is paid again. Then there are fewer events.
USUAL_LINES = 3
MOST_LINES_OF_ADVICE = 7
COMPONENTS = ("network", "orchestration", "compile", "queue", "execute", "fetch")
PROVIDER_COMPONENTS = ("queue", "execute")


def job_page(
    job: JobRecord,
    events: Sequence[EventRecord],
    account: Account | None,
    *,
    now: datetime,
    problems: Sequence[str] = (),
) -> str:
    """Return the page of a job as text; ``problems`` are what keeps it from going on and is not its own fault."""
    advice = [
        _label_lines(label, text, most_lines=MOST_LINES_OF_ADVICE)
        for label, text in (*(("problem", problem) for problem in problems), ("next", next_steps(job, now)))
    ]
    room = MAX_EVENTS - sum(max(0, len(lines) - USUAL_LINES) for lines in advice)
    return "\n".join(
        [
            f"{job.job_id}  {job.state}  on {job.backend}",
            *_field_lines(job, account),
            "",
            *_timeline(events, max(room, LEADING_EVENTS + 1)),
            "",
            *_waterfall(latency(job, events)),
            *_error_lines(job),
            *(line for lines in advice for line in lines),
        ]
    )


def duration(seconds: float | None) -> str:
    """Return seconds in the unit that fits: 12 ms, 3.4 s, 5 min 06 s, 2 h 05 min, 3 d 04 h; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, smaller, smaller_size in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller_size:02d} {smaller}"
    return f"{whole} s"


def dollars(usd: float | None) -> str:
    """Return an amount of money, or a dash where nobody knows."""
    return "-" if usd is None else f"${usd:,.2f}" if usd >= 0.01 or usd == 0 else f"${usd:.6f}"


def _field_lines(job: JobRecord, account: Account | None) -> list[str]:
    work = f"{job.circuits:,} circuits, {job.shots:,} shots, attempt {job.attempt}"
    limit = None if account is None else account.limit_usd
    left = None if account is None else account.limit_usd - account.reserved_usd - account.settled_usd
    money = (
        f"quoted {dollars(job.cost_quoted_usd)}, reported {dollars(job.cost_usd)}, "
        f"charged {dollars(job.cost_settled_usd)}; budget {dollars(limit)}, left {dollars(left)}"
    )
    fields: list[tuple[str, str | None]] = [
        ("experiment", job.experiment),
        ("asked for", job.requested_backend if job.requested_backend != job.backend else None),
        ("asked by", f"{job.principal} in {job.environment}, data {job.data_class}; trace {job.correlation_id}"),
        ("tier", f"{job.tier}, priority {job.priority}, {_deadline(job)}"),
        ("work", work + (f", engine {job.engine}" if job.engine else "")),
        ("provider id", job.provider_job_id),
        ("token", job.token),
        ("money", money),
        ("price", job.price_source),
        ("approved by", job.approved_by),
        ("went to", job.rerouted_to),
    ]
    return [line for label, value in fields if value for line in _label_lines(label, value, most_lines=2)]


def _deadline(job: JobRecord) -> str:
    return f"until {job.deadline_at:%Y-%m-%d %H:%M} UTC" if job.deadline_at else "no deadline"


def _timeline(events: Sequence[EventRecord], most: int) -> list[str]:
    """Return one line for each event, of up to ``most``: when, by whose clock, what, and how long after the one before."""
    lines = [f"{'when (UTC)':<19}{'clock':<9}{'event':<23}{'state':<18}{'after':>11}"]
    left_out = max(0, len(events) - most)
    before: datetime | None = None
    for index, event in enumerate(events):
        since = None if before is None else max(0.0, (event.at - before).total_seconds())
        before = event.at
        if LEADING_EVENTS <= index < LEADING_EVENTS + left_out:
            if index == LEADING_EVENTS:
                lines.append(f"... {left_out} more events, all of them with --json ...")
            continue
        when = f"{event.at:%m-%d %H:%M:%S}.{event.at.microsecond // 1000:03d}"
        lines.append(f"{when:<19}{event.clock:<9}{event.event:<23}{event.to_state:<18}{duration(since):>11}".rstrip())
    return lines


def _waterfall(parts: Latency) -> list[str]:
    """Return one bar for each component, each beginning where the one before it ended, and the two shares."""
    total = parts.total_seconds
    if not total:
        return [f"{'time':<{LABEL_WIDTH}}not known yet"]
    lines, begin = [], 0.0
    for component in COMPONENTS:
        seconds = getattr(parts, f"{component}_seconds")
        first, last = round(BAR_WIDTH * begin / total), round(BAR_WIDTH * (begin + (seconds or 0.0)) / total)
        mark = "▒" if component in PROVIDER_COMPONENTS else "█"
        bar = " " * min(first, BAR_WIDTH - 1) + mark * max(last - first, 1) if seconds else ""
        lines.append(f"{component:<15}{duration(seconds) or 'unknown':>12}  {bar}")
        begin += seconds or 0.0
    shares = [
        f"{name} {duration(seconds)} ({(seconds or 0.0) / total:.0%})"
        for name, seconds in (("█ application", parts.application_seconds), ("▒ provider", parts.provider_seconds))
        if seconds is not None
    ]
    return [*lines, f"in all {duration(total)}: {', '.join(shares)}"]


def _error_lines(job: JobRecord) -> list[str]:
    return ["", *_label_lines("error", job.error)] if job.error else [""]


def _label_lines(label: str, text: str, *, most_lines: int = USUAL_LINES) -> list[str]:
    """Return a label and a text beside it, folded into the page's width; what has no room is cut."""
    folded = wrap(" ".join(text.split()), PAGE_WIDTH - LABEL_WIDTH - 1, break_on_hyphens=False) or [""]
    if len(folded) > most_lines:
        folded = [*folded[: most_lines - 1], folded[most_lines - 1][: PAGE_WIDTH - LABEL_WIDTH - 5] + " ..."]
    return [f"{label if i == 0 else '':<{LABEL_WIDTH}} {line}" for i, line in enumerate(folded)]
