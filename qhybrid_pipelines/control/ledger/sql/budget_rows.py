"""The budgets of the experiments, inside the transaction that writes an intent or an end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, func, insert, select, type_coerce, update

from qhybrid_pipelines.control.ledger.budget import (
    Account,
    correct_charge,
    from_micro_usd,
    replace_reservation,
    reserve,
    round_stored_usd,
    settle,
)
from qhybrid_pipelines.control.ledger.records import JobRecord, Plan
from qhybrid_pipelines.control.ledger.spending import SpendingLimit, check_spending
from qhybrid_pipelines.control.ledger.sql import tables
from qhybrid_pipelines.control.ledger.sql.queries import parts
from qhybrid_pipelines.core.errors import Refused


def get_account(connection: Connection, experiment: str) -> Account | None:
    """Return what an experiment may spend and has spent, or None."""
    row = (
        connection.execute(
            select(*(column.label(column.key) for column in tables.budget.c)).where(
                tables.budget.c.experiment == experiment
            )
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else Account(**row)


def get_accounts(connection: Connection, experiments: Collection[str]) -> dict[str, Account]:
    """Return what some experiments may spend and have spent, by experiment."""
    columns = [column.label(column.key) for column in tables.budget.c]
    found: dict[str, Account] = {}
    for names in parts(experiments):
        rows = connection.execute(select(*columns).where(tables.budget.c.experiment.in_(names)))
        found |= {row["experiment"]: Account(**row) for row in rows.mappings()}
    return found


def reserve_quote(connection: Connection, plan: Plan) -> None:
    """Reserve the quote of a plan.

    Raises:
        Refused: the budget does not hold it, or is another one than the experiment's jobs were given before.
    """
    known = get_account(connection, plan.experiment)
    limit_usd = round_stored_usd(plan.budget_usd)
    account = known or Account(experiment=plan.experiment, limit_usd=limit_usd)
    if account.limit_usd != limit_usd:
        raise Refused(
            f"experiment '{plan.experiment}' was given a budget of ${account.limit_usd:.2f}, and now one of "
            f"${plan.budget_usd:.2f}. A budget belongs to its experiment: change budget.usd in the specification, "
            "which makes it another experiment."
        )
    reserved = reserve(account, plan.cost_quoted_usd, backend=plan.backend)
    if known is None:
        connection.execute(insert(tables.budget).values(_account_columns(reserved)))
    else:
        _update_account(connection, reserved)


def check_spending_limits(
    connection: Connection,
    limits: Sequence[SpendingLimit],
    quote_usd: float,
    *,
    backend: str,
    provider: str,
    at: datetime,
    job_id: str,
) -> None:
    """Return if the limits of the policy hold one more quote; what costs nothing is held by every limit.

    Args:
        connection: in a transaction that writes alone.
        limits: of the policy.
        quote_usd: to be reserved.
        backend: where the job runs.
        provider: of that backend.
        at: when the job was written down, which says the day and the month.
        job_id: of the job, whose own quote is to be replaced if it is in the ledger already.

    Raises:
        Refused: one of them does not.
    """
    for limit in limits if quote_usd else ():
        if limit.counts(provider):
            committed_usd = select_committed_usd(connection, limit, at, without=job_id)
            check_spending(limit, committed_usd, quote_usd, backend=backend, at=at)


def select_committed_usd(connection: Connection, limit: SpendingLimit, at: datetime, *, without: str = "") -> float:
    """Return what was charged to the jobs that count for a limit, and quoted for those that have not ended, in US dollars.

    Args:
        connection: in a transaction.
        limit: says which jobs count.
        at: says the day or the month.
        without: id of a job that is left out.
    """
    job = tables.job.c
    committed = type_coerce(func.coalesce(job.cost_settled_usd, job.cost_quoted_usd), BigInteger)
    statement = select(func.sum(committed)).where(job.job_id != without)
    if limit.provider is not None:
        statement = statement.where(job.provider == limit.provider)
    if limit.principal is not None:
        statement = statement.where(job.principal == limit.principal)
    if limit.key_pattern is not None:
        statement = statement.where(job.experiment.like(limit.key_pattern))
    if (period := limit.period(at)) is not None:
        statement = statement.where(job.created_at >= period[0], job.created_at < period[1])
    return from_micro_usd(int(connection.scalar(statement) or 0))


def replace_reserved_quote(connection: Connection, job: JobRecord, quote_usd: float) -> None:
    """Reserve another quote in place of a job's own.

    Raises:
        Refused: the budget does not hold it.
    """
    account = get_account(connection, job.experiment)
    if account is None:
        raise ValueError(f"job {job.job_id} has no budget")
    changed = replace_reservation(account, released_usd=job.cost_quoted_usd, quote_usd=quote_usd, backend=job.backend)
    _update_account(connection, changed)


def settle_job(connection: Connection, job: JobRecord, *, charged_before_usd: float | None) -> None:
    """Charge what a job cost that has ended: for the first time in place of its quote, later in that of its last charge."""
    account = get_account(connection, job.experiment)
    if account is None or job.cost_settled_usd is None:
        raise ValueError(f"job {job.job_id} has nothing to settle")
    if charged_before_usd is None:
        settled = settle(account, quote_usd=job.cost_quoted_usd, charged_usd=job.cost_settled_usd)
    else:
        settled = correct_charge(account, before_usd=charged_before_usd, charged_usd=job.cost_settled_usd)
    _update_account(connection, settled)


def _account_columns(account: Account) -> dict[str, Any]:
    return {field.name: getattr(account, field.name) for field in fields(account)}


def _update_account(connection: Connection, account: Account) -> None:
    connection.execute(
        update(tables.budget)
        .where(tables.budget.c.experiment == account.experiment)
        .values(reserved_usd=account.reserved_usd, settled_usd=account.settled_usd)
    )
