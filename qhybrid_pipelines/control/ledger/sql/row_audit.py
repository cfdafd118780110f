"""Whether the rows of a ledger are what its events say: rows are rebuilt from the sealed events and compared, cell by cell.

Pure. Whether the events themselves are as they were written is `control.ledger.chain.event_chain`; which rows are compared, and
how they are read, is `control.ledger.sql.audit`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Columns = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRows:
    """The rows that belong to one job, by the names and values that the database has.

    Attributes:
        job: its row of `job`, None where there is none.
        attempts: its rows of `attempt`, by number.
        result: its row of `result_ref`.
        budget_limit_microusd: of its experiment; only events say this, the row of `budget` is compared by itself.
    """

    job_id: str
    job: Columns | None = None
    attempts: Mapping[int, Columns] = field(default_factory=dict)
    result: Columns | None = None
    budget_limit_microusd: int | None = None


@dataclass(slots=True)
class BudgetSum:
    """What the events of an experiment's jobs say about its budget.

    Attributes:
        limits: that its jobs were planned with; one, if all is well.
        reserved_microusd: quotes of the jobs that have not settled.
        settled_microusd: what the others were charged.
    """

    limits: set[int] = field(default_factory=set)
    reserved_microusd: int = 0
    settled_microusd: int = 0

    def add(self, rows: JobRows) -> None:
        """Count one job in."""
        job = rows.job or {}
        if rows.budget_limit_microusd is not None:
            self.limits.add(rows.budget_limit_microusd)
        settled = job.get("cost_settled_microusd")
        if settled is None:
            self.reserved_microusd += job.get("cost_quoted_microusd") or 0
        else:
            self.settled_microusd += settled


def rebuild(job_id: str, events: Sequence[Columns]) -> JobRows:
    """Return the rows of a job as its events say they are.

    Args:
        job_id: of the job.
        events: its stored events, in order.

    Raises:
        ValueError: the sealed facts of an event are not what the ledger writes.
    """
    job: dict[str, Any] = {}
    attempts: dict[int, dict[str, Any]] = {}
    result, limit = None, None
    for event in events:
        facts = _facts(event)
        if facts.get("job"):
            job |= facts["job"]
        for attempt in _attempts(facts):
            number = attempt["number"]
            attempts[number] = attempts.get(number, {"job_id": job_id}) | attempt
        if "result" in facts:
            result = {"job_id": job_id, "stored_at_us": event["observed_at_us"]} | facts["result"]
        if "budget" in facts:
            limit = facts["budget"]["limit_microusd"]
        job |= {"state": event["to_state"], "version": event["sequence"], "updated_at_us": event["observed_at_us"]}
    return JobRows(
        job_id=job_id,
        job=job if "job_id" in job else None,
        attempts=attempts,
        result=result,
        budget_limit_microusd=limit,
    )


def _attempts(facts: Columns) -> list[dict[str, Any]]:
    """Return what is said of attempts: of the last one, or of all where an older ledger was sealed as it stood."""
    return [*facts.get("attempts", ()), *([facts["attempt"]] if "attempt" in facts else ())]


def _facts(event: Columns) -> dict[str, Any]:
    try:
        facts = json.loads(event["facts"] or "{}")
        is_known = isinstance(facts, dict) and all("number" in attempt for attempt in _attempts(facts))
    except (TypeError, ValueError):
        is_known = False
    if not is_known:
        raise ValueError(f"event {event['position']} seals something that the ledger never writes")
    return dict(facts)


def compare_job(said: JobRows, found: JobRows, *, has_events: bool) -> Iterator[str]:
    """Yield how the rows of a job differ from what its events say, one sentence each."""
    name = f"job {said.job_id}"
    if found.job is None:
        yield f"{name} is not among the jobs, and {'the ledger has its events' if has_events else 'it has no event'}"
    elif not has_events:
        yield f"{name} has no event at all"
    elif said.job is None:
        yield f"{name} has events that do not say what it was planned as"
    else:
        yield from _differences(name, said.job, found.job)
    for number in sorted({*said.attempts, *found.attempts}):
        yield from _compare_row(f"attempt {number} of {name}", said.attempts.get(number), found.attempts.get(number))
    yield from _compare_row(f"the stored result of {name}", said.result, found.result)


def compare_budget(experiment: str, said: BudgetSum, found: Columns | None) -> Iterator[str]:
    """Yield how the row of a budget differs from what the events of its jobs say."""
    name = f"the budget of experiment '{experiment}'"
    if len(said.limits) > 1:
        yield f"{name} was sealed with several limits: {sorted(said.limits)} micro-dollars"
        return
    expected = {
        "experiment": experiment,
        "limit_microusd": next(iter(said.limits), None),
        "reserved_microusd": said.reserved_microusd,
        "settled_microusd": said.settled_microusd,
    }
    yield from _compare_row(name, expected if said.limits else None, found)


def _compare_row(name: str, said: Columns | None, found: Columns | None) -> Iterator[str]:
    if said is None and found is not None:
        yield f"{name} is in the ledger, and no event says so"
    elif said is not None and found is None:
        yield f"{name} is not in the ledger, and its events say that it was"
    elif said is not None and found is not None:
        yield from _differences(name, said, found)


def _differences(name: str, said: Columns, found: Columns) -> Iterator[str]:
    for column in sorted({*said, *found}):
        expected, stored = said.get(column), found.get(column)
        if expected != stored or type(expected) is not type(stored):
            yield f"{name}: {column} is {stored!r}, and its events say {expected!r}"
