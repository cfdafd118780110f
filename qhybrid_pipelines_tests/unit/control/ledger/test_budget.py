"""Money: exact sums, clear refusals, conservative settlement."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.control.ledger.budget import (
    Account,
    charge_usd,
    correct_charge,
    from_micro_usd,
    replace_reservation,
    reserve,
    settle,
    to_micro_usd,
)
from qhybrid_pipelines.core.errors import Refused


def test_a_budget_of_three_dimes_holds_three_jobs_of_a_dime_and_not_a_fourth() -> None:
    account = Account(experiment="e", limit_usd=0.3)
    for _ in range(3):
        account = reserve(account, 0.1, backend="v:d")
    assert account.reserved_usd == 0.3
    with pytest.raises(Refused):
        reserve(account, 0.1, backend="v:d")


def test_nothing_to_spend_is_enough_for_a_free_backend() -> None:
    assert reserve(Account(experiment="e", limit_usd=0.0), 0.0, backend="local:auto").reserved_usd == 0.0


def test_a_refusal_names_experiment_budget_quote_and_remedy() -> None:
    account = Account(experiment="maxcut-karate-6f2a91c0", limit_usd=2.0, reserved_usd=0.75, settled_usd=1.0)
    with pytest.raises(Refused) as refusal:
        reserve(account, 1.234567, backend="ionq:qpu")
    text = str(refusal.value)
    for part in (
        "maxcut-karate-6f2a91c0",
        "$2.00",
        "$1.00 spent",
        "$0.75 reserved",
        "ionq:qpu",
        "$1.234567",
        "$2.984567",
        "budget.usd",
    ):
        assert part in text
    assert refusal.value.exit_code == 4


@pytest.mark.parametrize(
    ("usd", "micro"),
    [(0.1 + 0.2, 300_000), (1e-7, 1), (1e-12, 0), (0.35841234567, 358_413), (12345.678901, 12_345_678_901)],
)
def test_fractions_of_a_micro_dollar_round_up_noise_does_not(usd: float, micro: int) -> None:
    assert to_micro_usd(usd) == micro


@pytest.mark.parametrize("usd", [-0.01, float("nan"), float("inf")])
def test_an_amount_that_is_no_money_is_refused(usd: float) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        to_micro_usd(usd)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**15))
def test_whole_micro_dollars_survive_the_way_through_floats(micro: int) -> None:
    assert to_micro_usd(from_micro_usd(micro)) == micro


@settings(deadline=None)
@given(
    st.floats(min_value=0, max_value=100),
    st.lists(st.tuples(st.floats(min_value=0, max_value=20), st.booleans()), max_size=30),
)
def test_reserved_and_spent_never_exceed_the_budget_when_vendors_keep_to_their_quotes(limit, jobs) -> None:
    account, open_quotes = Account(experiment="e", limit_usd=limit), []
    for quote, ends in jobs:
        try:
            account = reserve(account, quote, backend="v:d")
            open_quotes.append(quote)
        except Refused:
            pass
        if ends and open_quotes:
            done = open_quotes.pop()
            account = settle(account, quote_usd=done, charged_usd=done / 2)
        assert to_micro_usd(account.reserved_usd) + to_micro_usd(account.settled_usd) <= to_micro_usd(limit)
    for quote in open_quotes:
        account = settle(account, quote_usd=quote, charged_usd=0.0)
    assert account.reserved_usd == 0.0


def test_an_ended_job_is_charged_what_was_reported_else_the_quote_if_it_may_have_run() -> None:
    assert charge_usd(quote_usd=5.0, reported_usd=1.5, accepted=True) == 1.5
    assert charge_usd(quote_usd=5.0, reported_usd=None, accepted=True) == 5.0
    assert charge_usd(quote_usd=5.0, reported_usd=None, accepted=False) == 0.0


def test_a_job_that_comes_to_another_end_replaces_its_charge() -> None:
    account = Account(experiment="e", limit_usd=5.0, reserved_usd=0.5, settled_usd=2.0)
    assert correct_charge(account, before_usd=1.25, charged_usd=3.5) == Account(
        experiment="e", limit_usd=5.0, reserved_usd=0.5, settled_usd=4.25
    )


def test_a_new_quote_takes_the_place_of_the_old_one_and_must_fit() -> None:
    account = Account(experiment="e", limit_usd=5.0, reserved_usd=2.0, settled_usd=1.0)
    assert replace_reservation(account, released_usd=2.0, quote_usd=4.0, backend="v:d") == Account(
        experiment="e", limit_usd=5.0, reserved_usd=4.0, settled_usd=1.0
    )
    with pytest.raises(Refused, match="v:d"):
        replace_reservation(account, released_usd=2.0, quote_usd=4.01, backend="v:d")
