"""Reading bodies: only what can be written back as JSON is let in.

Python's reader takes more than JSON has (``NaN``, ``Infinity``, numbers too large for a float, halves of surrogate pairs).
Any of these, once stored, would break every list that contains the job.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class NotJsonError(ValueError):
    """The bytes are not one JSON value; the message says why."""


def read_json(body: bytes) -> Any:
    """Return what a body says.

    Raises:
        NotJsonError: it is not JSON, is nested too deeply, or has a number or text that JSON cannot carry.
    """
    try:
        found = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
        json.dumps(found, ensure_ascii=False).encode()  # a half of a surrogate pair cannot be encoded
    except RecursionError:
        raise NotJsonError("it is nested too deeply") from None
    except ValueError as error:
        raise NotJsonError(str(error)) from None
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise NotJsonError(f"{digits[:20]} is too large for a number")
    return value


def read_stored(text: str) -> Any:
    """Return a kept value; what an earlier release let in and JSON cannot carry reads as null."""
    return json.loads(text, parse_constant=lambda _: None)
