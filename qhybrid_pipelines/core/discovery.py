"""Extensions by presence: what the modules of a package export under one name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def exported_by_modules(package: ModuleType, export: str, *, required: Iterable[str]) -> list[Any]:
    """Return what the modules of ``package`` export as ``export``, in the order of the modules' names.

    Modules that begin with an underscore, and those without the export, only help others.

    Args:
        package: where the modules are; it is imported already.
        export: a name such as ``FAMILY``.
        required: attributes that each exported object must have.

    Raises:
        TypeError: an object lacks attributes, or two have the same ``name``; says the module and what is missing.
    """
    needed = tuple(required)
    module_for: dict[str, str] = {}
    found = []
    for full_name in (f"{package.__name__}.{name}" for name in module_names(package)):
        module = importlib.import_module(full_name)
        if not hasattr(module, export):
            continue
        exported = getattr(module, export)
        missing = [attribute for attribute in needed if not hasattr(exported, attribute)]
        if missing:
            raise TypeError(f"{export} in {full_name} has no {', no '.join(missing)}")
        first = module_for.setdefault(exported.name, full_name)
        if first != full_name:
            raise TypeError(f"{export} in {full_name} and in {first} have the same name {exported.name!r}")
        found.append(exported)
    return found


def module_names(package: ModuleType) -> tuple[str, ...]:
    """Return the names of the modules of a package that do not begin with an underscore, sorted; none is imported."""
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(name for name in names if not name.startswith("_"))


def public_members(protocol: type) -> tuple[str, ...]:
    """Return the names of what a protocol asks for: annotated attributes and methods, in the order they are written."""
    members = {**getattr(protocol, "__annotations__", {}), **vars(protocol)}
    return tuple(name for name in members if not name.startswith("_"))
