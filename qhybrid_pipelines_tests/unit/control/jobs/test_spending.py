"""What budgets say about jobs to come, against sums in whole micro-dollars that the tests make themselves."""

from __future__ import annotations

import itertools

import pytest

from qhybrid_pipelines.control.jobs.spending import budget_warning, check_quotes, spending
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines_tests.support.dispatcher_harness import ALLOW, SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import make_batch
from qhybrid_pipelines_tests.support.ledger_plans import NOW, plan

ALL, OF_A = SpendingLimit(limit_usd=10.0), SpendingLimit(limit_usd=5.0, provider="a")
QUOTES = [
    {"a:x": first, "a:y": second, "b:x": third}
    for first, second, third in itertools.product((0.0, 0.5, 2.0), (0.0, 2.0, 2.000001), (0.0, 3.0, 6.0))
]


@pytest.fixture
def spent(ledger):
    """A ledger with 1 USD reserved at provider a and 2 USD at b, this month."""
    for name, usd in (("a", 1.0), ("b", 2.0)):
        steps = (Event.PLAN, Event.APPROVE)
        ledger.plan(plan(name, quote=usd, budget=9.0, events=steps, provider=name, backend=f"{name}:x"))
    return ledger


def micro(limit: SpendingLimit, quotes: dict[str, float]) -> tuple[int, int]:
    """Return what of a limit is reserved and what would come to it."""
    more = [usd for name, usd in quotes.items() if limit.provider is None or name.startswith(f"{limit.provider}:")]
    return (3_000_000 if limit.provider is None else 1_000_000), sum(round(usd * 1e6) for usd in more)


@pytest.mark.parametrize("limit", [ALL, OF_A], ids=["all", "of a"])
def test_quotes_pass_exactly_as_long_as_a_limit_holds_them(spent, limit) -> None:
    passed = set()
    for quotes in QUOTES:
        before, more = micro(limit, quotes)
        fits = before + more <= limit.limit_usd * 1e6
        if fits:
            check_quotes((limit,), spent, quotes, NOW)
        else:
            own = sorted(name for name, usd in quotes.items() if usd and (limit.provider is None or name[0] == "a"))
            with pytest.raises(Refused) as refusal:
                check_quotes((limit,), spent, quotes, NOW)
            assert f"'{' and '.join(own)}' quotes" in str(refusal.value)
        passed.add(fits)
    assert passed == {True, False}


@pytest.mark.parametrize("limit", [ALL, OF_A], ids=["all", "of a"])
def test_people_are_warned_of_a_limit_that_jobs_to_come_nearly_use_up(spent, limit) -> None:
    """From eight tenths on, whatever it is used for; quotes that do not count do not cause the warning."""
    said = set()
    for quotes in QUOTES:
        before, more = micro(limit, quotes)
        used = before + more
        warning = budget_warning((limit,), spent, quotes, NOW)
        near = more > 0 and used * 10 >= limit.limit_usd * 1e6 * 8
        assert (warning is not None) == near, (quotes, warning)
        if warning is not None:
            share = used / (limit.limit_usd * 1e6)
            assert warning.startswith(limit.label(NOW))
            assert warning.endswith(f"spent or reserved ({share:.0%})")
        said.add(near)
    assert said == {True, False}


def test_every_limit_that_is_near_is_named(spent) -> None:
    quotes = {"a:x": 3.5, "b:x": 2.0}
    assert budget_warning((ALL, OF_A), spent, quotes, NOW) == (
        "all providers in 2026-05: $8.50 of $10.00 spent or reserved (85%); "
        "provider 'a' in 2026-05: $4.50 of $5.00 spent or reserved (90%)"
    )


def test_without_a_job_its_own_quote_is_not_counted_twice(spent) -> None:
    check_quotes((ALL,), spent, {"b:x": 9.0}, NOW, without="j-b")
    with pytest.raises(Refused):
        check_quotes((ALL,), spent, {"b:x": 9.0}, NOW)


@pytest.mark.parametrize(("limit_usd", "near"), [(3.0, True), (3.75, True), (3.76, False), (0.0, False)])
def test_what_is_used_of_a_limit_and_whether_that_is_near(spent, limit_usd, near) -> None:
    [used] = spending((SpendingLimit(limit_usd=limit_usd),), spent, NOW)
    assert (used.committed_usd, used.is_near) == (3.0, near)
    assert str(used).startswith(f"all providers in 2026-05: $3.00 of ${limit_usd:.2f} spent or reserved (")


class TestPreview:
    """What a submission would do, before anything is written down."""

    def preview(self, harness, *batches, limit_usd):
        harness.one.price_usd = 2.0
        dispatcher = harness.dispatcher(ALLOW, budgets=[{"usd": limit_usd, "per": "month"}])
        parts = [SubBatch(batch=batch, first_point=0, first_repetition=at) for at, batch in enumerate(batches)]
        return dispatcher, dispatcher.preview(parts, SUBMIT_REQUEST)

    def test_what_runs_already_is_not_counted_again(self, harness) -> None:
        batch = make_batch()
        dispatcher, [shown] = self.preview(harness, batch, limit_usd=3.0)
        assert (shown.job, harness.ledger.jobs()) == (None, [])
        job = dispatcher.submit(batch, SUBMIT_REQUEST)
        _, [shown] = self.preview(harness, batch, limit_usd=3.0)
        assert shown.job is not None
        assert shown.job.job_id == job.job_id

    def test_new_batches_are_counted_together(self, harness) -> None:
        both = make_batch(seed=1), make_batch(seed=50)
        self.preview(harness, *both, limit_usd=4.0)
        with pytest.raises(Refused, match=r"quotes \$4\.00"):
            self.preview(harness, *both, limit_usd=3.99)
        assert harness.ledger.jobs() == []

    def test_a_plan_keeps_the_warning(self, harness) -> None:
        dispatcher, _ = self.preview(harness, make_batch(), limit_usd=2.5)
        job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        planned = harness.ledger.events(job.job_id)[0].detail
        assert planned["warning"] == "all providers in 2026-05: $2.00 of $2.50 spent or reserved (80%)"
