"""What a batch will cost: a fee per task, and the price of a shot that the device states.

The fee is not in a device's capabilities. USD 0.30 is what Amazon's page of prices says for every quantum device; a contract may
say otherwise, and the service tells no task's cost, so that the quote counts until the bill comes.
"""

from __future__ import annotations

import os

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs import CircuitBatch, Estimate
from qhybrid_pipelines.execution.braket.devices import Device

TASK_VARIABLE, USUAL_TASK_USD = "BRAKET_USD_PER_TASK", 0.30
SHOT_VARIABLE = "BRAKET_USD_PER_SHOT"


def estimate(device: Device, batch: CircuitBatch, *, source: str) -> Estimate:
    """Return the cost of a batch, every circuit of it as a task.

    Args:
        device: says the price of a shot.
        batch: says circuits and shots.
        source: where the device's figures come from.

    Raises:
        InvalidInput: the device states no price of a shot, and nobody has set one.
    """
    tasks = batch.points * batch.repetitions
    per_task = _price(TASK_VARIABLE, USUAL_TASK_USD)
    per_shot = _price(SHOT_VARIABLE, None)
    stated = per_shot is None
    if per_shot is None:
        if device.price is None or device.price[1] != "shot":
            said = "no price" if device.price is None else f"a price per {device.price[1]}"
            raise InvalidInput(
                f"{batch.backend} states {said}, and budgets need what a shot costs",
                remedy=f"Set {SHOT_VARIABLE} to the price of one shot in USD, as your contract or Amazon's page of prices says.",
            )
        per_shot = device.price[0]
    usd = tasks * ((per_task or 0.0) + batch.shots * per_shot)
    return Estimate(
        low_usd=usd,
        high_usd=usd,
        assumptions=f"{tasks} tasks at {per_task:g} USD, each of {batch.shots} shots at {per_shot:g} USD",
        source=f"a shot: {source if stated else SHOT_VARIABLE}; a task: {_source_of_fee()}",
    )


def _source_of_fee() -> str:
    return TASK_VARIABLE if os.environ.get(TASK_VARIABLE) else "Amazon's page of prices, as seen in 2026"


def _price(variable: str, usual: float | None) -> float | None:
    text = os.environ.get(variable)
    if not text:
        return usual
    try:
        price = float(text)
    except ValueError:
        price = -1.0
    if not 0 <= price < float("inf"):
        raise InvalidInput(f"{variable} is {text!r}", remedy="Give a price in USD, for example 0.30.")
    return price
