"""The values of endpoints: where messages go, and what is noted about that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["webhook", "slack", "mail"]
EndpointState = Literal["pending", "active", "disabled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint.

    Attributes:
        id: names it.
        principal: whose it is.
        sees_all: it is told of everybody's jobs, and not only of its principal's.
        kind: form of its messages.
        target: address of HTTP, or of mail.
        types: names of the events it wants; None is all.
        by_tier: it wants only what the tiers of the policy tell people (their ``notify``).
        generation: how often its secret was changed.
        rotated_at: when last, ISO 8601, UTC; None before the first time.
        pepper_mark: of the pepper that its secret follows from.
        created_at: ISO 8601, UTC.
        state: pending until the receiver has acknowledged a first message; disabled ones are told nothing.
        position: of the last event that is done with.
        notice: number of the last notice that is done with.
        upgrade: number of the last upgrade of a decision that is done with.
        failures: attempts in a row that failed.
        failing_since: the first of them.
        next_attempt_at: not before.
        problem: of the last failure, or why it is disabled.
        delivered_at: last success.
    """

    id: str
    principal: str
    sees_all: bool
    kind: Kind
    target: str
    types: tuple[str, ...] | None
    by_tier: bool
    generation: int
    rotated_at: str | None
    pepper_mark: str
    created_at: str
    state: EndpointState
    position: int
    notice: int
    upgrade: int
    failures: int
    failing_since: str | None
    next_attempt_at: str | None
    problem: str | None
    delivered_at: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about an endpoint that others are told: it was disabled."""

    number: int
    endpoint: str
    at: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Replay:
    """Events that are sent once more: those after ``position``, up to and with ``until``."""

    number: int
    position: int
    until: int


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that was tried to the end of the schedule and set aside; a replay sends it again."""

    message: str
    position: int | None
    at: str
    problem: str
