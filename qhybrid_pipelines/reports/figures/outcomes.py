"""The outcomes that were measured most often, against uniform ones."""

from __future__ import annotations

from collections.abc import Sequence

from qhybrid_pipelines.reports.content import TopOutcome
from qhybrid_pipelines.reports.figures.style import OPTIMUM, QUANTUM, RANDOM, Drawing, new_axes, with_report_style
from qhybrid_pipelines.reports.words import show_percent


@with_report_style
def top_outcomes(outcomes: Sequence[TopOutcome], *, uniform: float, backend: str) -> Drawing:
    """Return the shares of the most frequent outcomes with 95 % intervals; the optimum is marked.

    Args:
        outcomes: most frequent first.
        uniform: share that every outcome would have at random.
        backend: that was measured.
    """
    figure, axes = new_axes(0.9 + 0.24 * len(outcomes))
    for place, one in enumerate(reversed(outcomes)):
        colour = OPTIMUM if one.optimal else QUANTUM
        axes.barh(place, one.share, height=0.7, color=colour, alpha=0.75)
        bounds = [[max(0.0, one.share - one.low)], [max(0.0, one.high - one.share)]]
        axes.errorbar(one.share, place, xerr=bounds, fmt="none", lw=1.1, capsize=2, color=colour)
        if one.optimal:
            axes.annotate(
                "optimum", (one.high, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
            )
    axes.axvline(uniform, lw=1.2, ls=(0, (1, 1.5)), color=RANDOM)
    axes.set_yticks(range(len(outcomes)), [one.bits for one in reversed(outcomes)], fontfamily="DejaVu Sans Mono")
    axes.set_xlim(0, max(one.high for one in outcomes) * 1.18)
    axes.xaxis.set_major_formatter(lambda share, _: show_percent(share))
    axes.xaxis.get_major_locator().set_params(nbins=5)
    axes.set_xlabel("share of shots at the best point")
    return Drawing(
        name="outcomes",
        title=f"What came out most often on {backend}",
        caption="The most frequent outcomes of the best point, first variable of the reduced model first, with 95 % Wilson "
        f"intervals; optimal ones in green. Dotted: {show_percent(uniform)}, the share of each outcome at random.",
        figure=figure,
    )
