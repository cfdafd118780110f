"""Fields of the interface that will go: announced in the description and in every answer that has one, at least one release before.

A field is put on the list in the release that gives its successor, and taken out of the interface in a later one, not before its date.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

_REFERENCE = "#/components/schemas/"
_METHODS = ("get", "put", "post", "delete", "patch")
#: By method and path of a route: the headers of its answers.
Announcements = Mapping[tuple[str, str], tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """A field that will go.

    Attributes:
        body: name of the body in the description that has it, such as ``Job``.
        field: its name there.
        since: from when on nobody should use it any more, UTC.
        sunset: before this it does not go, UTC.
        successor: what to use in its place, in words.
    """

    body: str
    field: str
    since: datetime
    sunset: datetime
    successor: str

    def __post_init__(self) -> None:
        """Refuse dates that tell nobody in time (RFC 9745, 4: a sunset is not before the deprecation)."""
        if self.since.utcoffset() is None or self.sunset.utcoffset() is None or self.sunset <= self.since:
            raise ValueError(f"{self.body}.{self.field} is to go on {self.sunset}, and was announced on {self.since}")


#: All of them. Nothing is announced at present.
DEPRECATIONS: tuple[Deprecation, ...] = ()


def mark(description: dict[str, Any], deprecations: Collection[Deprecation]) -> None:
    """Say in a description (OpenAPI 3.1) which fields will go, when, and what to use instead.

    Raises:
        LookupError: a body or field is not in the description.
    """
    schemas = description["components"]["schemas"]
    for one in deprecations:
        if one.field not in schemas.get(one.body, {}).get("properties", {}):
            raise LookupError(f"the interface has no field {one.body}.{one.field}, which is said to go")
        found = schemas[one.body]["properties"][one.field]
        words = f"Goes after {one.sunset.astimezone(UTC):%Y-%m-%d}. {one.successor}"
        found["description"] = " ".join(filter(None, (found.get("description"), words)))
        found["deprecated"] = True


def announcements(description: Mapping[str, Any], deprecations: Collection[Deprecation]) -> Announcements:
    """Return the headers of the answers that may carry a field that will go, by method and path.

    They are `Deprecation` (RFC 9745) and `Sunset` (RFC 8594), of several fields the earliest dates, and a link to the description.
    """
    found = {}
    for path, operations in description["paths"].items():
        for method in _METHODS:
            bodies = set(_bodies(operations.get(method, {}).get("responses", {}), description))
            going = [one for one in deprecations if one.body in bodies]
            if going:
                since, sunset = min(one.since for one in going), min(one.sunset for one in going)
                found[method.upper(), path] = (
                    ("deprecation", f"@{int(since.timestamp())}"),
                    ("sunset", format_datetime(sunset.astimezone(UTC), usegmt=True)),
                    ("link", '</openapi.json>; rel="deprecation"; type="application/json"'),
                )
    return found


def _bodies(part: Any, description: Mapping[str, Any], seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the names of all bodies that a part of a description refers to, also by way of others."""
    if isinstance(part, Mapping):
        name = str(part.get("$ref", "")).removeprefix(_REFERENCE)
        if name and name not in seen:
            yield name
            yield from _bodies(description["components"]["schemas"][name], description, seen | {name})
        for inner in part.values():
            yield from _bodies(inner, description, seen)
    elif isinstance(part, list):
        for inner in part:
            yield from _bodies(inner, description, seen)
