"""The families of circuits that are there: every module in `sampling/families/` that exports ``FAMILY``."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.discovery import exported_by_modules, module_names, public_members
from qhybrid_pipelines.sampling import families

if TYPE_CHECKING:
    from qhybrid_pipelines.sampling.built_circuit import CircuitFamily


def family_names() -> tuple[str, ...]:
    """Return the names of the families, which are those of their modules: who reads a specification imports none of them."""
    return module_names(families)


@cache
def all_families() -> dict[str, CircuitFamily]:
    """Return the families by name, in the order of their modules.

    Raises:
        TypeError: a family lacks something that `sampling.built_circuit.CircuitFamily` asks for.
    """
    from qhybrid_pipelines.sampling.built_circuit import CircuitFamily

    found: list[CircuitFamily] = exported_by_modules(families, "FAMILY", required=public_members(CircuitFamily))
    return {family.name: family for family in found}
