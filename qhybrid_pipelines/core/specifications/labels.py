"""Who an experiment belongs to and what it belongs with: written on its page, and not part of it.

Labels never enter the key, so that a page with another tag is the same experiment: nothing runs again and nothing is paid again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.core.errors import InvalidInput

OWNER, TAGS = "owner", "tags"
MAX_TAGS = 20
_LABEL = re.compile(r"[^\W_][\w .:@/+-]{0,63}")

#: What editors are told about the fields, which belong to the page and not to a specification.
SCHEMA: dict[str, Any] = {
    OWNER: {"type": "string", "description": "Who it belongs to; costs can be added up by it. Not part of the key."},
    TAGS: {
        "type": "array",
        "items": {"type": "string"},
        "description": "Words to find it by; costs can be added up by them. Not part of the key.",
    },
}

Lines = Mapping[tuple[str, ...], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of an experiment.

    Attributes:
        owner: a name, None where nobody was named.
        tags: sorted, each once.
        archived: somebody does not want to see it in lists any more.
    """

    owner: str | None = None
    tags: tuple[str, ...] = ()
    archived: bool = False

    def rows(self) -> list[tuple[str, str]]:
        """Return (kind, label) of each: ``owner``, ``tag`` and ``archived``."""
        owner = [] if self.owner is None else [("owner", self.owner)]
        return owner + [("tag", tag) for tag in self.tags] + ([("archived", "true")] if self.archived else [])


def extract_labels(data: Mapping[str, Any], lines: Lines, *, file: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a page's fields without its labels, and the labels that it gives, as fields of `Labels`.

    Raises:
        InvalidInput: the owner is not a name, or the tags are not a list of at most twenty.
    """

    def invalid(field: str, problem: str, remedy: str) -> InvalidInput:
        return InvalidInput(problem, remedy=remedy, file=file, line=lines.get((field,)), field=field)

    given: dict[str, Any] = {}
    if (owner := data.get(OWNER)) is not None:
        if not _is_label(owner):
            raise invalid(
                OWNER, f"{str(owner)[:60]!r} is not a name", f"Write {OWNER}: ada, up to 64 letters and digits."
            )
        given["owner"] = owner
    if (tags := data.get(TAGS)) is not None:
        wrong = [tag for tag in tags if not _is_label(tag)] if isinstance(tags, list) else [tags]
        if wrong or len(tags) > MAX_TAGS:
            problem = f"{str(wrong[0])[:60]!r} is not a tag" if wrong else f"{len(tags)} tags are more than {MAX_TAGS}"
            raise invalid(TAGS, problem, f"Write {TAGS}: [paper, depth], each up to 64 letters and digits.")
        given["tags"] = tuple(sorted(set(tags)))
    return {name: value for name, value in data.items() if name not in (OWNER, TAGS)}, given


def _is_label(value: object) -> bool:
    return isinstance(value, str) and _LABEL.fullmatch(value) is not None and value == value.strip()
