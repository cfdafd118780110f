"""Reading rows of a ledger's database as they are stored, and comparing them with what the events say."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, TableClause, column, func, or_, select, table

from qhybrid_pipelines.control.ledger.chain.event_chain import event_hash
from qhybrid_pipelines.control.ledger.lifecycle import SETTLED
from qhybrid_pipelines.control.ledger.sql import tables
from qhybrid_pipelines.control.ledger.sql.row_audit import BudgetSum, JobRows, compare_budget, compare_job, rebuild
from qhybrid_pipelines.core.jobs.job_states import JobState

#: Jobs whose rows and events are in memory at a time.
JOBS_PER_PAGE = 500
#: Jobs that the database looks at, though nothing was written about them, and events for each of them.
SAMPLE, EVENTS_PER_JOB = 50_000, 10

#: The tables without the types of their columns: what is compared is what is stored.
_JOB, _ATTEMPT, _EVENT, _RESULT, _BUDGET = (
    table(described.name, *(column(c.name) for c in described.c))
    for described in (tables.job, tables.attempt, tables.event, tables.result_ref, tables.budget)
)


def audit_all(connection: Connection) -> list[str]:
    """Compare every row with the events."""
    known = select(_JOB.c.job_id).union(select(_EVENT.c.job_id), select(_ATTEMPT.c.job_id), select(_RESULT.c.job_id))
    findings, budgets = _audit_jobs(connection, sorted(connection.scalars(known)))
    return findings + _audit_budgets(connection, budgets, {row["experiment"] for row in _rows(connection, _BUDGET)})


def audit_changed(
    connection: Connection,
    position: int,
) -> list[str]:
    """Compare the rows of the jobs that have an event after a position, that are not settled, or that contradict it.

    A job whose state or number of events is not that of its last event is found wherever that event is, and so are
    jobs without events and events without a job: the database compares these for all jobs of a ledger that has at most
    `SAMPLE` of them, and for as many neighbours, another part each time, of a larger one.

    Args:
        connection: in a transaction.
        position: of the last event that was compared before.
    """
    some, positions = _some_jobs(connection, SAMPLE), _some_positions(connection, SAMPLE * EVENTS_PER_JOB)
    grouped = select(_EVENT.c.job_id, func.max(_EVENT.c.sequence).label("sequence")).group_by(_EVENT.c.job_id)
    last = (grouped if some is None else grouped.where(_EVENT.c.job_id.in_(some))).subquery()
    ends = (
        select(_EVENT.c.job_id, _EVENT.c.sequence, _EVENT.c.to_state, _EVENT.c.observed_at_us)
        .join(last, (_EVENT.c.job_id == last.c.job_id) & (_EVENT.c.sequence == last.c.sequence))
        .subquery()
    )
    with_ends = _JOB.outerjoin(ends, _JOB.c.job_id == ends.c.job_id)
    contradicts = or_(
        ends.c.job_id.is_(None),
        _JOB.c.version != ends.c.sequence,
        _JOB.c.state != ends.c.to_state,
        _JOB.c.updated_at_us != ends.c.observed_at_us,
    )
    compared = select(_JOB.c.job_id).select_from(with_ends).where(contradicts)
    is_there = select(_JOB.c.job_id).where(_JOB.c.job_id == _EVENT.c.job_id).exists()
    unsettled = [str(state) for state in JobState if state not in SETTLED]
    wanted = (
        select(_EVENT.c.job_id).where(_EVENT.c.position > position),
        select(_JOB.c.job_id).where(_JOB.c.state.in_(unsettled)),
        compared if some is None else compared.where(_JOB.c.job_id.in_(some)),
        select(_EVENT.c.job_id).where(_EVENT.c.position.between(*positions), ~is_there),
    )
    job_ids = {job_id for statement in wanted for job_id in connection.scalars(statement)}
    findings, budgets = _audit_jobs(connection, sorted(job_ids))
    siblings: set[str] = set()
    for page in _pages(sorted(budgets)):
        siblings.update(connection.scalars(select(_JOB.c.job_id).where(_JOB.c.experiment.in_(page))))
    siblings -= job_ids
    more, others = _audit_jobs(connection, sorted(siblings))
    for experiment, other in others.items():
        mine = budgets.setdefault(experiment, BudgetSum())
        mine.limits |= other.limits
        mine.reserved_microusd += other.reserved_microusd
        mine.settled_microusd += other.settled_microusd
    return findings + more + _audit_budgets(connection, budgets, budgets)


def _some_jobs(connection: Connection, most: int) -> Select[tuple[str]] | None:
    """Return which jobs are looked at, neighbours by id from a random place on; None is all, where there are few."""
    number = int(connection.scalar(select(func.count()).select_from(_JOB)) or 0)
    if number <= most:
        return None
    start = most * secrets.randbelow(-(-number // most))
    return select(_JOB.c.job_id).order_by(_JOB.c.job_id).offset(start).limit(most)


def _some_positions(connection: Connection, most: int) -> tuple[int, int]:
    """Return the first and the last position of the events that are looked at, from a random place on where there are many."""
    end = int(connection.scalar(select(func.max(_EVENT.c.position))) or 0)
    start = most * secrets.randbelow(-(-end // most)) if end > most else 0
    return start + 1, start + most


def audit_one(connection: Connection, job_id: str) -> list[str]:
    """Compare the rows of one job with its events, and the budget of its experiment with its jobs."""
    events = _grouped(connection, _EVENT, [job_id], order=_EVENT.c.sequence)[job_id]
    broken = [f"event {event['position']} does not match its own hash" for event in events if not _is_sealed(event)]
    if broken:
        return broken
    findings, budgets = _audit_jobs(connection, [job_id])
    for experiment, said in budgets.items():
        is_settled = _JOB.c.cost_settled_microusd.is_not(None)
        sums = select(
            func.sum(_JOB.c.cost_quoted_microusd).filter(~is_settled), func.sum(_JOB.c.cost_settled_microusd)
        ).where(_JOB.c.experiment == experiment)
        reserved, settled = connection.execute(sums).one()
        said.reserved_microusd, said.settled_microusd = int(reserved or 0), int(settled or 0)
    return findings + _audit_budgets(connection, budgets, budgets)


def _audit_jobs(connection: Connection, job_ids: Iterable[str]) -> tuple[list[str], dict[str, BudgetSum]]:
    """Compare the rows of some jobs; return what differs, and what their events say about budgets."""
    findings: list[str] = []
    budgets: dict[str, BudgetSum] = defaultdict(BudgetSum)
    for page in _pages(job_ids):
        jobs = _grouped(connection, _JOB, page)
        attempts = _grouped(connection, _ATTEMPT, page)
        results = _grouped(connection, _RESULT, page)
        events = _grouped(connection, _EVENT, page, order=_EVENT.c.sequence)
        for job_id in page:
            found = JobRows(
                job_id=job_id,
                job=next(iter(jobs[job_id]), None),
                attempts={attempt["number"]: attempt for attempt in attempts[job_id]},
                result=next(iter(results[job_id]), None),
            )
            try:
                said = rebuild(job_id, events[job_id])
            except ValueError as error:
                findings.append(str(error))
                continue
            findings += compare_job(said, found, has_events=bool(events[job_id]))
            if said.job is not None:
                budgets[said.job["experiment"]].add(said)
            if found.job is not None:
                _ = budgets[found.job["experiment"]]
    return findings, dict(budgets)


def _audit_budgets(connection: Connection, budgets: Mapping[str, BudgetSum], experiments: Collection[str]) -> list[str]:
    findings: list[str] = []
    for page in _pages(sorted({*budgets, *experiments})):
        rows = _rows(connection, _BUDGET, _BUDGET.c.experiment.in_(page))
        found = {row["experiment"]: row for row in rows}
        for experiment in page:
            findings += compare_budget(experiment, budgets.get(experiment, BudgetSum()), found.get(experiment))
    return findings


def _rows(connection: Connection, source: TableClause, *conditions: Any) -> Iterator[dict[str, Any]]:
    for row in connection.execute(select(source).where(*conditions)):
        yield row._asdict()


def _grouped(
    connection: Connection, source: TableClause, job_ids: Collection[str], *, order: Any = None
) -> dict[str, list[dict[str, Any]]]:
    """Return rows by the job that they belong to."""
    grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
    statement = select(source).where(source.c.job_id.in_(job_ids))
    for row in connection.execute(statement if order is None else statement.order_by(order)):
        grouped[row.job_id].append(row._asdict())
    return grouped


def _pages(values: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(values)
    while page := list(islice(remaining, JOBS_PER_PAGE)):
        yield page


def _is_sealed(event: Mapping[str, Any]) -> bool:
    try:
        return bool(event_hash(event) == event["hash"])
    except (TypeError, ValueError):
        return False
