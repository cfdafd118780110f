"""Every model's score with its interval: circuits, their controls, and classical baselines."""

from __future__ import annotations

from collections.abc import Sequence

from qhybrid_pipelines.reports.content import Row
from qhybrid_pipelines.reports.figures.style import CLASSICAL, QUANTUM, RANDOM, Drawing, new_axes, with_report_style
from qhybrid_pipelines.reports.words import shorten

MAX_ROWS = 30
_COLOURS = {"quantum": QUANTUM, "unentangled_control": RANDOM, "baseline": CLASSICAL, "control": RANDOM}


@with_report_style
def model_scores(summaries: Sequence[Row], *, metric: str) -> Drawing:
    """Return means over test folds with 95 % intervals.

    Args:
        summaries: rows of `qml_summaries` of one metric, from top to bottom.
        metric: its name.
    """
    drawn = summaries[:MAX_ROWS]
    figure, axes = new_axes(0.9 + 0.27 * len(drawn))
    for place, row in enumerate(reversed(drawn)):
        colour = _COLOURS[row["side"]]
        if row["low"] is not None and row["high"] is not None:
            axes.plot([row["low"], row["high"]], [place, place], lw=3, alpha=0.6, color=colour, solid_capstyle="butt")
        axes.plot([row["mean"]], [place], "D", ms=4.5, color=colour)
    axes.set_yticks(range(len(drawn)), [shorten(summary_name(row)) for row in reversed(drawn)])
    axes.set_ylim(-0.7, len(drawn) - 0.3)
    axes.grid(axis="x")
    axes.set_xlabel(
        metric.replace("_", " ") + (" (less is better)" if metric in {"log_loss", "brier"} else " (more is better)")
    )
    return Drawing(
        name="model-scores",
        title="Every model on the same test folds",
        caption="A diamond is the mean over test folds, the bar its 95 % interval, corrected for folds that share rows; circuits in "
        "vermilion, classical baselines in blue, controls in grey.",
        figure=figure,
    )


def summary_name(row: Row) -> str:
    """Return the words for a model: its name, its features, and where it was measured."""
    name = row["model"].replace("_", " ") + (", all features" if row["inputs"] == "all" else "")
    return f"{name}\n{row['backend']}, {row['shots']:,} shots" if row["backend"] else name
