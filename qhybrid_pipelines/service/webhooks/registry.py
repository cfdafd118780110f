"""Registering endpoints, by HTTP and from the command line: what may be registered, and which secret belongs to it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.vocabulary.decision_words import DECISION_UPGRADED
from qhybrid_pipelines.service.access.api_keys import KeyFile
from qhybrid_pipelines.service.webhooks.endpoint_store import EndpointStore
from qhybrid_pipelines.service.webhooks.endpoints import Endpoint, Kind
from qhybrid_pipelines.service.webhooks.signatures import pepper_mark, secret_for, shown
from qhybrid_pipelines.service.webhooks.target_addresses import parse_target
from qhybrid_pipelines.service.webhooks.webhook_settings import WebhookSettings
from qhybrid_pipelines.storage.decision_database import last_upgrade

#: The secret before the last change signs together with the new one for so long.
BOTH_SECRETS_FOR = timedelta(hours=24)
MAX_REPLAYED = 100_000
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class EndpointRegistry:
    """The endpoints of a home, as people change them.

    Attributes:
        store: keeps them.
        keys: of the home; secrets follow from its pepper.
        settings: of this machine.
    """

    store: EndpointStore
    keys: KeyFile
    settings: WebhookSettings

    def add(
        self,
        *,
        principal: str,
        sees_all: bool,
        kind: Kind,
        target: str,
        types: Sequence[str] | None,
        by_tier: bool,
        after: int,
    ) -> tuple[Endpoint, str | None]:
        """Register an endpoint, and return it with its secret, which cannot be shown again; a signed one has one.

        Args:
            principal: whose it is.
            sees_all: it is told of everybody's jobs.
            kind: form of its messages.
            target: address of HTTP, or of mail for that kind.
            types: names of the events it wants; None is all.
            by_tier: only what the tiers of the policy tell people.
            after: position of the last event that it is not told.

        Raises:
            InvalidInput: nothing is sent to such an address, an event is not known or never sent by tier, or there are too many
                endpoints.
        """
        _check_types(types)
        if by_tier and DECISION_UPGRADED in (types or ()):
            raise InvalidInput(
                f"decisions have no tier: with by_tier, {DECISION_UPGRADED} is never sent",
                remedy=f"Register another endpoint for {DECISION_UPGRADED}, without by_tier.",
                field="by_tier",
            )
        if kind == "mail":
            if not _MAIL.fullmatch(target):
                raise InvalidInput("this is not an e-mail address", remedy="Write NAME@HOST.", field="url")
        else:
            parse_target(target, loopback=self.settings.loopback)
        pepper = self.keys.pepper()
        endpoint = self.store.add(
            principal=principal,
            sees_all=sees_all,
            kind=kind,
            target=target,
            types=types,
            by_tier=by_tier,
            pepper_mark=pepper_mark(pepper),
            position=after,
            upgrade=last_upgrade(self.keys.home.service_decisions),
            at=_now().isoformat(),
        )
        return endpoint, self._shown_secret(endpoint, pepper)

    def rotate(self, endpoint: Endpoint) -> str:
        """Give an endpoint its next secret and return it; the one before signs as well for a day.

        Raises:
            InvalidInput: its messages are not signed.
        """
        if endpoint.kind != "webhook":
            raise InvalidInput(
                f"messages of the kind {endpoint.kind} are not signed",
                remedy="Only webhooks have a secret.",
                field="ID",
            )
        pepper = self.keys.pepper()
        self.store.rotate(endpoint.id, pepper_mark=pepper_mark(pepper), at=_now().isoformat())
        return shown(secret_for(pepper, endpoint.id, endpoint.generation + 1))

    def replay(self, endpoint: Endpoint, *, after: int, until: int, head: int) -> None:
        """Have events sent once more, those after a position up to and with another.

        Raises:
            InvalidInput: there are no such events, or too many.
        """
        if not 0 <= after < until <= head:
            raise InvalidInput(
                f"there are no events after {after} up to {until}: the last one has position {head}",
                remedy="Name a position that is there, and a later one.",
                field="until",
            )
        if until - after > MAX_REPLAYED:
            raise InvalidInput(
                f"these are more than {MAX_REPLAYED:,} events", remedy="Replay them in several parts.", field="until"
            )
        self.store.replay(endpoint.id, after=after, until=until)

    def secrets(self, endpoint: Endpoint) -> list[bytes]:
        """Return the secrets that sign messages of an endpoint now."""
        if endpoint.kind != "webhook":
            return []
        pepper = self.keys.pepper()
        found = [secret_for(pepper, endpoint.id, endpoint.generation)]
        if endpoint.rotated_at and _now() < datetime.fromisoformat(endpoint.rotated_at) + BOTH_SECRETS_FOR:
            found.append(secret_for(pepper, endpoint.id, endpoint.generation - 1))
        return found

    def obstacle(self, endpoint: Endpoint) -> str | None:
        """Return why nothing can be sent to an endpoint as things are on this machine; None where it can."""
        if endpoint.kind == "mail" and self.settings.mail is None:
            return "This service has no mail server: QHYBRID_SMTP_URL is not set."
        if endpoint.kind == "webhook" and pepper_mark(self.keys.pepper()) != endpoint.pepper_mark:
            return "Its secret was made with another pepper: give it a new one."
        return None

    def _shown_secret(self, endpoint: Endpoint, pepper: bytes) -> str | None:
        return shown(secret_for(pepper, endpoint.id, endpoint.generation)) if endpoint.kind == "webhook" else None


def endpoint_fields(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint as people see it; of an address that is itself a secret, only the host."""
    target = endpoint.target
    if endpoint.kind == "slack":
        parts = urlsplit(target)
        target = f"{parts.scheme}://{parts.netloc}/..."
    return {
        "endpoint": endpoint.id,
        "principal": endpoint.principal,
        "kind": endpoint.kind,
        "url": target,
        "types": None if endpoint.types is None else list(endpoint.types),
        "by_tier": endpoint.by_tier,
        "sees_all": endpoint.sees_all,
        "state": endpoint.state,
        "problem": endpoint.problem,
        "position": endpoint.position,
        "upgrade": endpoint.upgrade,
        "failures": endpoint.failures,
        "failing_since": endpoint.failing_since,
        "next_attempt_at": endpoint.next_attempt_at,
        "delivered_at": endpoint.delivered_at,
        "created_at": endpoint.created_at,
        "href": f"/v1/webhooks/{endpoint.id}",
    }


def _check_types(types: Collection[str] | None) -> None:
    known = {*EVENT_NAMES.values(), DECISION_UPGRADED}
    for name in types or ():
        if name not in known:
            raise InvalidInput(
                f"there is no event {name[:60]!r}", remedy=f"Choose one of {', '.join(sorted(known))}.", field="types"
            )
    if types is not None and not types:
        raise InvalidInput("no event is chosen", remedy="Name some, or leave the field out for all.", field="types")


def _now() -> datetime:
    return datetime.now(UTC)
