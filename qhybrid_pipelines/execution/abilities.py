"""What a provider may offer beyond the port. It declares each ability; nobody looks for one that is not declared."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from qhybrid_pipelines.execution.port import Provider


class Ability(StrEnum):
    """The optional members of a provider; each is described in `OptionalMembers`, under the ability's value."""

    MISSING_SETTING = "missing_setting"
    CHECK_KEY = "check_key"
    IS_IMMEDIATE = "is_immediate"
    REQUESTS = "requests"


class OptionalMembers(Protocol):
    """What a provider has for each ability that it declares in `Provider.abilities`, and has not for any other."""

    def missing_setting(self) -> str | None:
        """Return which setting is missing, without a request; None where the provider can be used.

        For providers that snapshots of all backends pass over until somebody has set them up.
        """

    def check_key(self) -> None:
        """Return if the key is accepted; raise `ProviderError` if it is wrong or missing, or no answer came.

        For providers that tell the state of their backends to everybody: elsewhere `status` proves the key.
        """

    def is_immediate(self, backend: str) -> bool:
        """Return `Capabilities.immediate` of a backend without a request; raise `Rejected` for an unknown one.

        For providers whose capabilities cost a request.
        """

    @property
    def requests(self) -> int:
        """How many requests were made since the provider was built.

        For providers that can poll many jobs with one request: the contract suite counts.
        """


def with_ability(provider: Provider, ability: Ability) -> OptionalMembers | None:
    """Return a provider as one that has the members of an ability; None where it does not declare the ability."""
    return cast("OptionalMembers", provider) if ability in provider.abilities else None
