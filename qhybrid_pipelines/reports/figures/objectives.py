"""Objectives of raw shots as a histogram, compared with those of random outcomes."""

from __future__ import annotations

from qhybrid_pipelines.reports.content import ObjectiveHistogram
from qhybrid_pipelines.reports.figures.style import (
    OPTIMUM,
    QUANTUM,
    RANDOM,
    Drawing,
    legend_below,
    new_axes,
    with_report_style,
)
from qhybrid_pipelines.reports.words import show_percent


@with_report_style
def objective_histogram(
    histogram: ObjectiveHistogram, *, unit: str, sense: str, reference: float | None, backend: str
) -> Drawing:
    """Return the histogram of feasible objectives as measured at the best point, quantum next to random.

    Args:
        histogram: of one backend.
        unit: of the objective.
        sense: max or min.
        reference: the optimum, or the best that is known.
        backend: that was measured.
    """
    figure, axes = new_axes(2.9)
    axes.stairs(histogram.measured, histogram.edges, fill=True, alpha=0.55, color=QUANTUM, label="quantum, as measured")
    axes.stairs(histogram.random, histogram.edges, lw=1.6, color=RANDOM, label="random outcomes")
    if reference is not None:
        axes.axvline(reference, lw=1.2, ls=(0, (4, 2)), color=OPTIMUM, label="best known")
    axes.set_xlabel(f"{unit} ({'more' if sense == 'max' else 'less'} is better)")
    axes.set_ylabel("share of outcomes")
    axes.yaxis.set_major_formatter(lambda share, _: show_percent(share))
    axes.grid(axis="y")
    legend_below(figure, axes)
    infeasible = (
        f" {show_percent(histogram.measured_infeasible)} of shots and {show_percent(histogram.random_infeasible)} of random "
        "outcomes break a constraint and are not drawn."
        if histogram.measured_infeasible or histogram.random_infeasible
        else ""
    )
    drawn = "all there are" if histogram.random_drawn is None else f"{histogram.random_drawn:,} drawn with a fixed seed"
    return Drawing(
        name="objectives",
        title=f"Objectives of raw shots on {backend}",
        caption=f"Feasible outcomes of the best point before any post-processing, next to uniform random ones ({drawn}).{infeasible}",
        figure=figure,
    )
