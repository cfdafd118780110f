"""Settings of providers in environment variables."""

from __future__ import annotations

import os

from qhybrid_pipelines.core.errors import InvalidInput


def seconds_setting(variable: str, usual: float) -> float:
    """Return a time that a vendor does not publish, as the environment says; ``usual`` where it says nothing."""
    text = os.environ.get(variable)
    try:
        seconds = usual if text is None else float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InvalidInput(f"{variable} is {text!r}", remedy=f"Give a number of seconds, for example {usual:g}.")
    return seconds
