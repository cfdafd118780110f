"""What a description of a view of the warehouse consists of."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view: its name, what it means, what its columns mean, and its query."""

    name: str
    meaning: str
    columns: MappingProxyType[str, str]
    sql: str
