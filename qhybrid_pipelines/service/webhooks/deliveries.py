"""One round of deliveries to one endpoint: what is next, in lanes by job, and what is noted of the outcome.

Messages of one job are sent one after the other, each after the one before it was acknowledged; jobs do not wait for each other within a
round. The position of an endpoint goes up to the first message that was not delivered and no further, so that an end at any moment
repeats messages and loses none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from qhybrid_pipelines.service.webhooks.channels import LANES, Channel
from qhybrid_pipelines.service.webhooks.delivery_schedule import (
    Attempt,
    disabled_because,
    is_given_up,
    longest_pause_seconds,
    pause_seconds,
)
from qhybrid_pipelines.service.webhooks.endpoint_store import EndpointStore
from qhybrid_pipelines.service.webhooks.endpoints import Endpoint, Notice, Replay
from qhybrid_pipelines.service.webhooks.messages import DISABLED, PING, Message, notice_message
from qhybrid_pipelines.service.webhooks.outbox import Batch, Outbox

_log = logging.getLogger("qhybrid.service.webhooks")


@dataclass(frozen=True, slots=True)
class _Work:
    """What a round sends, and what is noted once the first ``n`` messages are done with."""

    messages: tuple[Message, ...]
    note: Callable[[int], None]
    more: bool
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What became of a round.

    Attributes:
        done: so many of the first messages are done with.
        failed: the failure of the next one.
        took: the receiver has taken something.
        failures: of the first message that was not taken, in a row.
        set_aside: that message was tried to the end of the schedule, and others are taken.
    """

    done: int
    failed: Attempt | None
    took: bool
    failures: int
    set_aside: bool


class Deliveries:
    """Makes rounds.

    Args:
        store: of the endpoints.
        outbox: has the messages.
    """

    def __init__(self, store: EndpointStore, outbox: Outbox) -> None:
        self._store, self.outbox = store, outbox
        #: Messages that were acknowledged before one that was not: kept in memory only, to spare receivers repetitions.
        self._ahead: dict[tuple[str, str], set[str]] = {}
        self.counts: Counter[str] = Counter()

    @staticmethod
    def seconds_until_due(endpoint: Endpoint, now: datetime) -> float:
        """Return how long an endpoint waits after failures; never longer than any pause, whatever the clock has done since."""
        if endpoint.next_attempt_at is None:
            return 0.0
        left = (datetime.fromisoformat(endpoint.next_attempt_at) - now).total_seconds()
        return left if left <= longest_pause_seconds() else 0.0

    async def make_round(
        self, endpoint: Endpoint, channel: Channel, *, now: Callable[[], datetime], chance: Callable[[], float]
    ) -> bool:
        """Send what is next, and return whether there may be more to do, at once or after the endpoint's pause.

        Args:
            endpoint: as stored, neither disabled nor waiting.
            channel: to its receiver.
            now: returns the present.
            chance: returns a number between 0 and 1.
        """
        work = await asyncio.to_thread(self._next, endpoint)
        if not work.messages:
            await asyncio.to_thread(work.note, 0)
            return work.more
        ahead = self._ahead.setdefault((endpoint.id, work.name), set())
        before = len(ahead)
        failed = await _send_in_lanes(channel, [one for one in work.messages if one.id not in ahead], ahead)
        new = len(ahead) - before
        done = next((n for n, one in enumerate(work.messages) if one.id not in ahead), len(work.messages))
        ahead -= {one.id for one in work.messages[:done]}
        self.counts["delivered"] += new
        took = new > 0
        failures = 1 if done else endpoint.failures + 1
        set_aside = failed is not None and is_given_up(failures) and endpoint.state == "active"
        if set_aside and not took:
            # Is it this message, or everything? A receiver that is down loses nothing to that.
            took = set_aside = (await _attempt(channel, self._ping(endpoint))).delivered
        outcome = _Outcome(done=done, failed=failed, took=took, failures=failures, set_aside=set_aside)
        await asyncio.to_thread(self._settle, endpoint, work, outcome, now=now(), chance=chance())
        return True

    def _settle(self, endpoint: Endpoint, work: _Work, outcome: _Outcome, *, now: datetime, chance: float) -> None:
        """Note what became of a round."""
        done, failed, took = outcome.done, outcome.failed, outcome.took
        if took:
            self._store.note_success(endpoint.id, at=now.isoformat())
        if done or failed is None:
            work.note(done)
        if failed is None:
            return
        self.counts["failed"] += 1
        failures = outcome.failures
        since = datetime.fromisoformat(endpoint.failing_since) if endpoint.failing_since and not took else now
        reason = disabled_because(failed, failing_seconds=(now - since).total_seconds())
        if reason is not None:
            self._store.disable(endpoint, problem=reason, at=now.isoformat())
            self.counts["disabled"] += 1
            _log.warning("endpoint %s of %s is disabled: %s", endpoint.id, endpoint.principal, reason)
            return
        if outcome.set_aside:
            head = work.messages[done]
            self._store.note_dead(
                endpoint.id, message=head.id, position=head.position, at=now.isoformat(), problem=failed.problem
            )
            self.counts["dead"] += 1
            work.note(done + 1)
            failures = 0
        pause = pause_seconds(max(failures, 1), chance, failed.retry_after_seconds)
        self._store.note_failure(
            endpoint.id,
            failures=failures,
            since=since.isoformat(),
            next_attempt_at=(now + timedelta(seconds=pause)).isoformat(),
            problem=failed.problem,
        )

    def _next(self, endpoint: Endpoint) -> _Work:
        """Return what an endpoint is told next: that it is one, what became of others, a replay, and what has happened."""
        if endpoint.state == "pending":
            return _Work((self._ping(endpoint),), lambda _: None, more=True)
        notices = self._store.notices_for(endpoint)
        if notices:
            messages = tuple(self._notice(notice) for notice in notices)
            numbers = [notice.number for notice in notices]

            def note_notice(done: int) -> None:
                if done:
                    self._store.note_notice(endpoint.id, numbers[done - 1])

            return _Work(messages, note_notice, more=True)
        replay = self._store.first_replay(endpoint.id)
        if replay is not None:
            return self._replayed(endpoint, replay)
        after = min(endpoint.position, self.outbox.head())  # an older copy of the ledger may have taken its place
        batch = self.outbox.read(endpoint, after=after)
        upgrades, last = self.outbox.read_upgrades(endpoint)

        def note_reached(done: int) -> None:
            upgrade = last if done >= len(upgrades) else (upgrades[done].fields["data"]["number"] - 1)
            if upgrade != endpoint.upgrade:
                self._store.note_upgrade(endpoint.id, upgrade)
            position = _reached(batch, done - len(upgrades)) if done >= len(upgrades) else after
            if position != endpoint.position:
                self._store.note_position(endpoint.id, position)

        more = batch.position > after or bool(upgrades)
        return _Work((*upgrades, *batch.messages), note_reached, more=more)  # an upgrade counts by the second

    def _ping(self, endpoint: Endpoint) -> Message:
        return notice_message(
            self.outbox.home_id,
            kind=PING,
            number=f"{endpoint.id}/ping",
            subject=endpoint.id,
            at=endpoint.created_at,
            data={"endpoint": endpoint.id, "principal": endpoint.principal},
        )

    def _notice(self, notice: Notice) -> Message:
        return notice_message(
            self.outbox.home_id,
            kind=DISABLED,
            number=str(notice.number),
            subject=notice.endpoint,
            at=notice.at,
            data=notice.data,
        )

    def _replayed(self, endpoint: Endpoint, replay: Replay) -> _Work:
        batch = self.outbox.read(endpoint, after=replay.position, until=replay.until)
        return _Work(
            batch.messages,
            lambda done: self._store.note_replayed(replay, _reached(batch, done)),
            more=True,
            name=f"replay {replay.number}",
        )


def _reached(batch: Batch, done: int) -> int:
    """Return the position up to which everything is done with when the first messages of a batch are."""
    if done >= len(batch.messages):
        return batch.position
    following = batch.messages[done].position
    assert following is not None
    return following - 1


async def _send_in_lanes(channel: Channel, messages: Sequence[Message], delivered: set[str]) -> Attempt | None:
    """Send messages, those of one lane in turn; a lane ends with its first failure.

    Returns:
        The failure of the first message, in the order given, that was not delivered; None where all were.
    """
    lanes: dict[str, list[Message]] = {}
    for message in messages:
        lanes.setdefault(message.lane, []).append(message)
    failed: dict[str, Attempt] = {}
    free = asyncio.Semaphore(LANES)

    async def send(lane: list[Message]) -> None:
        for message in lane:
            async with free:
                if len(failed) >= LANES:  # it is down: the others would fail in the same way
                    return
                attempt = await _attempt(channel, message)
            if not attempt.delivered:
                failed[message.id] = attempt
                return
            delivered.add(message.id)

    await asyncio.gather(*map(send, lanes.values()))
    if not failed:
        return None
    first = next(one for one in messages if one.id not in delivered)
    return failed.get(first.id) or next(iter(failed.values()))


async def _attempt(channel: Channel, message: Message) -> Attempt:
    """Make one attempt; an error of this program is a failure of this message, and of no other endpoint."""
    try:
        return await channel.send(message)
    except Exception as error:  # noqa: BLE001  a lane that ended otherwise would leave the others without a watcher
        _log.warning("message %s was not sent: %s", message.id, type(error).__name__)
        return Attempt(delivered=False, problem=f"It could not be sent ({type(error).__name__}).")
