"""Which fields of a specification name files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FIELDS = (("problem", "source"), ("problem", "circuit"), ("dataset", "source"), ("sweep", "file"), ("circuit", "file"))


def with_absolute_paths(specification: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the fields of a specification in which each name of a file in a folder is that file's absolute path.

    A name without such a file stays as it is: it may be a source of another kind, such as ``networkx:petersen``.

    Examples:
        >>> with_absolute_paths({"problem": {"source": "networkx:petersen"}}, Path())
        {'problem': {'source': 'networkx:petersen'}}
    """
    fields = dict(specification)
    for section, field in FIELDS:
        part = fields.get(section)
        if isinstance(part, Mapping) and isinstance(part.get(field), str) and (folder / part[field]).is_file():
            fields[section] = {**part, field: str((folder / part[field]).absolute())}
    return fields
