"""The families that are there: every module in `problems/families/` that exports ``FAMILY``."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from qhybrid_pipelines.core.discovery import exported_by_modules, module_names, public_members
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.text.spelling import remedy_for_unknown
from qhybrid_pipelines.problems import families
from qhybrid_pipelines.problems.family import Family


@cache
def all_families() -> dict[str, Family]:
    """Return the families by name, in the order of their modules.

    Raises:
        TypeError: a family lacks something that :class:`.Family` asks for.
    """
    found: list[Family] = exported_by_modules(families, "FAMILY", required=public_members(Family))
    return {family.name: family for family in found}


def family_named(name: str) -> Family:
    """Return a family.

    Raises:
        InvalidInput: there is none of that name.
    """
    found = _family_of_module(name) or all_families().get(name)
    if found is None:
        raise InvalidInput(
            f"there is no problem family {name!r}",
            remedy=remedy_for_unknown(name, tuple(all_families()), "Use one of"),
            field="problem.family",
        )
    return found


@cache
def _family_of_module(name: str) -> Family | None:
    """Return the family of the module that has its name; who needs one family does not wait for the others."""
    if name not in module_names(families):
        return None
    found: Family | None = getattr(import_module(f"{families.__name__}.{name}"), "FAMILY", None)
    return found if found is not None and found.name == name else None
