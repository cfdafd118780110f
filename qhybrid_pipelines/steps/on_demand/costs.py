"""What the jobs of a home cost, added up by backend, provider, experiment, owner, tag or month."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from qhybrid_pipelines.storage.analyst import query_rows

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.values_from_rows import Row
    from qhybrid_pipelines.storage.layout import Home

#: SQL of what is added up by, and what has to be joined for it.
_GROUPS = MappingProxyType(
    {
        "backend": ("j.backend", ""),
        "provider": ("j.provider", ""),
        "experiment": ("j.experiment", ""),
        "month": ("strftime(j.created_at::TIMESTAMP, '%Y-%m')", ""),
        "owner": (
            "coalesce(l.label, 'nobody')",
            "LEFT JOIN labels l ON l.experiment = j.experiment AND l.kind = 'owner'",
        ),
        "tag": ("coalesce(l.label, 'no tag')", "LEFT JOIN labels l ON l.experiment = j.experiment AND l.kind = 'tag'"),
    }
)
#: Jobs of which a provider has accepted something, so that they may cost something.
_SENT = "j.provider_job_id IS NOT NULL"


def costs_by(home: Home, by: str) -> list[Row]:
    """Return what was quoted and what it cost for each group, in US dollars, dearest first, with the whole at the end.

    ``cost_usd`` is what was reconciled, else reported, else quoted; jobs that no provider has accepted cost nothing.

    Args:
        home: whose warehouse is asked.
        by: ``backend``, ``provider``, ``experiment``, ``owner``, ``tag`` or ``month`` (of the intent, UTC).
    """
    group, join = _GROUPS[by]
    figures = f"""count(*) AS jobs, sum(j.shots)::BIGINT AS shots,
        sum(c.quoted_usd) FILTER ({_SENT}) AS quoted_usd,
        sum(coalesce(c.reconciled_usd, c.reported_usd, c.quoted_usd)) FILTER ({_SENT}) AS cost_usd"""
    groups = f"""
        SELECT {group} AS "{by}", {figures} FROM jobs j JOIN costs c USING (job_id) {join}
        GROUP BY ALL ORDER BY cost_usd DESC NULLS LAST, 1
    """  # noqa: S608  our own words
    rows: list[Row]
    rows, _ = query_rows(home, groups)
    [whole], _ = query_rows(home, f"SELECT {figures} FROM jobs j JOIN costs c USING (job_id)")  # noqa: S608  as above
    total: Row = {by: "all", **whole}
    return [*rows, total] if rows else []
