"""Counts and sums over the jobs of a ledger: one statement each, however many jobs there are, and no record of any of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import BigInteger, Connection, case, func, select, type_coerce

from qhybrid_pipelines.control.ledger.budget import from_micro_usd
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.control.ledger.sql import tables
from qhybrid_pipelines.control.ledger.sql.budget_rows import select_committed_usd
from qhybrid_pipelines.control.ledger.sql.queries import LAST_ATTEMPT
from qhybrid_pipelines.control.ledger.totals import BudgetTotals, JobTotals


class SqlTotals(ABC):
    """What `control.ledger.sql_ledger.SqlLedger` answers without reading jobs; the port says what each method does."""

    @abstractmethod
    def _snapshot(self) -> AbstractContextManager[Connection]:
        """Give a connection that only reads."""

    def job_totals(self, *, without: str | None = None, since: datetime | None = None) -> list[JobTotals]:
        """Return how many jobs there are by backend and state, with their sums."""
        job = tables.job.c
        charged = type_coerce(job.cost_settled_usd, BigInteger)
        lately = case((job.updated_at >= since, charged), else_=0) if since is not None else type_coerce(0, BigInteger)
        statement = select(
            job.backend,
            job.state,
            func.count().label("jobs"),
            func.sum(job.shots).label("shots"),
            func.sum(job.attempt).label("attempts"),
            func.min(job.created_at).label("oldest_created_at"),
            func.max(job.updated_at).label("last_updated_at"),
            *(
                func.coalesce(func.sum(type_coerce(value, BigInteger)), 0).label(name)
                for name, value in (
                    ("quoted_usd", job.cost_quoted_usd),
                    ("reported_usd", job.cost_usd),
                    ("charged_usd", charged),
                    ("charged_lately_usd", lately),
                )
            ),
        ).group_by(job.backend, job.state)
        if without is not None:
            statement = statement.where(job.experiment != without)
        with self._snapshot() as connection:
            rows = [dict(row) for row in connection.execute(statement).mappings()]
        found = [
            JobTotals(
                **row
                | {name: int(row[name]) for name in ("shots", "attempts")}
                | {name: from_micro_usd(int(value)) for name, value in row.items() if name.endswith("_usd")}
            )
            for row in rows
        ]
        return sorted(found, key=lambda totals: (totals.backend, totals.state))

    def budget_totals(self) -> BudgetTotals:
        """Return the budgets of all experiments together."""
        columns = ("limit_usd", "reserved_usd", "settled_usd")
        sums = (func.sum(type_coerce(tables.budget.c[name], BigInteger)) for name in columns)
        with self._snapshot() as connection:
            row = connection.execute(select(*sums)).one()
        return BudgetTotals(**{name: from_micro_usd(int(value or 0)) for name, value in zip(columns, row, strict=True)})

    def principals(self) -> set[str]:
        """Return who asked for the jobs."""
        with self._snapshot() as connection:
            return set(connection.scalars(select(tables.job.c.principal).distinct()))

    def newest_accepted(self, backend: str, *, planned_before: datetime, limit: int) -> list[str]:
        """Return the provider's ids of the jobs of a backend that changed last."""
        job, attempt = tables.job.c, tables.attempt.c
        accepted = (
            select(attempt.provider_job_id)
            .select_from(tables.job.join(tables.attempt, LAST_ATTEMPT))
            .where(job.backend == backend, attempt.provider_job_id.is_not(None), job.created_at <= planned_before)
            .order_by(job.updated_at.desc(), attempt.provider_job_id.desc())
        )
        with self._snapshot() as connection:
            return [str(name) for name in connection.scalars(accepted.limit(limit))]

    def committed_usd(self, limit: SpendingLimit, at: datetime, *, without: str = "") -> float:
        """Return how much of a limit is used, in US dollars."""
        with self._snapshot() as connection:
            return select_committed_usd(connection, limit, at, without=without)
