"""Reading a body: one JSON object, bounded in size and depth, with nothing in it that could not be written back as JSON."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from qhybrid_pipelines.core.specifications.specification_text import MAX_DEPTH
from qhybrid_pipelines.core.specifications.validation_messages import first_finding
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError, invalid

Body = TypeVar("Body", bound=BaseModel)
#: Most bytes of a body: that of a specification with the files that were sent with it.
MAX_BODY_BYTES = 256 * 1024


class _NotJsonError(ValueError):
    """Says why a text is not one JSON value."""


def read_object(body: bytes) -> dict[str, Any]:
    """Return the object that a body is.

    Raises:
        ProblemError: 400 where it is not JSON, 413 where it is too large, 422 where it is not an object, is nested more than
            twenty levels deep, or names a field twice.
    """
    if len(body) > MAX_BODY_BYTES:
        raise too_large()
    if not body.strip():
        raise _not_json("it is empty")
    try:
        found = json.loads(
            body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_no_repeats
        )
        json.dumps(found, ensure_ascii=False).encode()  # a half of a surrogate pair cannot be encoded
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError as error:
        raise _not_json(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _not_json(
            f"{_lowered(error.msg)} at line {error.lineno}, column {error.colno}", line=error.lineno
        ) from None
    except ValueError as error:
        raise _not_json("a number has thousands of digits" if "digits" in str(error) else str(error)) from None
    if not isinstance(found, dict):
        raise invalid("the body is not a JSON object", remedy='Send {"specification": {...}}.')
    if _depth(found) > MAX_DEPTH:
        raise _too_deep()
    return found


def validated(model: type[Body], fields: dict[str, Any], *, strict: bool = False) -> Body:
    """Return the body that some fields are.

    Args:
        model: of the body.
        fields: as they were read.
        strict: take no text for a number and the like.

    Raises:
        ProblemError: 422, a field is missing, unknown or wrong; in the words of `core.specifications.validation_messages`.
    """
    try:
        return model.model_validate(fields, strict=strict)
    except ValidationError as error:
        found = first_finding(error, fields, model)
        raise invalid(found.problem, remedy=found.remedy, field=".".join(found.path) or None) from None


def too_large(most_bytes: int = MAX_BODY_BYTES) -> ProblemError:
    """Return the refusal of a body that is larger than it may be."""
    return ProblemError(
        Problem(
            status=413,
            code="too-large",
            detail=f"The body has more than {most_bytes // 1024} kB.",
            remedy="Send a smaller instance; a large one goes through the inbox or `qhybrid run`.",
            headers={"connection": "close"},
        )
    )


def _not_json(why: str, *, line: int | None = None) -> ProblemError:
    return ProblemError(
        Problem(
            status=400,
            code="bad-request",
            detail=f"The body is not JSON: {why}.",
            remedy="Send one JSON object in UTF-8.",
            line=line,
        )
    )


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _too_deep() -> ProblemError:
    return invalid(
        f"the body is nested more than {MAX_DEPTH} levels deep",
        remedy="Write plain values; no field is deeper than a few levels.",
    )


def _refuse_constant(name: str) -> NoReturn:
    raise _NotJsonError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _NotJsonError(f"{digits[:20]} is too large for a number")
    return value


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _NotJsonError(f"the field {name[:60]!r} is given twice")
            seen.add(name)
    return found


def _depth(value: object) -> int:
    """Return how deep objects and lists are nested, without recursion."""
    deepest, left = 0, [(value, 1)]
    while left:
        here, level = left.pop()
        inner = here.values() if isinstance(here, dict) else here if isinstance(here, list) else None
        if inner is not None:
            deepest = max(deepest, level)
            if level > MAX_DEPTH:
                return level
            left += [(each, level + 1) for each in inner]
    return deepest
