"""One sentence about how sensitive a point is, from the rows of `parameter_sensitivity`: for prices and reports alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def sensitivity_sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the angles of one execution do, and what gate errors take.

    Args:
        rows: all of one execution, at least one.
    """
    point = rows[0]
    told = [row for row in rows if row["shots_to_tell"] is not None]
    parts = [
        f"mean energy {point['expectation']:.6g} without noise, {point['random_expectation']:.6g} of random outcomes"
    ]
    if told:
        easiest = min(told, key=lambda row: row["shots_to_tell"])
        hardest = max(told, key=lambda row: row["shots_to_tell"])
        parts.append(
            f"{easiest['shots_to_tell']:,} shots tell {easiest['angle']} from {easiest['step']:.2g} rad away"
            + (f", {hardest['shots_to_tell']:,} tell {hardest['angle']}" if hardest is not easiest else "")
            + f", and {point['shots']:,} are planned a point"
        )
    if len(told) < len(rows):
        silent = ", ".join(row["angle"] for row in rows if row["shots_to_tell"] is None)
        parts.append(f"no number of shots tells {silent}")
    if point["survival"] is not None:
        parts.append(
            f"two-qubit gates fail with {point['two_qubit_error']:.2g}, so {point['survival']:.0%} of the shots go without an error and "
            f"the mean would be {point['expectation_with_errors']:.6g} (before compilation, what an error leaves taken as random)"
        )
    return "; ".join(parts)
