"""Every solver's objective, one dot per run, quantum and classical in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhybrid_pipelines.classical.statistics import paired_bootstrap
from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.reports.content import SolverSeries
from qhybrid_pipelines.reports.figures.style import CLASSICAL, OPTIMUM, QUANTUM, Drawing, new_axes, with_report_style
from qhybrid_pipelines.reports.words import count, shorten

#: Rows of a figure; a solver that is not drawn is in the table.
MAX_ROWS = 30


@with_report_style
def solver_results(
    solvers: Sequence[SolverSeries], *, unit: str, sense: str, reference: float | None, several_backends: bool
) -> Drawing:
    """Return the objective of every run of every solver, with means and their 95 % intervals.

    Args:
        solvers: from top to bottom.
        unit: of the objective.
        sense: max or min.
        reference: the optimum, or the best that is known.
        several_backends: names of quantum rows say their backend.
    """
    drawn = [series for series in solvers if series.objectives][:MAX_ROWS]
    figure, axes = new_axes(1.0 + 0.27 * len(drawn))
    for place, series in enumerate(reversed(drawn)):
        values = np.array(series.objectives)
        colour = QUANTUM if series.quantum else CLASSICAL
        shift = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else np.zeros(1)
        axes.plot(values, place + shift, "o", ms=3.2, alpha=0.45, mew=0, color=colour)
        low, high = paired_bootstrap(values)
        axes.plot([low, high], [place, place], "-", lw=3, alpha=0.7, color=colour, solid_capstyle="butt")
        axes.plot([values.mean()], [place], "D", ms=4.5, color=colour)
    axes.set_yticks(
        range(len(drawn)), [shorten(row_name(series, several_backends=several_backends)) for series in reversed(drawn)]
    )
    axes.set_ylim(-0.7, len(drawn) - 0.3)
    if reference is not None:
        axes.axvline(reference, lw=1.2, ls=(0, (4, 2)), color=OPTIMUM)
    axes.grid(axis="x")
    better = "more is better" if sense == "max" else "less is better"
    axes.set_xlabel(f"{unit} ({better})")
    left_out = len([series for series in solvers if series.objectives]) - len(drawn)
    more = f" {count(left_out, 'solver')} more in the table." if left_out else ""
    return Drawing(
        name="solver-results",
        title="Every solver, run by run",
        caption="A dot is a run, a diamond the mean, the bar its 95 % interval; quantum in vermilion, classical in blue. "
        f"The dashed line is the best value that is known.{more}",
        figure=figure,
    )


def row_name(series: SolverSeries, *, several_backends: bool) -> str:
    """Return the words for a solver: those of the tables, with what was done after measuring in plain words."""
    if not series.quantum:
        return printable(series.name.replace("_", " "), keep="")
    after = {"quantum": "as measured", "quantum+repair": "repaired", "quantum+local_search": "with local search"}
    name = f"quantum, {after.get(series.name, series.name)}"
    return f"{name}\n{series.backend}" if several_backends else name
