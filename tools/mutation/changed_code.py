"""Changed code in a running interpreter: functions get it at once, modules when they are imported again."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, FunctionType

from mutation.operators import Mutant


def exchange(code: CodeType, mutant: Mutant, functions: Mapping[tuple[str, str], Sequence[FunctionType]]) -> bool:
    """Give the functions of a mutant the changed code; False if that cannot be done."""
    old = functions.get((mutant.module, mutant.qualname), ())
    changed = [part for part in _parts(code) if part.co_qualname == mutant.qualname]
    if len(changed) != 1 or not old:  # overloads, and properties with a setter, have several of one name
        return False
    if any(changed[0].co_freevars != function.__code__.co_freevars for function in old):
        return False
    for function in old:
        function.__code__ = changed[0]
    return True


def _parts(code: CodeType) -> Iterator[CodeType]:
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield part
            yield from _parts(part)


def forget(modules: Sequence[str]) -> None:
    """Let the next import of the modules load them anew; a package, too, remembers what was imported of it."""
    for name in modules:
        package, _, last = name.rpartition(".")
        del sys.modules[name]
        if package in sys.modules and hasattr(sys.modules[package], last):
            delattr(sys.modules[package], last)


def restore_submodules(forgotten: Sequence[str]) -> None:
    """Give packages that are imported anew those of their modules that were kept: only loading a module tells its package."""
    kept = [(*name.rpartition("."), module) for name, module in sys.modules.items()]
    for package, _, last, module in kept:
        if package in forgotten:
            setattr(importlib.import_module(package), last, module)


def is_test(name: str) -> bool:
    """Tell whether a module is one of the tests."""
    return name.split(".", maxsplit=1)[0] in {"qhybrid_pipelines_tests", "conftest"}
