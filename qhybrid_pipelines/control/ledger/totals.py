"""Counts and sums over the jobs of a ledger, as the port returns them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from qhybrid_pipelines.core.jobs.job_states import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTotals:
    """The jobs of one backend in one state.

    Attributes:
        backend: where they run or ran.
        state: of all of them.
        jobs: how many.
        shots: of all of them.
        attempts: to submit them.
        oldest_created_at: when the first one was written down, UTC.
        last_updated_at: when one of them changed last, UTC.
        quoted_usd: US dollars quoted.
        reported_usd: US dollars that providers say they cost.
        charged_usd: US dollars charged to budgets.
        charged_lately_usd: of them, to jobs that changed at or after the moment that was asked for.
    """

    backend: str
    state: JobState
    jobs: int
    shots: int
    attempts: int
    oldest_created_at: datetime
    last_updated_at: datetime
    quoted_usd: float
    reported_usd: float
    charged_usd: float
    charged_lately_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTotals:
    """US dollars of the budgets of all experiments together."""

    limit_usd: float = 0.0
    reserved_usd: float = 0.0
    settled_usd: float = 0.0
