"""Many experiments on one page: ``vary`` names fields and lists of values, and stands for every combination of them.

    vary: {ansatz.layers: [1, 2, 3], shots: [128, 1024]}

makes six specifications, in this order with the last field turning fastest. Each is an ordinary experiment with a key of its own:
``vary`` is not part of any of them, and its name says what it was given.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qhybrid_pipelines.core.errors import InvalidInput

FIELD = "vary"
#: Most combinations of one page; somebody who wants more has most likely mistyped a list.
MAX_COMBINATIONS = 1_000
#: Longest name of a specification, and how much of it a combination may take.
MAX_NAME, MAX_SUFFIX = 64, 44

#: What editors are told about the field, which belongs to the page and not to a specification.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Dotted fields and lists of values, such as {ansatz.layers: [1, 2]}: an experiment for every combination.",
    "additionalProperties": {"type": "array", "minItems": 1},
}

Lines = dict[tuple[str, ...], int]


class TooManyCombinations(InvalidInput):
    """A page stands for more experiments than one page makes.

    Attributes:
        count: of them.
        first: fields of the first of them, so that somebody who knows prices can say what it would cost.
        last: fields of the last of them.
    """

    def __init__(self, error: InvalidInput, *, count: int, first: dict[str, Any], last: dict[str, Any]) -> None:
        super().__init__(error.problem, remedy=error.remedy, file=error.file, line=error.line, field=error.field)
        self.count, self.first, self.last = count, first, last


def expand_variations(data: Mapping[str, Any], lines: Lines, *, file: str) -> Iterator[tuple[dict[str, Any], Lines]]:
    """Yield the fields of every combination, and their lines; without ``vary`` the page itself.

    Raises:
        InvalidInput: ``vary`` is not a mapping of fields to lists of values, varies the name or a field that the page gives as
            well, or has more than a thousand combinations.
    """
    if FIELD not in data:
        yield dict(data), lines
        return
    base = {name: value for name, value in data.items() if name != FIELD}
    varied = _checked(data[FIELD], base, lines, file=file)
    where = {
        tuple(field.split("."))[: depth + 1]: line
        for field in varied
        if (line := lines.get((FIELD, field))) is not None
        for depth in range(field.count(".") + 1)
    }
    for values in itertools.product(*varied.values()):
        made = _combination(base, varied, values)
        yield made, where | {path: line for path, line in lines.items() if path[0] != FIELD}


def _combination(base: Mapping[str, Any], varied: Mapping[str, list[Any]], values: Sequence[Any]) -> dict[str, Any]:
    """Return the fields of the page with one value for each of those that are varied."""
    words = _short_words(list(varied))
    chosen = dict(zip(varied, values, strict=True))
    made = copy.deepcopy(dict(base))
    for field, value in chosen.items():
        _set(made, field.split("."), value)
    if isinstance(made.get("name"), str):
        made["name"] = _name(made["name"], {words[field]: value for field, value in chosen.items()})
    return made


def _checked(varied: object, base: Mapping[str, Any], lines: Lines, *, file: str) -> dict[str, list[Any]]:
    def invalid(problem: str, remedy: str, field: str | None = None) -> InvalidInput:
        path = (FIELD,) if field is None else (FIELD, field)
        where = FIELD if field is None else f"{FIELD}.{field}"
        return InvalidInput(problem, remedy=remedy, file=file, line=lines.get(path), field=where)

    if not isinstance(varied, dict) or not varied:
        raise invalid("this must hold fields, each with a list of values", "Write vary: {ansatz.layers: [1, 2, 3]}.")
    count = 1
    for field, values in varied.items():
        if not isinstance(field, str) or field in ("name", FIELD, "kind"):
            raise invalid(
                f"{field!r} cannot be varied", "The name is made of the values; vary other fields.", str(field)
            )
        if not isinstance(values, list) or not values:
            raise invalid("this must be a list of values", f"Write {field}: [1, 2].", field)
        texts = [json.dumps(value, sort_keys=True, default=str) for value in values]
        if len(set(texts)) != len(texts):
            raise invalid("a value occurs twice", "Every value makes an experiment of its own: remove one.", field)
        if (given := _given(base, field.split("."))) is not None:
            raise invalid(f"{given} is given separately as well", "Give it in one of the two places.", field)
        count *= len(values)
    if count > MAX_COMBINATIONS:
        sizes = " x ".join(str(len(values)) for values in varied.values())
        error = invalid(
            f"{sizes} are {count:,} experiments, and one page makes at most {MAX_COMBINATIONS:,}",
            "Vary fewer values; `qhybrid estimate` says what a smaller page would cost.",
        )
        ends = [_combination(base, varied, [values[end] for values in varied.values()]) for end in (0, -1)]
        raise TooManyCombinations(error, count=count, first=ends[0], last=ends[1])
    return varied


def _given(base: Mapping[str, Any], path: list[str]) -> str | None:
    """Return which part of a field's path the page gives a value of its own, None where the field is free."""
    place: Any = base
    for depth, name in enumerate(path, start=1):
        if name not in place:
            return None
        place = place[name]
        if not isinstance(place, dict):
            return ".".join(path[:depth])
    return ".".join(path)


def _set(data: dict[str, Any], path: list[str], value: object) -> None:
    place = data
    for name in path[:-1]:
        place = place.setdefault(name, {})
    place[path[-1]] = value


def _short_words(fields: list[str]) -> dict[str, str]:
    """Return the last part of every field; the whole field where two have the same last part."""
    last = [field.rsplit(".", 1)[-1] for field in fields]
    return {field: word if last.count(word) == 1 else field for field, word in zip(fields, last, strict=True)}


def _name(name: str, values: Mapping[str, object]) -> str:
    """Return the name with what was varied, cut so that it stays a name: ``cube layers 2 shots 128``."""
    told = " ".join(f"{word} {_text(value)}" for word, value in values.items())[:MAX_SUFFIX].rstrip(" ._-")
    return f"{name[: MAX_NAME - len(told) - 1].rstrip()} {told}"


def _text(value: object) -> str:
    """Return a value in the characters of a name."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return " ".join("".join(c if c.isalnum() or c in "._-" else " " for c in text).split()) or "none"
