"""The families that are there: every module in `problems/families/` that exports ``FAMILY``."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems import families
from qhybrid_pipelines.problems.family import Family


@cache
def all_families() -> dict[str, Family]:
    """Return the families by name, in alphabetical order."""
    found: dict[str, Family] = {}
    for module in sorted(pkgutil.iter_modules(families.__path__), key=lambda m: m.name):
        if not module.name.startswith("_"):
            family: Family = importlib.import_module(f"{families.__name__}.{module.name}").FAMILY
            found[family.name] = family
    return found


def family_named(name: str) -> Family:
    """Return a family.

    Raises:
        InvalidInput: there is none of that name.
    """
    try:
        return all_families()[name]
    except KeyError:
        raise InvalidInput(
            f"there is no problem family {name!r}",
            remedy=f"Use one of: {', '.join(all_families())}.",
            field="problem.family",
        ) from None
