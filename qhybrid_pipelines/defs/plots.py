"""Small pictures for asset metadata, each far below 100 kB: they are kept in Dagster's event log."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc


def date_locator() -> Any:
    """Return the positions of the ticks of a time axis.

    With fewer than 8 there is a gap: between 60 hours and 5 days, for instance, no interval of Matplotlib's fits, and it warns.
    """
    from matplotlib.dates import AutoDateLocator

    return AutoDateLocator(minticks=3, maxticks=8)


def drift_plot(calibrations: pa.Table) -> Any:
    """Return the errors of two-qubit gates and of reading over time, as Markdown with a PNG.

    A device of which only one calibration is known is a dotted line: years may lie between it and the others, and it
    says nothing about drift.
    """
    from matplotlib.dates import ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.2), dpi=100, layout="constrained")
    panels = figure.subplots(1, 2)
    names = sorted(set(calibrations.column("backend").to_pylist()))
    colours = {name: f"C{number % 10}" for number, name in enumerate(names)}
    line_by_backend = {}
    for axes, column, label in zip(
        panels, ("two_qubit_error", "readout_error"), ("two-qubit gates", "preparing and reading"), strict=True
    ):
        for name in names:
            mine = calibrations.filter(pc.equal(calibrations.column("backend"), name))
            told = pc.and_(pc.greater(mine.column(column), 0), pc.is_valid(mine.column("measured_at")))
            seen = mine.filter(told).sort_by("measured_at")
            values = seen.column(column).to_pylist()
            if len(values) > 1:
                line, *_ = axes.plot(seen.column("measured_at").to_pylist(), values, "o-", ms=3, lw=1)
            elif values:
                line = axes.axhline(values[0], ls=":", lw=1)
            else:
                continue
            line.set_color(colours[name])
            line_by_backend[name] = line
        axes.set_title(f"median error, {label}", fontsize=9)
        if axes.lines:
            axes.set_yscale("log")
        if any(line.get_linestyle() == "-" for line in axes.lines):
            locator = date_locator()
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
            axes.xaxis.get_offset_text().set_fontsize(7)
        else:
            axes.set_xticks([])
        axes.tick_params(which="both", labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        line_by_backend.values(), line_by_backend.keys(), loc="outside lower center", ncols=4, fontsize=7, frameon=False
    )
    return _as_markdown_image(figure)


def loop_plot(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return the objective of a loop over its points with its standard errors, and the best so far, as Markdown with a PNG.

    Args:
        rows: of `optimiser_steps`, of one execution; what was not measured yet is left out.
    """
    from matplotlib.figure import Figure

    measured = [row for row in rows if row["value"] is not None]
    figure = Figure(figsize=(6.0, 3.2), dpi=100, layout="constrained")
    axes = figure.subplots()
    points = [row["point"] for row in measured]
    axes.errorbar(
        points,
        [row["value"] for row in measured],
        yerr=[row["standard_error"] for row in measured],
        fmt="o",
        ms=4,
        lw=1,
        label="measured",
    )
    axes.step(points, [row["best_value"] for row in measured], where="post", lw=1, label="best so far")
    axes.set_xlabel("point", fontsize=8)
    axes.set_ylabel("objective, cost units", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return _as_markdown_image(figure)


def _as_markdown_image(figure: Any) -> Any:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return dg.MetadataValue.md(f"![](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})")
