"""The providers, by presence: every module in `execution/providers/` that exports ``build(folder) -> Provider``."""

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
    built = [importlib.import_module(f"{adapters.__name__}.{name}").build(folder / name) for name in names]
    return {provider.name: provider for provider in built}


def backend_names(providers: Mapping[str, Provider]) -> tuple[str, ...]:
    """Return the full names of all backends, in the providers' own order."""
    return tuple(backend for provider in providers.values() for backend in provider.backends())
