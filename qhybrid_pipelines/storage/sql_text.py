"""Names and texts as SQL writes them; nothing heavy is imported, so that a query does not wait for it."""

from __future__ import annotations


def name(identifier: str) -> str:
    """Return an identifier in double quotes, so that no name can be anything but a name."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a text in single quotes."""
    return "'" + value.replace("'", "''") + "'"
