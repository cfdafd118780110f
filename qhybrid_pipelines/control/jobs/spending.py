"""How much of the policy's budgets is used, by the jobs of a ledger; the check that holds them is in the ledger itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.control.ledger.spending import SpendingLimit, check_spending, is_near, spending_sentence

#: Name of the warning in the detail of the event that plans a job.
WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """How much of a limit is used.

    Attributes:
        limit: of the policy.
        committed_usd: charged to the jobs that count, and quoted for those that have not ended.
        at: says the day and the month.
    """

    limit: SpendingLimit
    committed_usd: float
    at: datetime

    @property
    def is_near(self) -> bool:
        """Whether so much of it is used that people are warned."""
        return is_near(self.limit, self.committed_usd)

    def __str__(self) -> str:
        return spending_sentence(self.limit, self.committed_usd, self.at)


def spending(
    limits: Sequence[SpendingLimit], ledger: Ledger, at: datetime, *, without: str = ""
) -> tuple[Spending, ...]:
    """Return how much of each limit is used on the day or in the month of a moment, or for all time.

    Args:
        limits: of the policy.
        ledger: sums what its jobs were charged or quoted.
        at: says the day and the month.
        without: id of a job that is left out.
    """
    return tuple(
        Spending(limit=limit, committed_usd=ledger.committed_usd(limit, at, without=without), at=at) for limit in limits
    )


def check_quotes(
    limits: Sequence[SpendingLimit], ledger: Ledger, quotes_usd: Mapping[str, float], at: datetime, *, without: str = ""
) -> None:
    """Return if the limits would hold some more jobs, before these are written down.

    Args:
        limits: of the policy.
        ledger: has the jobs that count.
        quotes_usd: of the jobs to come, by backend.
        at: when they are written down.
        without: id of a job that is left out.

    Raises:
        Refused: one of them would not.
    """
    for used in spending(limits, ledger, at, without=without):
        more_usd, backends = _more(used.limit, quotes_usd)
        if more_usd:
            check_spending(used.limit, used.committed_usd, more_usd, backend=" and ".join(backends), at=at)


def budget_warning(
    limits: Sequence[SpendingLimit], ledger: Ledger, quotes_usd: Mapping[str, float], at: datetime
) -> str | None:
    """Return which limits are nearly used up once some more jobs are written down, None where none is.

    Args:
        limits: of the policy.
        ledger: has the jobs that count.
        quotes_usd: of the jobs to come, by backend.
        at: when they are written down.
    """
    near = []
    for used in spending(limits, ledger, at):
        more_usd, _ = _more(used.limit, quotes_usd)
        if more_usd and is_near(used.limit, used.committed_usd + more_usd):
            near.append(spending_sentence(used.limit, used.committed_usd + more_usd, at))
    return "; ".join(near) or None


def _more(limit: SpendingLimit, quotes_usd: Mapping[str, float]) -> tuple[float, list[str]]:
    """Return what counts of some quotes, and on which backends."""
    counted = {name: usd for name, usd in quotes_usd.items() if usd and limit.counts(name.partition(":")[0])}
    return sum(counted.values()), sorted(counted)
