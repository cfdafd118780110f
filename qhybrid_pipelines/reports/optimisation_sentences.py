"""What a verdict about an optimisation says in figures, in a sentence each."""

from __future__ import annotations

from qhybrid_pipelines.reports.content import Row
from qhybrid_pipelines.reports.words import count, show, show_interval


def expectation_sentence(comparison: Row) -> str:
    """Return what the optimised angles of this depth are worth without noise and what was measured, or nothing."""
    best, reached = comparison["optimised_expectation"], comparison["reached_expectation"]
    if best is None or reached is None:
        return ""
    depth = "" if comparison["depth_reason"] is None else f" Depth: {comparison['depth_reason']}."
    return f"The best angles of this depth have the mean energy {show(best)} without noise; {show(reached)} was measured.{depth}"


def gain_sentence(comparison: Row, unit: str) -> str:
    """Return the mean gain over the best baseline with its interval, or nothing where there is none."""
    if comparison["gain"] is None:
        return ""
    return (
        f"Mean gain over `{comparison['best_solver']}`: {show(comparison['gain'])} {unit} (95 % interval "
        f"{show_interval(comparison['gain_low'], comparison['gain_high'])}, {count(comparison['runs'], 'paired run')}; more than "
        f"{show(comparison['margin'])} counts as better)."
    )
