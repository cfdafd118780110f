"""What a caller may still spend: the budgets of the policy that are its own, as the ledger counts them.

The ledger holds them, in the transaction that writes a job down, whoever runs the experiment (`control.ledger.sql.budget_rows`). Here
they are shown, and a request that has money to spend is refused before it is accepted on a day on which nothing is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.service.problem_documents import Problem, ProblemError

if TYPE_CHECKING:
    from qhybrid_pipelines.control.control_plane import ControlPlane


def money_rows(control_plane: ControlPlane, principal: str) -> Iterator[dict[str, Any]]:
    """Yield each budget that is a principal's own: what it is, how much is used in US dollars, and when it begins again."""
    ledger = control_plane.ledger
    now = ledger.read_time(datetime.now(UTC))
    for limit in control_plane.policy.spending_limits_for(principal):
        if limit.principal == principal:
            used, period = ledger.committed_usd(limit, now), limit.period(now)
            yield {
                "limit_usd": limit.limit_usd,
                "used_usd": used,
                "remaining_usd": max(round(limit.limit_usd - used, 6), 0.0),
                "per": limit.per,
                "provider": limit.provider,
                "resets_at": None if period is None else period[1].isoformat(),
            }


def refuse_if_spent(control_plane: ControlPlane, principal: str, *, budget_usd: float) -> None:
    """Return if a principal has something left of its day, for an experiment that may spend something.

    Raises:
        ProblemError: 429, it has spent or reserved the whole of a day's budget at all providers.
    """
    if not budget_usd or not control_plane.policy.budgets:
        return
    for row in money_rows(control_plane, principal):
        if row["per"] == "day" and row["provider"] is None and not row["remaining_usd"]:
            until = datetime.fromisoformat(row["resets_at"]) - datetime.now(UTC)
            raise ProblemError(
                Problem(
                    status=429,
                    code="quota-exceeded",
                    detail=f"Today's budget of ${row['limit_usd']:.2f} is spent or reserved.",
                    remedy="Send it after midnight UTC, or with `budget: {usd: 0}` where it costs nothing; nothing was accepted.",
                    field="specification.budget.usd",
                    retry_after_seconds=max(until.total_seconds(), 1.0),
                )
            )
