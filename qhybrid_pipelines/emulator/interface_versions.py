"""The two forms in which the vendor published its interface v0.4 in 2026; one of them is spoken at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One published form.

    Attributes:
        name: year and month of its publication.
        machines: the backends that it lists.
        max_circuits: per job, where it says so; else each machine's own.
        max_gates: of all circuits of a job together, where it says so.
        results_as_artifacts: results are listed by format and fetched by id; what the ideal simulator returns is exact.
    """

    name: str
    machines: tuple[str, ...]
    max_circuits: int | None = None
    max_gates: int | None = None
    results_as_artifacts: bool = False


APRIL = Interface(name="2026-04", machines=("simulator", "qpu.aria-1", "qpu.forte-1"))
OCTOBER = Interface(
    name="2026-10",
    machines=("simulator", "qpu.forte-1", "qpu.forte-enterprise-1"),
    max_circuits=5_000,
    max_gates=150_000,
    results_as_artifacts=True,
)
INTERFACES: Mapping[str, Interface] = MappingProxyType({one.name: one for one in (APRIL, OCTOBER)})
BILLING_UNITS = ("usd", "credit")
"""What prices are told in: organisations that pay in advance are billed in credits."""
