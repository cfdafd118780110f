"""The providers, by presence.

Every module in `execution/providers/` exports ``build(folder) -> Provider``; or, when it wraps other providers,
``wrap(folder, providers) -> Provider | None``, called after the plain ones are built, where None means that it is not
offered here. What it says about its backends without asking anybody is in ``DECLARED``, unless it passes on what
others say.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType

from qhybrid_pipelines.core.jobs.backend_declaration import Declaration
from qhybrid_pipelines.execution import providers as adapters
from qhybrid_pipelines.execution.port import Provider


def build_providers(folder: Path) -> dict[str, Provider]:
    """Return every provider by name; each keeps what it must remember in a folder of its own under ``folder``."""
    modules = dict(_modules())
    built = [module.build(folder / name) for name, module in modules.items() if hasattr(module, "build")]
    plain: dict[str, Provider] = {provider.name: provider for provider in built}
    wrapped = [module.wrap(folder / name, plain) for name, module in modules.items() if hasattr(module, "wrap")]
    return plain | {provider.name: provider for provider in wrapped if provider is not None}


def backend_names(providers: Mapping[str, Provider]) -> tuple[str, ...]:
    """Return the full names of all backends, in the providers' own order."""
    return tuple(backend for provider in providers.values() for backend in provider.backends())


def declarations() -> tuple[Declaration, ...]:
    """Return what the adapters say about their groups of backends, without asking anybody; sorted by their modules' names."""
    return tuple(declaration for _, module in _modules() for declaration in getattr(module, "DECLARED", ()))


def declaration_of(backend: str) -> Declaration | None:
    """Return what is said about the group of a backend, by its full name; None for a backend of no adapter here."""
    provider, _, name = backend.partition(":")
    if provider == "chaos":  # it passes on what the backend behind it is
        return declaration_of(name.replace(".", ":", 1))
    return next((said for said in declarations() if fnmatchcase(backend, said.backends)), None)


def _modules() -> Iterator[tuple[str, ModuleType]]:
    """Yield the adapters' modules with their names."""
    for name in sorted(module.name for module in pkgutil.iter_modules(adapters.__path__)):
        yield name, importlib.import_module(f"{adapters.__name__}.{name}")
