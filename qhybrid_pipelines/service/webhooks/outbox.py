"""What an endpoint is to be told, read from the ledger where it has stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from qhybrid_pipelines.control.ledger.port import EventRecord, Ledger
from qhybrid_pipelines.control.policy.tiers import Tiers
from qhybrid_pipelines.core.vocabulary.decision_words import DECISION_UPGRADED
from qhybrid_pipelines.service.resources import event_fields
from qhybrid_pipelines.service.webhooks.endpoints import Endpoint
from qhybrid_pipelines.service.webhooks.messages import Message, event_message, upgrade_message

#: Messages of one round, and rows that are looked through for them at most.
TOGETHER, MOST_ROWS_READ = 50, 2_000
#: Tells whether a principal may see an experiment; the second value says whether it sees what others sent.
Visibility = Callable[[str, bool, str], bool]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some messages in the order of the ledger, and the position up to which the ledger was looked through."""

    messages: tuple[Message, ...]
    position: int


class Upgrades(Protocol):
    """Where the upgrades of decisions come from."""

    last_upgrade: int

    def upgrades(self, *, after: int, principal: str | None, limit: int) -> tuple[Sequence[Mapping[str, Any]], int]:
        """Return the upgrades after a number, of a principal or of all, and the number up to which all were looked through."""


class Outbox:
    """The messages of a ledger, and of the decisions beside it.

    Args:
        ledger: has the events.
        home_id: names the home in messages.
        visibility: what an endpoint may be told of.
        tiers: says which states people are told of.

    Attributes:
        decisions: has the upgrades; None where nothing is decided.
    """

    decisions: Upgrades | None = None

    def __init__(self, ledger: Ledger, home_id: str, *, visibility: Visibility, tiers: Tiers) -> None:
        self._ledger, self.home_id, self._visibility, self._tiers = ledger, home_id, visibility, tiers

        @lru_cache(maxsize=20_000)
        def facts(job: str) -> tuple[str, str]:
            found = ledger.job(job)
            return found.experiment, found.tier

        self._facts = facts  # neither ever changes

    def head(self) -> int:
        """Return the position of the last event."""
        return self._ledger.head().position

    def last_upgrade(self) -> int:
        """Return the number of the last upgrade of a decision."""
        return 0 if self.decisions is None else self.decisions.last_upgrade

    def read_upgrades(self, endpoint: Endpoint) -> tuple[list[Message], int]:
        """Return the upgrades that an endpoint is to be told next, and the number up to which all were looked through."""
        wanted = not endpoint.by_tier and (endpoint.types is None or DECISION_UPGRADED in endpoint.types)
        after = min(endpoint.upgrade, self.last_upgrade())  # older decisions may have taken their place
        if self.decisions is None or not wanted:
            return [], endpoint.upgrade if self.decisions is None else self.last_upgrade()
        found, last = self.decisions.upgrades(
            after=after, principal=None if endpoint.sees_all else endpoint.principal, limit=TOGETHER
        )
        return [upgrade_message(self.home_id, one) for one in found], last

    def read(self, endpoint: Endpoint, *, after: int, until: int | None = None) -> Batch:
        """Return what an endpoint is to be told next.

        Args:
            endpoint: to be told.
            after: position of the last event that it was told.
            until: of the last one that it is told; None is the end of the ledger.
        """
        found: list[Message] = []
        position, rows_read = after, 0
        while len(found) < TOGETHER and rows_read < MOST_ROWS_READ:
            rows = self._ledger.events(after=position, limit=200)
            for row in rows:
                if until is not None and row.position > until:
                    return Batch(tuple(found), max(position, until))
                rows_read, position = rows_read + 1, row.position
                if self._is_wanted(endpoint, row):
                    found.append(event_message(self.home_id, event_fields(row, self._facts(row.job_id)[0])))
                    if len(found) == TOGETHER:
                        break
            else:
                if len(rows) < 200:
                    break
        at_end = until is not None and position < until and self.head() <= position
        return Batch(tuple(found), until if at_end and until is not None else position)

    def _is_wanted(self, endpoint: Endpoint, event: EventRecord) -> bool:
        if endpoint.types is not None and event.event not in endpoint.types:
            return False
        experiment, tier = self._facts(event.job_id)
        if endpoint.by_tier:
            entered = event.from_state is not event.to_state
            if not entered or event.to_state.value not in self._tiers.of(tier).notify:
                return False
        return self._visibility(endpoint.principal, endpoint.sees_all, experiment)
