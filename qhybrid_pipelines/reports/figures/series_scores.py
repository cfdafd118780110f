"""One score along a series of circuits, a line for each backend, compared with uniform outcomes."""

from __future__ import annotations

from collections.abc import Sequence

from qhybrid_pipelines.reports.content import Row
from qhybrid_pipelines.reports.figures.style import CLASSICAL, QUANTUM, RANDOM, Drawing, new_axes, with_report_style
from qhybrid_pipelines.reports.words import shorten

MAX_TICKS = 24
_STYLES = ("-", "--", ":", "-.")


@with_report_style
def series_scores(scores: Sequence[Row], *, score: str) -> Drawing:
    """Return the values of one score with their 95 % intervals, by circuit in the order of the series.

    Args:
        scores: rows of `sampling_scores`, of any scores.
        score: the one that is drawn.
    """
    rows = [row for row in scores if row["score"] == score]
    figure, axes = new_axes(2.6)
    backends = list(dict.fromkeys(row["backend"] for row in rows))
    for number, backend in enumerate(backends):
        own = sorted((row for row in rows if row["backend"] == backend), key=lambda row: row["point"])
        places = [row["point"] + 0.12 * (number - (len(backends) - 1) / 2) for row in own]
        values = [row["value"] for row in own]
        below = [row["value"] - row["low"] for row in own]
        above = [row["high"] - row["value"] for row in own]
        axes.errorbar(
            places,
            values,
            yerr=[below, above],
            fmt="o",
            ls=_STYLES[number % len(_STYLES)],
            ms=4,
            lw=1,
            elinewidth=2,
            color=QUANTUM,
            alpha=1.0 - 0.5 * number / max(len(backends), 1),
            label=backend,
        )
    first = sorted((row for row in rows if row["backend"] == backends[0]), key=lambda row: row["point"])
    points = [row["point"] for row in first]
    axes.plot(points, [row["uniform"] for row in first], "_", ms=12, color=RANDOM, label="uniform")
    axes.plot(
        points, [row["product_of_marginals"] for row in first], "_", ms=12, color=CLASSICAL, label="independent bits"
    )
    if len(points) <= MAX_TICKS:
        axes.set_xticks(points, [shorten(row["circuit"]) for row in first], rotation=30, ha="right")
    else:
        axes.set_xlabel("number of the circuit")
    axes.set_ylabel(score.replace("_", " "))
    axes.grid(axis="y")
    axes.legend()
    return Drawing(
        name=f"series-{score.replace('_', '-')}",
        title=f"{score.replace('_', ' ').capitalize()} along the series",
        caption="A dot is the measured value, the bar its 95 % interval; dashes are what uniform outcomes and independent bits with the "
        "reference's means would have.",
        figure=figure,
    )
