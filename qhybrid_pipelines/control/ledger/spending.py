"""What all experiments together may spend: in a day, in a calendar month or ever, at one provider or all, asked for by one principal or all.

Beside the budget of each experiment (`control.ledger.budget`). A limit has no account of its own: what counts is what the jobs
were charged, and what those that have not ended were quoted, summed inside the transaction that writes the next one down. A job
counts in the day and month, UTC, in which it was written down. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from qhybrid_pipelines.control.ledger.budget import format_usd, from_micro_usd, to_micro_usd
from qhybrid_pipelines.core.errors import Refused

#: Share of a limit from which on people are warned.
WARNING_SHARE = 0.8
Period = Literal["day", "month", "ever"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingLimit:
    """A limit of the policy.

    Attributes:
        limit_usd: US dollars.
        provider: whose jobs count; None is all of them.
        per: the limit is for each day or calendar month, UTC, or for all time.
        schedule: readable part of the keys of scheduled experiments, without the date, whose jobs count; None is all.
        principal: who asked for the jobs that count; None is everybody.
    """

    limit_usd: float
    provider: str | None = None
    per: Period = "month"
    schedule: str | None = None
    principal: str | None = None

    def counts(self, provider: str) -> bool:
        """Tell whether jobs of a provider count."""
        return self.provider in (None, provider)

    @property
    def key_pattern(self) -> str | None:
        """The keys of a schedule's experiments as SQL's LIKE says it; None where all experiments count."""
        return None if self.schedule is None else f"{self.schedule}-____-__-__-%"

    def period(self, at: datetime) -> tuple[datetime, datetime] | None:
        """Return the day or month of a moment, its first moment and that of the next one, UTC; None for all time."""
        if self.per == "ever":
            return None
        start = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self.per == "day":
            return start, start + timedelta(days=1)
        start = start.replace(day=1)
        following = (start.year + start.month // 12, start.month % 12 + 1)
        return start, start.replace(year=following[0], month=following[1])

    def label(self, at: datetime) -> str:
        """Return what the limit is of, in words."""
        whose = "all providers" if self.provider is None else f"provider '{self.provider}'"
        if self.schedule is not None:
            whose = f"the schedule of '{self.schedule}'"
        if self.principal is not None:
            whose = f"'{self.principal}'" if self.provider is None else f"'{self.principal}' at {whose}"
        at = at.astimezone(UTC)
        when = {"day": f"on {at:%Y-%m-%d}", "month": f"in {at:%Y-%m}", "ever": "for all time"}
        return f"{whose} {when[self.per]}"


def check_spending(limit: SpendingLimit, committed_usd: float, quote_usd: float, *, backend: str, at: datetime) -> None:
    """Return if a limit holds one more quote.

    Args:
        limit: applies to the backend's provider.
        committed_usd: charged to the jobs that count, and quoted for those that have not ended.
        quote_usd: of the job that is to be written down.
        backend: where it would run.
        at: when it would be written down.

    Raises:
        Refused: it does not; names limit, quote and remedy.
    """
    needed = to_micro_usd(committed_usd) + to_micro_usd(quote_usd)
    if needed > to_micro_usd(limit.limit_usd):
        wait = "" if limit.per == "ever" else f", wait for the next {limit.per}"
        place = "the policy's `budgets`" if limit.schedule is None else "`max_usd_per_month` of its page"
        who = "the policy" if limit.schedule is None else "its page"
        raise Refused(
            f"{who} lets {limit.label(at)} spend {format_usd(limit.limit_usd)}, of which "
            f"{format_usd(committed_usd)} are spent or reserved, and '{backend}' quotes {format_usd(quote_usd)} for this job. "
            f"Raise it to {format_usd(from_micro_usd(needed))} or more in {place}{wait}, or lower shots, "
            "repetitions or sweep.points."
        )


def spending_sentence(limit: SpendingLimit, committed_usd: float, at: datetime) -> str:
    """Return how much of a limit is used."""
    share = committed_usd / limit.limit_usd if limit.limit_usd else float(committed_usd > 0)
    used = f"{format_usd(committed_usd)} of {format_usd(limit.limit_usd)}"
    return f"{limit.label(at)}: {used} spent or reserved ({share:.0%})"


def is_near(limit: SpendingLimit, committed_usd: float) -> bool:
    """Tell whether so much of a limit is used that people are warned."""
    return committed_usd >= WARNING_SHARE * limit.limit_usd > 0
