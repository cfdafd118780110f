"""Several experiments side by side: how far above random their raw shots are, and how often they hit the optimum."""

from __future__ import annotations

from collections.abc import Sequence

from qhybrid_pipelines.reports.content import BestPoint
from qhybrid_pipelines.reports.figures.style import (
    OPTIMUM,
    QUANTUM,
    RANDOM,
    WIDTH,
    Drawing,
    with_report_style,
)
from qhybrid_pipelines.reports.words import shorten, show_percent


@with_report_style
def comparison(rows: Sequence[tuple[str, BestPoint]]) -> Drawing:
    """Return, for each execution, its place between random and reference, and its share of optimal shots.

    Args:
        rows: labels, and what raw shots did at the best point, from top to bottom.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH * 1.1, 1.0 + 0.3 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for place, (_, best) in enumerate(reversed(rows)):
        if best.above_random is not None:
            if best.above_random_low is not None and best.above_random_high is not None:
                bounds = [best.above_random_low, best.above_random_high]
                left.plot(bounds, [place, place], lw=3, alpha=0.6, color=QUANTUM, solid_capstyle="butt")
            left.plot([best.above_random], [place], "D", ms=4.5, color=QUANTUM)
        right.plot([best.share_low, best.share_high], [place, place], lw=3, alpha=0.6, color=QUANTUM)
        right.plot([best.share], [place], "D", ms=4.5, color=QUANTUM)
        if best.random_share is not None:
            right.plot([best.random_share], [place], "o", ms=4.5, color=RANDOM)
    left.axvline(0, lw=1.2, ls=(0, (1, 1.5)), color=RANDOM)
    left.axvline(1, lw=1.2, ls=(0, (4, 2)), color=OPTIMUM)
    left.set_yticks(range(len(rows)), [shorten(label, 24) for label, _ in reversed(rows)])
    left.set_ylim(-0.7, len(rows) - 0.3)
    left.set_xlabel("raw shots between\nrandom (0) and reference (1)")
    right.set_xlim(left=0)
    right.set_xlabel("share of shots\nat the optimum")
    right.xaxis.set_major_formatter(lambda share, _: show_percent(share))
    right.xaxis.get_major_locator().set_params(nbins=4)
    for axes in (left, right):
        axes.grid(axis="x")
    return Drawing(
        name="comparison",
        title="The experiments side by side",
        caption="Raw shots of each best point with 95 % intervals. Left: their mean objective between random outcomes and the "
        "reference. Right: the share of shots at the reduced model's optimum; grey dots are random outcomes.",
        figure=figure,
        wide=True,
    )
