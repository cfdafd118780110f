"""The ledger, the providers and the dispatcher of one home folder, opened when they are first needed."""

from __future__ import annotations

from functools import cached_property

from qhybrid_pipelines.control.dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.sql import SqlLedger
from qhybrid_pipelines.execution.port import Provider
from qhybrid_pipelines.execution.registry import backend_names, build_providers
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.raw import RawStore


class Gateway:
    """What assets, sensors, command line and tests share, so that admission and budget cannot be walked around."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @cached_property
    def providers(self) -> dict[str, Provider]:
        """The providers by name."""
        return build_providers(self._home.providers)

    @property
    def backends(self) -> tuple[str, ...]:
        """Full names of all backends."""
        return backend_names(self.providers)

    @cached_property
    def ledger(self) -> SqlLedger:
        """The durable record of every job."""
        return SqlLedger.at(self._home.ledger)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        """The only caller of a provider."""
        return Dispatcher(self.ledger, self.providers, RawStore(self._home.raw))
