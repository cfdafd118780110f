"""The price of a device's time, as data with its source and date."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from qhybrid_pipelines.core.errors import InvalidInput

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
