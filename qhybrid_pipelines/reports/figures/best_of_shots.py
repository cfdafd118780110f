"""Convergence: how good the best of so many shots is, compared with as many random outcomes."""

from __future__ import annotations

from collections.abc import Sequence

from qhybrid_pipelines.reports.content import BestOfShots, RandomReference
from qhybrid_pipelines.reports.figures.style import (
    OPTIMUM,
    RANDOM,
    SERIES,
    Drawing,
    legend_below,
    new_axes,
    with_report_style,
)


@with_report_style
def best_of_shots(series: Sequence[tuple[str, BestOfShots]], random: RandomReference) -> Drawing:
    """Return the expected lowest energy of a growing number of shots at the best point, one line per backend.

    Args:
        series: backends and what they measured.
        random: has the lowest energy of the reduced model.
    """
    figure, axes = new_axes(2.9 + 0.12 * len(series))
    for number, (backend, one) in enumerate(series):
        colour = SERIES[number % len(SERIES)]
        axes.fill_between(one.shots, one.low, one.high, alpha=0.22, lw=0, color=colour)
        axes.plot(one.shots, one.measured, color=colour, label=backend)
    longest = max((one for _, one in series), key=lambda one: len(one.shots))
    axes.plot(longest.shots, longest.random, ls=(0, (1, 1.5)), color=RANDOM, label="random outcomes")
    axes.axhline(random.minimum_energy, lw=1.2, ls=(0, (4, 2)), color=OPTIMUM, label=random.lowest_label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda shots, _: f"{shots:,.0f}")
    axes.xaxis.set_minor_formatter(lambda _shots, _: "")
    axes.set_xlabel("shots")
    axes.set_ylabel("lowest energy among them")
    axes.grid(axis="y")
    legend_below(figure, axes)
    return Drawing(
        name="convergence",
        title="How fast shots converge",
        caption="Expected lowest energy among that many raw shots of the best point, before any post-processing; the band is "
        "the 95 % interval over runs. Where the line is not below the dotted one, random outcomes do as well.",
        figure=figure,
    )
