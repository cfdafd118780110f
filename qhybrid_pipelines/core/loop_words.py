"""One sentence about a loop, from the rows of `optimiser_steps`: for runs and reports alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def loop_sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return how far a loop came, and why it ended.

    Args:
        rows: all of one execution, at least one.
    """
    last = max(rows, key=lambda row: row["point"])
    measured = [row for row in rows if row["value"] is not None]
    steps = len({row["step"] for row in measured})
    if not measured:
        return f"{last['optimiser']}: the first step was submitted, and nothing came back yet"
    first, best = min(measured, key=lambda row: row["point"]), min(measured, key=lambda row: row["value"])
    reached = f"{last['optimiser']}: {steps} {'step' if steps == 1 else 'steps'} measured; the objective went from {first['value']:.6g} to {best['value']:.6g} ± {best['standard_error']:.2g} at point {best['point']}"
    ended = f"it ended because {last['stop_reason']}" if last["stop_reason"] else "it goes on"
    return f"{reached}; {ended}"
