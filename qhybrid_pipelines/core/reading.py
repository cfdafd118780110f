"""Reading a specification from YAML or JSON text: plain data only, and errors that name the line and the field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import ValidationError

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specification import BACKEND_PATTERN, NAME_PATTERN, ExperimentSpec

_PATTERNS = {
    NAME_PATTERN: "Use 1 to 64 letters, digits, spaces, dots, dashes and underscores, a letter or digit first.",
    BACKEND_PATTERN: "Write provider:backend, for example local:auto.",
}
MAX_BYTES = 256 * 1024
SCHEMA_HINT = "`qhybrid schema` prints every field with its default."


def read_specification(text: str, *, file: str) -> ExperimentSpec:
    """Return the validated specification in ``text`` (YAML, of which JSON is a part).

    Raises:
        InvalidInput: the text is no YAML, holds aliases or repeated keys, or a field is unknown, missing or wrong.
            Names the file, the line and the field.
    """
    data, lines = read_mapping(text, file=file)
    return validated(data, file=file, lines=lines)


def validated(data: dict[str, Any], *, file: str, lines: dict[tuple[str, ...], int]) -> ExperimentSpec:
    """Return the specification that ``data`` holds; ``lines`` tells where each field stands, as far as known."""
    try:
        return ExperimentSpec.model_validate(data)
    except ValidationError as error:
        raise _explain(error, file=file, lines=lines) from None


def read_mapping(text: str, *, file: str) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    """Return the mapping in ``text`` and the 1-based line of every key, by its path.

    Raises:
        InvalidInput: not YAML, not a mapping, too large, or with aliases or repeated keys.
    """
    if len(text.encode()) > MAX_BYTES:
        raise InvalidInput(
            f"the specification has more than {MAX_BYTES // 1024} kB",
            remedy="A specification is a page of text; put the instance into a file and name that file as problem.source.",
            file=file,
        )
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AliasToken):
                raise InvalidInput(
                    "YAML aliases are not accepted",
                    remedy="Write the value out.",
                    file=file,
                    line=token.start_mark.line + 1,
                )
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise InvalidInput(
            f"this is not YAML: {error.problem or 'unreadable'}",
            remedy="Check the indentation and the quotes at this line.",
            file=file,
            line=mark.line + 1 if mark else None,
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidInput(
            f"this is not YAML: {' '.join(str(error).split())}",
            remedy="Save the file as UTF-8 text with plain values.",
            file=file,
        ) from None
    if not isinstance(data, dict) or not isinstance(node, yaml.MappingNode):
        raise InvalidInput(
            "the file holds no experiment", remedy=f"Start with `name:` and `problem:`. {SCHEMA_HINT}", file=file
        )
    lines: dict[tuple[str, ...], int] = {}
    for path, line in _keys(node, ()):
        if path in lines:
            raise InvalidInput(
                "the same field is given twice",
                remedy=f"Remove one; the first stands in line {lines[path]}.",
                file=file,
                line=line,
                field=".".join(path),
            )
        lines[path] = line
    return data, lines


def _keys(node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            yield here, key.start_mark.line + 1
            yield from _keys(value, here)


def _explain(error: ValidationError, *, file: str, lines: dict[tuple[str, ...], int]) -> InvalidInput:
    """Turn pydantic's first finding into one sentence with a place; further findings are counted."""
    findings = error.errors()
    first = findings[0]
    # Branches of a union appear in the location as names of models; people know only the fields.
    path = tuple(str(p) for p in first["loc"] if isinstance(p, int) or str(p).islower())
    path = tuple(p for p in path if p not in ("str", "function-before", "tuple[str, ...]"))
    remedies = {
        "extra_forbidden": "Remove it or correct its spelling.",
        "missing": "Add it.",
        "string_pattern_mismatch": _PATTERNS.get(str(first.get("ctx", {}).get("pattern")), "Correct the value."),
    }
    problem = {
        "extra_forbidden": "unknown field",
        "missing": "this field is missing",
        "string_pattern_mismatch": "this text has the wrong form",
    }.get(first["type"], first["msg"].removeprefix("Value error, "))
    given = first.get("input")
    if first["type"] not in ("extra_forbidden", "missing") and isinstance(given, str | int | float | bool):
        problem += f" (given: {given!r})"
    if len(findings) > 1:
        problem += f" (and {len(findings) - 1} more)"
    line = next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), None)
    return InvalidInput(
        problem,
        remedy=f"{remedies.get(first['type'], 'Correct the value.')} {SCHEMA_HINT}",
        file=file,
        line=line,
        field=".".join(path) or None,
    )
