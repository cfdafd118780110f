"""What an approved job needs before it is sent at today's price and by today's policy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qhybrid_pipelines.control.jobs.approval import price_transition
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.policy.rules import Decision
from qhybrid_pipelines_tests.support.dispatcher_harness import NOON, SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import make_batch

YES = Decision(verdict="allow", rule="free", reason="it is cheap")
ASK = Decision(verdict="approve", rule="paid", reason="shots cost money")


@pytest.fixture
def job(dispatcher):
    return replace(dispatcher.submit(make_batch(), SUBMIT_REQUEST), cost_quoted_usd=1.0, approved_by=None)


def steps_of(transition):
    return [(step.event, step.detail) for step in transition.steps]


@pytest.mark.parametrize(("decision", "by"), [(YES, None), (YES, "ada"), (ASK, "ada")])
@pytest.mark.parametrize("price", [0.5, 1.0])
def test_nothing_is_needed_where_the_price_has_not_risen_and_policy_or_a_person_agrees(
    job, decision, by, price
) -> None:
    assert price_transition(replace(job, approved_by=by), decision, price, NOON) is None


def test_a_policy_that_wants_a_person_by_now_asks_one_at_the_old_price(job) -> None:
    asked = price_transition(job, ASK, 1.0, NOON)
    assert steps_of(asked) == [(Event.REQUEST_APPROVAL, {"rule": "paid", "reason": "shots cost money"})]
    assert (asked.cost_quoted_usd, asked.spending_limits, asked.observed_at) == (None, (), NOON)


@pytest.mark.parametrize(("decision", "by"), [(ASK, None), (ASK, "ada"), (YES, "ada")])
def test_a_higher_price_is_asked_for_again_of_a_person(job, decision, by) -> None:
    asked = price_transition(replace(job, approved_by=by), decision, 2.5, NOON)
    risen = {"rule": decision.rule, "reason": "the price rose from $1.00 to $2.50"}
    assert steps_of(asked) == [(Event.REQUEST_APPROVAL, risen)]
    assert asked.cost_quoted_usd == 2.5


def test_a_higher_price_that_the_policy_alone_agrees_to_is_agreed_to_at_once(job) -> None:
    agreed = price_transition(job, YES, 2.5, NOON)
    assert steps_of(agreed) == [
        (Event.REQUEST_APPROVAL, {"rule": "free", "reason": "the price rose from $1.00 to $2.50"}),
        (Event.APPROVE, {"rule": "free", "reason": "it is cheap"}),
    ]
    assert agreed.cost_quoted_usd == 2.5
