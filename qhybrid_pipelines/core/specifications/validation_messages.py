"""What pydantic found wrong, in the words of somebody who writes a specification: what is wrong, and what to do.

pydantic names types of Python ("a valid tuple", "instance of SweepSpec"); people write lists and indented fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from qhybrid_pipelines.core.specifications.experiment_specification import BACKEND_PATTERN, NAME_PATTERN, SHA256_PATTERN
from qhybrid_pipelines.core.text.spelling import closest_match

_PATTERNS = {
    NAME_PATTERN: "Use 1 to 64 letters, digits, spaces, dots, dashes and underscores, a letter or digit first.",
    BACKEND_PATTERN: "Write provider:backend, for example local:auto.",
    SHA256_PATTERN: "A SHA-256 has 64 hexadecimal digits in lower case; or give the path of the file instead.",
}

#: Findings that a union of plain values makes together, one for each type that was tried.
_PLAIN_VALUES = {"bool_type", "int_type", "float_type", "string_type"}

#: Type of a finding -> (problem, remedy), with the names of its context in braces.
_SENTENCES = {
    "bool_type": ("this must be true or false", "Write one of the two, without quotes."),
    "int_type": ("this must be a whole number", "Write it with digits only, without quotes."),
    "float_type": (
        "this must be a number",
        "Write it with a decimal point and without quotes, for example 0.5 or 1.0e-3.",
    ),
    "finite_number": ("this must be a finite number", "Write a plain number."),
    "string_type": ("this must be text", "Put it into quotes."),
    "greater_than": ("this must be above {gt:g}", "Correct the value."),
    "greater_than_equal": ("this must be at least {ge:g}", "Correct the value."),
    "less_than": ("this must be below {lt:g}", "Correct the value."),
    "less_than_equal": ("this must be at most {le:.12g}", "Correct the value."),
    "too_short": ("this must hold at least {min_length} entry", "Add one, or omit the field."),
    "string_too_short": (
        "this text is too short; at least {min_length} character is needed",
        "Write more, or omit the field.",
    ),
    "string_too_long": ("this must have at most {max_length} characters", "Shorten it."),
    "string_pattern_mismatch": ("this text has the wrong form", "Correct the value."),
    "missing": ("this field is missing", "Add it."),
    "invalid_key": ("the name of a field must be text", "Put it into quotes, or correct it."),
}
_SENTENCES |= {
    "int_from_float": _SENTENCES["int_type"],
    "int_parsing": _SENTENCES["int_type"],
    "float_parsing": _SENTENCES["float_type"],
    "bool_parsing": _SENTENCES["bool_type"],
    "model_type": ("this must hold fields of its own", "Write `{field}:` and indent its fields below."),
    "dict_type": ("this must hold fields of its own", "Write `{field}:` and indent its fields below."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The first finding of a validation.

    Attributes:
        problem: what is wrong, without the place.
        remedy: what to do about it.
        path: names of the fields down to the one that is meant, as far as they are in the data.
    """

    problem: str
    remedy: str
    path: tuple[str, ...]


def first_finding(
    error: ValidationError, data: Mapping[str, Any], model: type[BaseModel], *, beside: Sequence[str] = ()
) -> Finding:
    """Return pydantic's first finding about ``data`` in plain words; further fields that are wrong are counted.

    A field that nobody knows comes first: where a name is misspelt, the field of the right name is missing as well.

    Args:
        error: of the validation.
        data: what was validated.
        model: against which.
        beside: fields that may stand beside those of the model.
    """
    findings = sorted(error.errors(), key=lambda finding: finding["type"] != "extra_forbidden")
    paths = [_path(finding, data) for finding in findings]
    here = paths[0]
    kinds = {finding["type"] for finding, path in zip(findings, paths, strict=True) if path == here}
    if len(kinds) > 1 and kinds <= _PLAIN_VALUES:
        problem, remedy = "this must be one plain value", "Write a number, a text, true or false."
    else:
        problem, remedy = _explain(findings[0], here, model, beside)
    # A list whose entry is wrong is found too short as well: what lies above the field is not another one.
    others = len({path for path in paths if path != here[: len(path)]})
    return Finding(
        problem=problem
        + (f" (and {others} more {'field is' if others == 1 else 'fields are'} wrong)" if others else ""),
        remedy=remedy,
        path=here,
    )


def explain_parameter(finding: Any) -> tuple[str, str]:
    """Return what is wrong with one plain value, such as a parameter of a request, and the remedy; the value is not repeated.

    Args:
        finding: one of `ValidationError.errors()`.
    """
    problem, remedy = _SENTENCES.get(finding["type"], ("this is wrong", "Correct it, or leave it out."))
    words = {**finding.get("ctx", {}), "field": str(finding["loc"][-1])}
    return problem.format(**words), remedy.format(**words)


def _explain(finding: Any, path: tuple[str, ...], model: type[BaseModel], beside: Sequence[str]) -> tuple[str, str]:
    kind, given, context = finding["type"], finding.get("input"), finding.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown field", _spelling(path[-1], [*_fields(model, path[:-1]), *(beside if len(path) == 1 else ())])
    if kind == "literal_error":
        choices = context["expected"].replace(" or ", ", ").replace("'", "")
        return f"this must be one of: {choices}{_quote_value(given)}", closest_match(
            given, choices.split(", ")
        ) or "Choose one."
    if kind in ("tuple_type", "list_type"):
        return f"this must be a list{_quote_value(given)}", "Put it into brackets" + (
            f": [{given!r}]." if isinstance(given, str) else "."
        )
    problem, remedy = _SENTENCES.get(kind, (finding["msg"].removeprefix("Value error, "), "Correct the value."))
    if kind == "string_pattern_mismatch":
        remedy = _PATTERNS.get(context["pattern"], remedy)
    words = {**context, "field": path[-1] if path else "problem"}
    # A sentence of a model's own is complete, and may hold braces.
    fill: Callable[[str], str] = (lambda text: text.format(**words)) if kind in _SENTENCES else str
    return fill(problem) + ("" if kind == "missing" else _quote_value(given)), fill(remedy)


def _path(finding: Any, data: Any) -> tuple[str, ...]:
    """Return the names in a finding's location that are in the data.

    The others are pydantic's own, for the branches of a union. A model that checks several fields together may say
    in its context which one is meant.
    """
    location: Sequence[Any] = finding["loc"]
    if field := finding.get("ctx", {}).get("field"):
        location = (*location, *field.split("."))
    found = []
    for part in location:
        if (isinstance(data, Mapping) and part in data) or (isinstance(data, list | tuple) and isinstance(part, int)):
            found.append(str(part))
            data = data[part]
    return (*found, str(location[-1])) if finding["type"] == "missing" else tuple(found)


def _fields(model: type[BaseModel], path: Iterable[str]) -> list[str]:
    """Return the names of the fields below ``path``; none where that is not a model."""
    for name in path:
        field = model.model_fields.get(name)
        choices = (field.annotation, *get_args(field.annotation)) if field else ()
        models = [choice for choice in choices if isinstance(choice, type) and issubclass(choice, BaseModel)]
        if len(models) != 1:  # of several nobody knows which was meant
            return []
        [model] = models
    return list(model.model_fields)


def _spelling(given: str, fields: list[str]) -> str:
    remedy = closest_match(given, fields) or "Remove it or correct its spelling."
    return f"{remedy} Known here: {', '.join(fields)}." if fields else remedy


def _quote_value(given: object) -> str:
    return (
        f" (given: {str(given)[:80]!r})"
        if isinstance(given, str)
        else (f" (given: {given!r})" if isinstance(given, bool | int | float) else "")
    )
