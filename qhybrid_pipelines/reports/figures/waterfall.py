"""Where the time of the jobs went, stretch after stretch."""

from __future__ import annotations

from collections.abc import Sequence

from qhybrid_pipelines.reports.content import JobContent
from qhybrid_pipelines.reports.figures.style import INK, STRETCHES, Drawing, legend_below, new_axes, with_report_style
from qhybrid_pipelines.reports.words import count, shorten, show_seconds

MAX_JOBS = 16


@with_report_style
def waterfall(jobs: Sequence[JobContent]) -> Drawing | None:
    """Return the stretches of each job one after the other, or None where no job has any that is known."""
    timed = [job for job in jobs if any(seconds > 0 for _, seconds, _ in job.stretches)]
    if not timed:
        return None
    drawn = timed[:MAX_JOBS]
    figure, axes = new_axes(1.25 + 0.34 * len(drawn))
    labelled: set[str] = set()
    longest = max(sum(seconds for _, seconds, _ in job.stretches) for job in drawn)
    for place, job in enumerate(reversed(drawn)):
        begin = 0.0
        for name, seconds, _ in job.stretches:
            axes.barh(
                place,
                seconds,
                left=begin,
                height=0.62,
                color=STRETCHES[name],
                label=None if name in labelled else name,
            )
            labelled.add(name)
            begin += seconds
        axes.annotate(
            show_seconds(begin), (begin, place), xytext=(4, 0), textcoords="offset points", va="center", color=INK
        )
    axes.set_xlim(0, longest * 1.2)
    axes.set_yticks(
        range(len(drawn)),
        [f"{shorten(job.row['backend'])}\n{job.row['job_id'][:8]}" for job in reversed(drawn)],
        fontsize=7.5,
    )
    axes.set_xlabel("seconds since it was asked for")
    legend_below(figure, axes, columns=3)
    more = f" {count(len(timed) - len(drawn), 'job')} more in the table." if len(timed) > len(drawn) else ""
    return Drawing(
        name="latency",
        title="Where the time of each job went",
        caption="One stretch after the other, from the ledger's timestamps: queue and execute are the provider's share, the rest is "
        f"ours.{more}",
        figure=figure,
    )
