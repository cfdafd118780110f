"""The ledger, the providers and the dispatcher of one home folder, opened when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from qhybrid_pipelines.control.dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.control.ledger.sql import open_ledger
from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.control.policy.rules import Policy, may_need_approval, read_policy
from qhybrid_pipelines.control.reporting.logs import with_logging
from qhybrid_pipelines.core.errors import ProviderError
from qhybrid_pipelines.execution.port import Provider
from qhybrid_pipelines.execution.registry import backend_names, build_providers
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.layout import Home


class ControlPlane:
    """What assets, sensors, command line and tests share, so that admission and budget cannot be walked around."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._immediate: dict[str, bool] = {}

    @cached_property
    def providers(self) -> dict[str, Provider]:
        """The providers by name."""
        return build_providers(self._home.providers)

    @property
    def backends(self) -> tuple[str, ...]:
        """Full names of all backends."""
        return backend_names(self.providers)

    def is_immediate(self, backend: str) -> bool:
        """Tell whether a job on that backend is done when it is acknowledged; false where nobody can say.

        A provider whose capabilities need a request says so itself, in a method of the same name.
        """
        provider = self.providers.get(backend.partition(":")[0])
        if backend not in self._immediate:
            self._immediate[backend] = provider is not None and _is_immediate(provider, backend)
        return self._immediate[backend]

    def may_need_approval(self, backend: str) -> bool:
        """Tell whether the policy has work for that backend wait for a person, of whatever size."""
        return may_need_approval(self.policy, backend)

    def missing_setting(self, provider: str) -> str | None:
        """Return what has to be set before a provider can be used; None where it is ready, or does not say.

        Only jobs may ask a provider that nobody has set up; snapshots of the fleet leave it alone.
        """
        probe = getattr(self.providers[provider], "needs", None)
        return probe() if probe else None

    def key_checks(self) -> Mapping[str, Callable[[], object]]:
        """Return, by provider, a look that only a valid key is allowed; it raises for any other.

        Only providers that tell their backends' state to everybody have one, in a method `check_key`: a look at the
        state of another's backend says as much.
        """
        checks = {name: getattr(provider, "check_key", None) for name, provider in self.providers.items()}
        return {name: check for name, check in checks.items() if check is not None}

    @cached_property
    def deployment(self) -> Deployment:
        """Environment, principal, ledger and policy; in prod only if all of it is safe."""
        return Deployment.from_environment(self._home.path)

    @cached_property
    def policy(self) -> Policy:
        """What is allowed here."""
        return read_policy(self.deployment.policy_file)

    @cached_property
    def ledger(self) -> Ledger:
        """The durable record of every job."""
        return with_logging(open_ledger(self._home, self.deployment.ledger_url))

    @cached_property
    def dispatcher(self) -> Dispatcher:
        """The only caller of a provider."""
        return Dispatcher(
            self.ledger, self.providers, RawStore(self._home.raw), deployment=self.deployment, policy=self.policy
        )


def _is_immediate(provider: Provider, backend: str) -> bool:
    probe = getattr(provider, "is_immediate", None)
    try:
        return bool(probe(backend)) if probe else provider.capabilities(backend).immediate
    except ProviderError:
        return False
