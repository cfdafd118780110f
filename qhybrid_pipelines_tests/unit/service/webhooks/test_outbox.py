"""An endpoint is told what it has chosen, what it may see and what its tier tells people, and its position passes over the rest."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.policy.tiers import Tiers
from qhybrid_pipelines.service.webhooks.endpoint_store import EndpointStore
from qhybrid_pipelines.service.webhooks.outbox import TOGETHER, Outbox
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan
from qhybrid_pipelines_tests.unit.service.webhooks.test_endpoint_store import add

OWN, OTHERS = "maxcut-own-00000000", "maxcut-others-00000000"


@pytest.fixture
def ledger(tmp_path):
    opened = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path):
    opened = EndpointStore(tmp_path / "webhooks.db")
    yield opened
    opened.close()


def outbox(ledger) -> Outbox:
    return Outbox(
        ledger, "home", visibility=lambda who, sees_all, key: sees_all or (who, key) == ("ada", OWN), tiers=Tiers()
    )


def test_others_work_is_not_told_and_is_passed_over(ledger, store):
    ledger.plan(plan("own", experiment=OWN))
    ledger.plan(plan("others", experiment=OTHERS))
    batch = outbox(ledger).read(add(store), after=0)
    assert [message.fields["data"]["experiment"] for message in batch.messages] == [OWN] * 3
    assert batch.position == 6
    everything = outbox(ledger).read(add(store, sees_all=True), after=0)
    assert len(everything.messages) == 6


def test_what_the_tier_tells_people(ledger, store):
    """By default a batch job waits for approval, fails or is late; a scheduled one that waits for approval is quiet."""
    for tier in ("batch", "scheduled"):
        ledger.plan(plan(f"waits-{tier}", tier=tier, experiment=OWN, events=(Event.PLAN, Event.REQUEST_APPROVAL)))
        job = ledger.plan(plan(f"late-{tier}", tier=tier, experiment=OWN, events=(Event.PLAN, Event.EXPIRE)))
        apply_events(ledger, job, Event.ARRIVE_LATE)  # it is EXPIRED still, and people know that
    batch = outbox(ledger).read(add(store, by_tier=True), after=0)
    assert [(one.fields["data"]["job"], one.fields["data"]["to_state"]) for one in batch.messages] == [
        ("j-waits-batch", "AWAITING_APPROVAL"),
        ("j-late-batch", "EXPIRED"),
        ("j-late-scheduled", "EXPIRED"),
    ]


def test_a_batch_is_bounded_and_a_range_has_its_end(ledger, store):
    for number in range(30):
        ledger.plan(plan(f"a{number}", experiment=OWN))
    endpoint, out = add(store), outbox(ledger)
    first = out.read(endpoint, after=0)
    assert (len(first.messages), first.position) == (TOGETHER, TOGETHER)
    assert len(out.read(endpoint, after=first.position).messages) == 90 - TOGETHER
    part = out.read(endpoint, after=10, until=20)
    assert ([message.position for message in part.messages], part.position) == (list(range(11, 21)), 20)
    beyond = out.read(endpoint, after=88, until=500)  # of a ledger that was replaced by an older copy
    assert ([message.position for message in beyond.messages], beyond.position) == ([89, 90], 500)
    none = out.read(add(store, types=["JobVerified"]), after=0, until=7)
    assert (none.messages, none.position) == ((), 7)
