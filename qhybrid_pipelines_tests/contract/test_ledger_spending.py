"""What all experiments together may spend: in SQLite, on Postgres, and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.control.jobs.spending import spending
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, Ledger, Transition
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines_tests.support.ledger_plans import NOW, apply_events, plan
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger
from qhybrid_pipelines_tests.support.postgres_databases import schema

MONTH = (SpendingLimit(limit_usd=1.0),)
LAST_MOMENT = datetime(2026, 5, 31, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    made: Ledger
    if request.param == "sqlite":
        made = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    elif request.param == "postgres":
        made = SqlLedger.open_postgres(request.getfixturevalue("postgres_url"))
    else:
        made = MemoryLedger()
    yield made
    made.close()


def spend(
    ledger: Ledger, name: str, usd: float, *, limits=MONTH, at: datetime = NOW, provider: str = "v", principal: str = ""
):
    """Plan a job of an experiment of its own, whose own budget would hold it."""
    steps = tuple(EventData(event=event, at=at) for event in (Event.PLAN, Event.APPROVE))
    return ledger.plan(
        plan(
            name,
            quote=usd,
            budget=100.0,
            experiment=f"{name}-00000000",
            backend=f"{provider}:d",
            provider=provider,
            planned_at=at,
            steps=steps,
            spending_limits=limits,
            principal=principal,
        )
    )


def test_experiments_share_the_limit_of_a_month_and_a_refusal_leaves_no_trace(ledger: Ledger) -> None:
    spend(ledger, "a", 0.6)
    with pytest.raises(Refused, match=r"all providers in 2026-05 spend \$1.00"):
        spend(ledger, "b", 0.6)
    assert [job.job_id for job in ledger.jobs()] == ["j-a"]
    assert ledger.account("b-00000000") is None
    spend(ledger, "c", 0.4)
    spend(ledger, "free", 0.0)
    assert ledger.audit_rows() == []


def test_all_jobs_of_one_call_are_held_together(ledger: Ledger) -> None:
    both = [
        plan(name, quote=0.6, budget=9.0, experiment=f"{name}-00000000", spending_limits=MONTH) for name in ("a", "b")
    ]
    with pytest.raises(Refused):
        ledger.plan_all(both)
    assert ledger.jobs() == []


def test_a_month_ends_at_midnight_utc_wherever_somebody_is(ledger: Ledger) -> None:
    spend(ledger, "may", 1.0, at=LAST_MOMENT)
    with pytest.raises(Refused, match="2026-05"):  # June in Tokyo, and still May
        spend(ledger, "tokyo", 0.1, at=LAST_MOMENT.astimezone(timezone(timedelta(hours=9))))
    spend(ledger, "june", 1.0, at=LAST_MOMENT + timedelta(microseconds=1))
    with pytest.raises(Refused, match="for all time"):
        spend(ledger, "ever", 0.1, limits=(SpendingLimit(limit_usd=2.0, per="ever"),), at=NOW + timedelta(days=400))


def test_a_provider_has_a_limit_of_its_own_beside_that_of_all(ledger: Ledger) -> None:
    limits = (SpendingLimit(limit_usd=1.0), SpendingLimit(limit_usd=0.5, provider="v"))
    spend(ledger, "a", 0.5, limits=limits)
    with pytest.raises(Refused, match="provider 'v' in 2026-05"):
        spend(ledger, "b", 0.1, limits=limits)
    spend(ledger, "c", 0.5, limits=limits, provider="w")
    with pytest.raises(Refused, match="all providers in 2026-05"):
        spend(ledger, "d", 0.1, limits=limits, provider="w")


def test_a_day_ends_at_midnight_utc_and_belongs_to_whoever_asks(ledger: Ledger) -> None:
    def day_of(principal: str) -> tuple[SpendingLimit, ...]:
        return (SpendingLimit(limit_usd=1.0, per="day", principal=principal),)

    spend(ledger, "a", 0.7, limits=day_of("ada"), principal="ada", at=LAST_MOMENT)
    spend(ledger, "b", 0.7, limits=day_of("bob"), principal="bob", at=LAST_MOMENT)
    with pytest.raises(Refused, match="'ada' on 2026-05-31 spend"):
        spend(ledger, "c", 0.4, limits=day_of("ada"), principal="ada", at=LAST_MOMENT)
    assert ledger.committed_usd(day_of("ada")[0], LAST_MOMENT) == 0.7
    spend(ledger, "d", 1.0, limits=day_of("ada"), principal="ada", at=LAST_MOMENT + timedelta(microseconds=1))
    assert ledger.committed_usd(day_of("ada")[0], LAST_MOMENT) == 0.7


def test_what_a_job_did_not_use_may_be_spent_by_another(ledger: Ledger) -> None:
    job = apply_events(ledger, spend(ledger, "a", 1.0), Event.SUBMIT)
    apply_events(ledger, job, Event.ACKNOWLEDGE, Event.CANCEL, provider_job_id="p", cost_usd=0.25)
    spend(ledger, "b", 0.75)
    with pytest.raises(Refused):
        spend(ledger, "c", 0.000001)


def test_a_price_that_rose_has_to_fit_as_well(ledger: Ledger) -> None:
    spend(ledger, "a", 0.5)
    job = spend(ledger, "b", 0.4)
    steps = (EventData(event=Event.REQUEST_APPROVAL, at=NOW), EventData(event=Event.APPROVE, at=NOW))

    def requote(usd: float) -> Transition:
        return Transition(job=job, steps=steps, observed_at=NOW, cost_quoted_usd=usd, spending_limits=MONTH)

    with pytest.raises(Refused, match="2026-05"):
        ledger.advance(requote(0.6))
    assert ledger.job("j-b") == job
    assert ledger.advance(requote(0.5)).cost_quoted_usd == 0.5


LIMITS = st.lists(
    st.builds(
        SpendingLimit,
        limit_usd=st.integers(0, 20).map(lambda tenths: tenths / 10),
        provider=st.sampled_from([None, "v", "w"]),
        per=st.sampled_from(["day", "month", "ever"]),
        principal=st.sampled_from([None, "ada", "bob"]),
    ),
    max_size=3,
).map(tuple)
JOBS = st.lists(
    st.tuples(
        st.integers(0, 9).map(lambda tenths: tenths / 10),
        st.sampled_from(["v", "w"]),
        st.sampled_from([0, 1, 20, 40]),
        st.sampled_from(["ada", "bob"]),
    ),
    max_size=8,
)


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "memory"])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limits=LIMITS, jobs=JOBS)
def test_no_order_of_jobs_gets_past_a_limit_and_none_that_fits_is_refused(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, kind: str, limits, jobs
) -> None:
    """Against sums that are made here, by hand and in decimals."""
    with ExitStack() as stack:
        if kind == "sqlite":
            ledger: Ledger = SqlLedger.open_sqlite(tmp_path_factory.mktemp("spending") / "ledger.db")
        elif kind == "postgres":
            url = stack.enter_context(schema(request.getfixturevalue("postgres_home")))
            ledger = SqlLedger.open_postgres(url)
        else:
            ledger = MemoryLedger()
        stack.callback(ledger.close)
        compare_with_sums_by_hand(ledger, limits, jobs)


def compare_with_sums_by_hand(ledger: Ledger, limits, jobs) -> None:
    accepted: list[tuple[Decimal, str, str, str]] = []
    for number, (usd, provider, days, principal) in enumerate(jobs):
        at = NOW + timedelta(days=days)
        fits = True
        for limit in limits:
            same = [
                asked
                for asked, whose, day, who in accepted
                if limit.provider in (None, whose)
                and limit.principal in (None, who)
                and {"day": day == f"{at:%Y-%m-%d}", "month": day[:7] == f"{at:%Y-%m}", "ever": True}[limit.per]
            ]
            if limit.provider in (None, provider) and limit.principal in (None, principal) and usd:
                fits &= sum(same, Decimal(str(usd))) <= Decimal(str(limit.limit_usd))
        try:
            applying = tuple(limit for limit in limits if limit.principal in (None, principal))
            spend(ledger, f"x{number}", usd, limits=applying, at=at, provider=provider, principal=principal)
        except Refused:
            assert not fits
        else:
            assert fits
            accepted.append((Decimal(str(usd)), provider, f"{at:%Y-%m-%d}", principal))
    for used in spending(limits, ledger, NOW):
        days = {"day": f"{NOW:%Y-%m-%d}", "month": f"{NOW:%Y-%m}", "ever": ""}
        by_hand = sum(
            usd
            for usd, provider, day, who in accepted
            if used.limit.provider in (None, provider)
            and used.limit.principal in (None, who)
            and day.startswith(days[used.limit.per])
        )
        assert used.committed_usd == pytest.approx(float(by_hand), abs=1e-9)
        assert used.committed_usd <= used.limit.limit_usd + 1e-9
