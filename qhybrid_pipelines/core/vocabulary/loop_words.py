"""One sentence about a loop, from the rows of `optimiser_steps` or `qml_training_steps`: for runs and reports alike."""

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


def training_sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return how far training with the shots of a backend came, at which price, and why it ended.

    Args:
        rows: of `qml_training_steps`, all of one execution, at least one.
    """
    first = rows[0]
    price = sum(row["cost_quoted_usd"] for row in rows)
    asked = f"{sum(row['circuits'] for row in rows):,} circuits of {first['shots']} shots, ${price:.2f} as quoted"
    measured = [row for row in rows if row["loss"] is not None]
    if not measured:
        return f"{first['optimiser']}: the first iteration was submitted, and nothing came back yet; {asked}"
    done = max(row["iteration"] for row in measured)
    losses = [
        f"{model} from {_mean_loss(measured, model, 1):.4g} to {_mean_loss(measured, model, done):.4g} nats"
        for model in dict.fromkeys(row["model"] for row in measured)
        if any(row["model"] == model and row["iteration"] == done for row in measured)
    ]
    reached = f"{first['optimiser']}: {done} {'iteration' if done == 1 else 'iterations'} measured, mean loss of {', '.join(losses)}; {asked}"
    return f"{reached}; it ended because {first['stop_reason']}" if first["stop_reason"] else f"{reached}; it goes on"


def _mean_loss(rows: Sequence[Mapping[str, Any]], model: str, iteration: int) -> float:
    found = [row["loss"] for row in rows if (row["model"], row["iteration"]) == (model, iteration)]
    return float(sum(found) / len(found))
