"""The price of a device's time, as data with its source and date."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, Estimate

PRICE_VARIABLE = "QISKIT_IBM_USD_PER_SECOND"


def price_per_second() -> dict[str, Any]:
    """Return the price of a second with where it comes from: as set by the operator, else the packaged assumption."""
    reported = os.environ.get(PRICE_VARIABLE)
    if reported is None:
        packaged: dict[str, Any] = json.loads((files(__package__) / "price.json").read_text())
        return packaged
    try:
        price = float(reported)
    except ValueError:
        price = -1.0
    if not 0 <= price < float("inf"):
        raise InvalidInput(f"{PRICE_VARIABLE} is {reported!r}", remedy="Give a number of US dollars, for example 1.6.")
    today = datetime.now(UTC).date().isoformat()
    return {
        "usd_per_second": price,
        "confidence": "quoted",
        "as_of": today,
        "source": f"the operator, {PRICE_VARIABLE}",
    }


def cost_usd(seconds: float | None) -> float | None:
    """Return what some seconds of use cost; None where the service does not tell them, or the operator's price cannot be read."""
    try:
        return None if seconds is None else seconds * price_per_second()["usd_per_second"]
    except InvalidInput:  # a setting that cannot be read hides no job; the next price to be asked for names it
        return None


def estimate(batch: CircuitBatch, seconds_per_shot: float) -> Estimate:
    """Return the price of the seconds that a device will be held.

    From the executions (points x repetitions x shots) times the device's own time between shots, at least a second; up to three times that
    and ten seconds more for loading. The vendor bills by the second and measures afterwards.

    Raises:
        InvalidInput: the operator's price is not one.
    """
    price = price_per_second()
    seconds = batch.seeds.size * batch.shots * seconds_per_shot
    low, high = max(1.0, seconds), 3 * seconds + 10
    return Estimate(
        low_usd=low * price["usd_per_second"],
        high_usd=high * price["usd_per_second"],
        assumptions=(
            f"{low:.0f} to {high:.0f} seconds of use at {price['usd_per_second']} USD per second "
            f"({price['confidence']}, {price['as_of']})"
        ),
        source=price["source"],
    )
