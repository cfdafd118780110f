"""Whole numbers that the environment may set for the sensors and their runs."""

from __future__ import annotations

import os

from qhybrid_pipelines.core.errors import InvalidInput


def read_whole_number(variable: str, default: int, *, meaning: str, unit: str) -> int:
    """Return the number that the environment says, 1 or more, else the default.

    Args:
        variable: of the environment.
        default: where it is not set, or empty.
        meaning: what the number is, with its article, for the error.
        unit: what is counted, for the remedy.

    Raises:
        InvalidInput: the environment says something else.
    """
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise InvalidInput(
            f"{text!r} is not {meaning}",
            remedy=f"Give {unit}, 1 or more; without it, {default}.",
            field=variable,
        )
    return int(text)
