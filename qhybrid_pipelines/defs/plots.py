"""Small pictures for asset metadata, each far below 100 kB: they are kept in Dagster's event log."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def energy_plot(table: pa.Table) -> Any:
    """Return mean energy per point, with the spread over runs, as Markdown with an embedded PNG."""
    from matplotlib.figure import Figure

    index = table.column("point").to_numpy()
    energy = table.column("mean_energy").to_numpy()
    runs = np.bincount(index)
    mean = np.bincount(index, weights=energy) / runs
    spread = np.sqrt(np.maximum(np.bincount(index, weights=energy**2) / runs - mean**2, 0.0))
    figure = Figure(figsize=(6, 2.8), dpi=80, layout="constrained")
    axes = figure.add_subplot()
    axes.errorbar(np.arange(len(mean)), mean, yerr=spread, fmt="o", ms=3, lw=1, color="#1f5fa8")
    axes.set_xlabel("parameter point")
    axes.set_ylabel("mean energy")
    axes.spines[["top", "right"]].set_visible(False)
    return _as_markdown_image(figure)


def solver_plot(comparison: Mapping[str, Any], solutions: pa.Table, baselines: pa.Table) -> Any:
    """Return every solver's objective per run beside the quantum side's, as Markdown with an embedded PNG."""
    from matplotlib.figure import Figure

    series: dict[str, list[float]] = {}
    for row in solutions.select(["source", "rank", "objective", "feasible"]).to_pylist():
        if row["rank"] == 1 and row["feasible"]:
            series.setdefault(row["source"], []).append(row["objective"])
    for row in baselines.select(["solver", "objective", "feasible"]).to_pylist():
        if row["feasible"]:
            series.setdefault(row["solver"], []).append(row["objective"])
    figure = Figure(figsize=(7, 0.34 * len(series) + 0.9), dpi=80, layout="constrained")
    axes = figure.add_subplot()
    for place, (name, values) in enumerate(reversed(series.items())):
        colour = "#c4421a" if name.startswith("quantum") else "#1f5fa8"
        axes.plot(values, [place] * len(values), "o", ms=4, alpha=0.6, color=colour)
    axes.set_yticks(range(len(series)), list(reversed(series)))
    if comparison["reference"] is not None:
        axes.axvline(comparison["reference"], lw=1, ls="--", color="#555555")
    axes.set_xlabel(f"objective ({comparison['sense']}), one dot per run; dashed: reference")
    axes.spines[["top", "right"]].set_visible(False)
    return _as_markdown_image(figure)


def drift_plot(calibrations: pa.Table) -> Any:
    """Return the errors of two-qubit gates and of reading over time, as Markdown with a PNG.

    A device of which only one calibration is known is a dotted line: years may lie between it and the others, and it
    says nothing about drift.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
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
            seen = mine.filter(pc.greater(mine.column(column), 0)).sort_by("measured_at")
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
            locator = AutoDateLocator(maxticks=6)
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


def _as_markdown_image(figure: Any) -> Any:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return dg.MetadataValue.md(f"![](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})")
