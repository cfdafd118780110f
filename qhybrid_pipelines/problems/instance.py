"""A problem instance: parsed, validated, content-hashed, and the same however it was written down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One instance of a family.

    Attributes:
        name: readable, for example ``karate_club`` or ``mc_016_003_000``.
        family: name of its family.
        variables: names of the binary variables; every assignment is in this order.
        payload: plain JSON data, canonical (sorted, normalised), all that the family needs; numbers keep full float64.
        best_known: objective that the source states as best known, in the family's unit.
        source: networkx:NAME, file:NAME or generator:NAME.
    """

    name: str
    family: str
    variables: tuple[str, ...]
    payload: dict[str, Any]
    best_known: float | None
    source: str

    @property
    def is_negated(self) -> bool:
        """Whether its source is to be maximised, so that the objective, which is minimised, is the negative of it."""
        return bool(self.payload.get("negated"))

    @property
    def size(self) -> int:
        """Number of binary variables."""
        return len(self.variables)

    @cached_property
    def canonical(self) -> str:
        """The payload as canonical JSON."""
        return canonical_json(self.payload)

    @cached_property
    def sha256(self) -> str:
        """Content hash over family, variables and payload; name and source do not count."""
        return sha256_hex(canonical_json([self.family, list(self.variables), self.payload]))

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Instance:
        """Return the instance kept in a row of the table `problem_instances`."""
        return cls(
            name=row["instance"],
            family=row["family"],
            variables=tuple(row["variables"]),
            payload=json.loads(row["payload"]),
            best_known=row["best_known"],
            source=row["source"],
        )


Sense = Literal["max", "min"]
