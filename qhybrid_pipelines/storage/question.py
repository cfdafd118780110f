"""What a worked question to the warehouse consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, its SQL, and how to read the answer."""

    title: str
    sql: str
    reading: str
