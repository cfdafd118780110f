"""What the members of an enum say about themselves, as tables for the pages.

A member is followed by a docstring: first what it means, then paragraphs that begin with a label, such as ``By:`` (who
moves a job on from this state, who records this event, who gives this verdict), ``Next:`` (what happens then) and, for
states that a job can be stuck in, ``If it stays:``. The tables in docs/ are made from there, and a test holds them.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from enum import StrEnum

#: Key of the paragraph that has no label.
MEANING = "Meaning"

_LABEL = re.compile(r"(By|Next|If it stays): ")


def read_member_docs(enum: type[StrEnum]) -> dict[str, dict[str, str]]:
    """Return the paragraphs of every member's docstring by label, by the member's value.

    Raises:
        ValueError: a member has no docstring.
    """
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(enum))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for statement, following in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            docstring = following.value if isinstance(following, ast.Expr) else None
            if not isinstance(docstring, ast.Constant):
                raise ValueError(f"{enum.__name__}.{name} has no docstring")  # noqa: TRY004  not a question of types
            found[enum[name].value] = _paragraphs(str(docstring.value))
    return found


def _paragraphs(text: str) -> dict[str, str]:
    parts = {}
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        said = " ".join(paragraph.split())
        label = _LABEL.match(said)
        parts[label[1] if label else MEANING] = said[label.end() :] if label else said
    return parts


def markdown_table(
    enum: type[StrEnum],
    head: str,
    labels: Mapping[str, str],
    *,
    more: tuple[str, Callable[[str], str]] | None = None,
) -> str:
    """Return the members of an enum as a Markdown table; those without one of the labels are left out.

    Args:
        enum: its members have docstrings.
        head: heading of the column of values.
        labels: which paragraphs are shown, and the heading of each.
        more: heading of one more column after the first, and its cell for a value.
    """
    extra = [more[0]] if more else []
    rows = [[head, *extra, *labels.values()], ["---"] * (1 + len(extra) + len(labels))]
    for value, parts in read_member_docs(enum).items():
        if labels.keys() <= parts.keys():
            rows.append([f"`{value}`", *([f"`{more[1](value)}`"] if more else []), *(parts[label] for label in labels)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
