"""Who asks, and what they may do: known before anything of a request is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Scope = Literal["read", "submit", "approve", "operate", "all"]

#: What a scope allows, in words.
SCOPES: Mapping[str, str] = {
    "read": "read the experiments that its principal has sent, with their jobs, results and events",
    "submit": "send experiments, ask what they would cost, and cancel, reprioritise and reroute its own",
    "approve": "agree to jobs that wait for approval, or decline them, whoever asked for them; and read everything",
    "operate": "cancel, reprioritise and reroute what others have sent; and read everything",
    "all": "read what others have sent as well, and the service's own figures",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a request.

    Attributes:
        principal: as policy, ledger and requests name them.
        scopes: what they may do.
    """

    principal: str
    scopes: frozenset[str]

    @property
    def sees_all(self) -> bool:
        """Whether what others sent may be read."""
        return not self.scopes.isdisjoint({"all", "approve", "operate"})


class Authenticator(Protocol):
    """Tells who sent a request."""

    @property
    def is_open(self) -> bool:
        """Whether everybody who reaches the service is one caller, without a key."""

    def caller(self, authorization: str | None) -> Caller:
        """Return who sent a request with this header.

        Raises:
            ProblemError: 401.
        """


@dataclass(frozen=True, slots=True)
class Everybody:
    """No key is asked for: whoever reaches the loopback address of this machine is the user who started the service."""

    principal: str

    @property
    def is_open(self) -> bool:
        """Yes."""
        return True

    def caller(self, authorization: str | None) -> Caller:
        """Return the one caller that there is."""
        del authorization
        return Caller(principal=self.principal, scopes=frozenset(SCOPES))
