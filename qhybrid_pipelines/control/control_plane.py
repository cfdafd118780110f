"""The ledger, the providers and the dispatcher of one home folder, opened when they are first needed."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.core.errors import ProviderError
from qhybrid_pipelines.storage.home_note import read_note
from qhybrid_pipelines.storage.layout import Home

if TYPE_CHECKING:  # who only reads the ledger needs no providers
    import pyarrow as pa

    from qhybrid_pipelines.control.home_identity import HomeGuard
    from qhybrid_pipelines.control.job_dispatcher import Dispatcher
    from qhybrid_pipelines.control.ledger.port import Ledger
    from qhybrid_pipelines.control.ledger.spending import SpendingLimit
    from qhybrid_pipelines.control.policy.rules import Policy
    from qhybrid_pipelines.core.jobs.batch_kinds import Batch
    from qhybrid_pipelines.core.jobs.circuit_jobs import RawResult
    from qhybrid_pipelines.execution.port import Provider


class ControlPlane:
    """What assets, sensors, command line and tests share, so that admission and budget cannot be walked around."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._immediate: dict[str, bool] = {}

    @cached_property
    def _providers(self) -> dict[str, Provider]:
        from qhybrid_pipelines.execution.registry import build_providers

        return build_providers(self._home.providers)

    @property
    def backends(self) -> tuple[str, ...]:
        """Full names of all backends."""
        from qhybrid_pipelines.execution.registry import backend_names

        return backend_names(self._providers)

    def _provider_for(self, backend: str) -> Provider:
        """Return the provider of a backend. Raises as `find_provider`."""
        from qhybrid_pipelines.control.jobs.context import find_provider

        return find_provider(self._providers, backend)

    def is_immediate(self, backend: str) -> bool:
        """Tell whether a job on that backend is done when it is acknowledged; false where nobody can say.

        A provider whose capabilities need a request says so without one, see `Ability.IS_IMMEDIATE`.
        """
        provider = self._providers.get(backend.partition(":")[0])
        if backend not in self._immediate:
            self._immediate[backend] = provider is not None and _is_immediate(provider, backend)
        return self._immediate[backend]

    def may_need_approval(self, backend: str) -> bool:
        """Tell whether the policy has work for that backend wait for a person, of whatever size."""
        from qhybrid_pipelines.control.policy.rules import may_need_approval

        return may_need_approval(self.policy, backend)

    def decode(self, raw: RawResult, batch: Batch) -> pa.Table:
        """Return the counts in an answer that was kept, also one of another home; no provider is asked.

        Raises:
            InvalidInput: there is no provider of that name.
            CorruptResult: the answer is not one to that batch.
        """
        return self._provider_for(batch.backend).decode(raw, batch)

    @cached_property
    def deployment(self) -> Deployment:
        """Environment, principal, ledger and policy; in prod only if all of it is safe."""
        return Deployment.from_environment(self._home.path)

    @cached_property
    def policy(self) -> Policy:
        """What is allowed here."""
        from qhybrid_pipelines.control.policy.rules import read_policy

        return read_policy(self.deployment.policy_file)

    def all_spending_limits(self) -> tuple[SpendingLimit, ...]:
        """Return every limit of the policy's budgets, those of everybody who asked for a job so far among them."""
        if self.deployment.policy_file is None:
            return ()  # the built-in policy has no budgets, and to say so nobody waits until it is read
        return self.policy.all_spending_limits(self.ledger.principals() if self.policy.budgets else ())

    @cached_property
    def ledger(self) -> Ledger:
        """The durable record of every job."""
        from qhybrid_pipelines.control.ledger.sql_ledger import open_ledger
        from qhybrid_pipelines.control.reporting.logs import with_logging

        read_note(self._home)  # a home of a newer release is not opened
        return with_logging(open_ledger(self._home, self.deployment.ledger_url))

    @cached_property
    def guard(self) -> HomeGuard:
        """Whether this home is the one that it says it is."""
        from qhybrid_pipelines.control.home_identity import HomeGuard

        return HomeGuard(self._home, self.ledger, is_shared=self.deployment.ledger_url is not None)

    @property
    def home_id(self) -> str:
        """The home's id, which copies and restored backups keep; one for all machines on one Postgres ledger."""
        return self.ledger.identity().home_id

    @cached_property
    def dispatcher(self) -> Dispatcher:
        """The only caller of a provider."""
        from qhybrid_pipelines.control.experiments.schedule_limits import scheduled_limits
        from qhybrid_pipelines.control.job_dispatcher import Dispatcher
        from qhybrid_pipelines.storage.content_store import RawStore
        from qhybrid_pipelines.storage.removals import RemovalStore
        from qhybrid_pipelines.storage.schedule_store import ScheduleStore

        return Dispatcher(
            self.ledger,
            self._providers,
            RawStore(self._home.raw, removals=RemovalStore(self._home)),
            deployment=self.deployment,
            policy=self.policy,
            anchor=self._home.ledger_anchor,
            home_id=self.home_id,
            guard=self.guard,
            schedule_limits=partial(scheduled_limits, ScheduleStore(self._home)),
        )


def _is_immediate(provider: Provider, backend: str) -> bool:
    from qhybrid_pipelines.execution.abilities import Ability, with_ability

    able = with_ability(provider, Ability.IS_IMMEDIATE)
    try:
        return able.is_immediate(backend) if able is not None else provider.capabilities(backend).immediate
    except ProviderError:
        return False
