"""What a batch will cost: a fee per task, a program set being one, and the price of a shot that the device states.

The fee is not in a device's capabilities. USD 0.30 is what copies of Amazon's page of prices say for every quantum device; they have
no date and are probably of 2025. A contract may say otherwise, and the service does not say what a task cost, so that the quote
counts until the bill comes.
"""

from __future__ import annotations

import os

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, Estimate
from qhybrid_pipelines.execution.braket.devices import Device

TASK_VARIABLE, USUAL_TASK_USD = "BRAKET_USD_PER_TASK", 0.30
SHOT_VARIABLE = "BRAKET_USD_PER_SHOT"


def estimate(device: Device, batch: CircuitBatch, *, tasks: int, source: str) -> Estimate:
    """Return the cost of a batch.

    Args:
        device: says the price of a shot.
        batch: says circuits and shots.
        tasks: how many it is sent as.
        source: where the device's figures come from.

    Raises:
        InvalidInput: the device states no price of a shot, and nobody has set one.
    """
    circuits = batch.points * batch.repetitions
    per_task, fee_source = _price(TASK_VARIABLE), TASK_VARIABLE
    if per_task is None:
        per_task, fee_source = USUAL_TASK_USD, "copies of Amazon's page of prices, probably of 2025"
    if device.price is not None and device.price[1] == "shot":
        per_shot: float | None = device.price[0]
    else:
        per_shot, source = _price(SHOT_VARIABLE), SHOT_VARIABLE
    if per_shot is None:
        said = "no price" if device.price is None else f"a price per {device.price[1]}"
        raise InvalidInput(
            f"{batch.backend} states {said}, and budgets need what a shot costs",
            remedy=f"Set {SHOT_VARIABLE} to the price of one shot in USD, as your contract or Amazon's page of prices says.",
        )
    usd = tasks * per_task + circuits * batch.shots * per_shot
    return Estimate(
        low_usd=usd,
        high_usd=usd,
        assumptions=f"{tasks} tasks at {per_task:g} USD, {circuits} circuits of {batch.shots} shots at {per_shot:g} USD",
        source=f"a shot: {source}; a task: {fee_source}",
    )


def _price(variable: str) -> float | None:
    """Return the price that a variable holds; None where it is not set."""
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        price = float(text)
    except ValueError:
        price = -1.0
    if not 0 <= price < float("inf"):
        raise InvalidInput(f"{variable} is {text!r}", remedy="Give a price in USD, for example 0.30.")
    return price
