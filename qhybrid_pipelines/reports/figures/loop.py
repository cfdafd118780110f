"""How a loop through a backend came down: the objective point by point, and the best so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qhybrid_pipelines.reports.figures.style import MARKERS, SERIES, Drawing, legend_below, new_axes, with_report_style


@with_report_style
def loop_trace(traces: Mapping[str, Sequence[Mapping[str, Any]]]) -> Drawing:
    """Return the objective over the points of each backend's loop.

    Args:
        traces: by backend, rows of `optimiser_steps` in order of their points; what was not measured yet is left out.
    """
    figure, axes = new_axes(2.9 + 0.12 * len(traces))
    for number, (backend, rows) in enumerate(traces.items()):
        measured = [row for row in rows if row["value"] is not None]
        points, colour = [row["point"] for row in measured], SERIES[number % len(SERIES)]
        axes.errorbar(
            points,
            [row["value"] for row in measured],
            yerr=[1.96 * row["standard_error"] for row in measured],
            fmt=MARKERS[number % len(MARKERS)],
            ms=4,
            lw=1.2,
            capsize=2,
            color=colour,
            label=backend,
        )
        axes.step(points, [row["best_value"] for row in measured], where="post", lw=1.0, color=colour)
    axes.set_xlabel("point, in the order of the steps")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel("objective, cost units")
    axes.grid(axis="y")
    legend_below(figure, axes)
    return Drawing(
        name="loop",
        title="The loop, point by point",
        caption="The objective that the optimiser was told (less is better), with 95 % intervals of its shots. Lines: the best so far.",
        figure=figure,
    )
