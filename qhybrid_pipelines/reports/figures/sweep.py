"""What every parameter point was worth: mean energies, and how often the optimum was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhybrid_pipelines.reports.content import RandomReference, SweepSeries
from qhybrid_pipelines.reports.figures.style import (
    MARKERS,
    OPTIMUM,
    RANDOM,
    SERIES,
    Drawing,
    legend_below,
    new_axes,
    with_report_style,
)

#: Above this many points intervals would hide each other, and a line is drawn.
MAX_POINTS_WITH_BARS = 64


@with_report_style
def sweep(series: Sequence[SweepSeries], random: RandomReference) -> Drawing:
    """Return energies and shares of the optimum over the points of a sweep, with 95 % intervals, one series per backend."""
    figure, (upper, lower) = new_axes(4.0 + 0.12 * len(series), rows=2)
    for number, one in enumerate(series):
        colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        shift = 0.12 * (number - (len(series) - 1) / 2)
        for axes, middle, low, high in (
            (upper, one.mean_energy, one.energy_low, one.energy_high),
            (lower, one.optimum_share, one.share_low, one.share_high),
        ):
            if len(one.point) > MAX_POINTS_WITH_BARS:
                axes.plot(one.point, middle, lw=0.9, color=colour, label=one.backend)
                axes.fill_between(one.point, low, high, alpha=0.25, lw=0, color=colour)
                continue
            bars = np.nan_to_num(np.abs(np.array([middle - low, high - middle])), nan=0.0)
            axes.errorbar(
                one.point + shift,
                middle,
                yerr=bars,
                fmt=marker,
                ms=4,
                lw=1.2,
                capsize=2,
                color=colour,
                label=one.backend,
            )
    upper.axhline(random.mean_energy, lw=1.2, ls=(0, (1, 1.5)), color=RANDOM, label="random outcomes")
    upper.axhline(random.minimum_energy, lw=1.2, ls=(0, (4, 2)), color=OPTIMUM, label=random.lowest_label)
    if random.optimum_share is not None:
        lower.axhline(random.optimum_share, lw=1.2, ls=(0, (1, 1.5)), color=RANDOM)
    upper.set_ylabel("mean energy")
    lower.set_ylabel("share of shots\nat the optimum")
    lower.set_ylim(bottom=0)
    lower.set_xlabel("parameter point")
    lower.xaxis.get_major_locator().set_params(integer=True)
    for axes in (upper, lower):
        axes.grid(axis="y")
    legend_below(figure, upper)
    return Drawing(
        name="sweep",
        title="The sweep, point by point",
        caption="Above, the mean energy of the reduced model (less is better) with 95 % intervals over runs; below, the share of "
        "shots that hit its optimum, with 95 % Wilson intervals. Dotted: what uniform random outcomes give.",
        figure=figure,
    )
