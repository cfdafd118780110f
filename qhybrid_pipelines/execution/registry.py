"""The providers, by presence.

Every module in `execution/providers/` exports ``build(folder) -> Provider``; or, when it stands before other providers,
``wrap(folder, providers) -> Provider | None``, called after the plain ones are built, where None means that it is not
offered here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path

from qhybrid_pipelines.execution import providers as adapters
from qhybrid_pipelines.execution.port import Provider


def build_providers(folder: Path) -> dict[str, Provider]:
    """Return every provider by name; each keeps what it must remember in a folder of its own under ``folder``."""
    names = sorted(module.name for module in pkgutil.iter_modules(adapters.__path__))
    modules = {name: importlib.import_module(f"{adapters.__name__}.{name}") for name in names}
    built = [module.build(folder / name) for name, module in modules.items() if hasattr(module, "build")]
    plain: dict[str, Provider] = {provider.name: provider for provider in built}
    wrapped = [module.wrap(folder / name, plain) for name, module in modules.items() if hasattr(module, "wrap")]
    return plain | {provider.name: provider for provider in wrapped if provider is not None}


def backend_names(providers: Mapping[str, Provider]) -> tuple[str, ...]:
    """Return the full names of all backends, in the providers' own order."""
    return tuple(backend for provider in providers.values() for backend in provider.backends())
