"""Limits of the policy: whose jobs count, for which days, when people are warned, and what a refusal says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from qhybrid_pipelines.control.ledger.spending import SpendingLimit, check_spending, is_near, spending_sentence
from qhybrid_pipelines.core.errors import Refused

AT = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("limit", "used", "sentence"),
    [
        ({}, 25.0, "all providers in 2026-12: $25.00 of $100.00 spent or reserved (25%)"),
        ({"per": "day"}, 0.0, "all providers on 2026-12-31: $0.00 of $100.00 spent or reserved (0%)"),
        ({"per": "ever"}, 150.0, "all providers for all time: $150.00 of $100.00 spent or reserved (150%)"),
        ({"provider": "ionq"}, 80.0, "provider 'ionq' in 2026-12: $80.00 of $100.00 spent or reserved (80%)"),
        ({"principal": "ada"}, 1.0, "'ada' in 2026-12: $1.00 of $100.00 spent or reserved (1%)"),
        (
            {"principal": "ada", "provider": "ionq"},
            1.0,
            "'ada' at provider 'ionq' in 2026-12: $1.00 of $100.00 spent or reserved (1%)",
        ),
        ({"schedule": "daily"}, 1.0, "the schedule of 'daily' in 2026-12: $1.00 of $100.00 spent or reserved (1%)"),
        ({"limit_usd": 0.0}, 0.0, "all providers in 2026-12: $0.00 of $0.00 spent or reserved (0%)"),
        ({"limit_usd": 0.0}, 2.0, "all providers in 2026-12: $2.00 of $0.00 spent or reserved (100%)"),
    ],
)
def test_a_limit_says_how_much_of_it_is_used(limit: dict, used: float, sentence: str) -> None:
    assert spending_sentence(SpendingLimit(**{"limit_usd": 100.0} | limit), used, AT) == sentence


@pytest.mark.parametrize(
    ("limit_usd", "used", "near"), [(10.0, 7.99, False), (10.0, 8.0, True), (10.0, 12.0, True), (0.0, 0.0, False)]
)
def test_people_are_warned_from_four_fifths_of_a_limit_on(limit_usd: float, used: float, near: bool) -> None:  # noqa: FBT001
    assert is_near(SpendingLimit(limit_usd=limit_usd), used) is near


@pytest.mark.parametrize(
    ("per", "start", "end"),
    [
        ("day", datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("month", datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_days_and_months_are_those_of_utc(per, start: datetime, end: datetime) -> None:
    limit = SpendingLimit(limit_usd=1.0, per=per)
    tokyo = AT.astimezone(timezone(timedelta(hours=9)))  # where it is the next year already
    assert limit.period(AT) == limit.period(tokyo) == limit.period(start) == (start, end)
    assert limit.period(end) == (end, end + timedelta(days=1 if per == "day" else 31))
    assert limit.label(tokyo) == limit.label(AT)


def test_a_limit_for_all_time_has_no_period_and_one_without_a_schedule_counts_all_experiments() -> None:
    limit = SpendingLimit(limit_usd=1.0, per="ever")
    assert limit.period(AT) is None
    assert limit.key_pattern is None
    assert SpendingLimit(limit_usd=1.0, schedule="daily").key_pattern == "daily-____-__-__-%"
    assert SpendingLimit(limit_usd=1.0).per == "month"


@pytest.mark.parametrize(("provider", "counts"), [(None, True), ("ionq", True), ("ibm", False)])
def test_jobs_of_one_provider_count_or_of_all(provider: str | None, counts: bool) -> None:  # noqa: FBT001
    assert SpendingLimit(limit_usd=1.0, provider=provider).counts("ionq") is counts


@pytest.mark.parametrize(
    ("limit", "parts"),
    [
        ({}, ("the policy lets all providers in 2026-12", "in the policy's `budgets`, wait for the next month,")),
        ({"per": "day"}, ("on 2026-12-31", "in the policy's `budgets`, wait for the next day,")),
        ({"per": "ever"}, ("for all time", "in the policy's `budgets`, or lower shots")),
        ({"schedule": "daily"}, ("its page lets the schedule of 'daily'", "in `max_usd_per_month` of its page,")),
    ],
)
def test_what_fits_to_the_cent_is_let_through_and_a_refusal_names_the_remedy(
    limit: dict, parts: tuple[str, ...]
) -> None:
    made = SpendingLimit(**{"limit_usd": 3.0} | limit)
    check_spending(made, 2.9, 0.1, backend="ionq:qpu", at=AT)
    with pytest.raises(Refused) as refusal:
        check_spending(made, 2.9, 0.25, backend="ionq:qpu", at=AT)
    for part in (*parts, "spend $3.00", "$2.90 are spent", "'ionq:qpu' quotes $0.25", "Raise it to $3.15 or more"):
        assert part in str(refusal.value)
