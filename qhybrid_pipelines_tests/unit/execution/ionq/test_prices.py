"""Prices: where they are from, in which unit, and that an unknown one is not nothing."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import (
    InvalidInput,
    ProviderError,
)
from qhybrid_pipelines_tests.support.ionq_job_list import BACKEND
from qhybrid_pipelines_tests.support.scripted_server import reply

PRICES = {
    "cost_unit": "USD",
    "estimated_at": "2026-01-01T00:00:00Z",
    "estimated_cost": 40.0,
    "rate_information": {"job_cost_minimum": 12.0, "cost_1q_gate": 0.001, "cost_2q_gate": 0.01, "organization": "o"},
}


def price_estimate(provider):
    from qhybrid_pipelines.execution.canary_circuits import canary_batch

    return provider.estimate(canary_batch("batch", width=4, qubit=0, backend=BACKEND, shots=100)[0])


def test_a_price_names_its_source_and_date(cloud, provider):
    cloud.replies["/jobs/estimate"] = reply(PRICES)
    estimate = price_estimate(provider)
    assert (estimate.low_usd, estimate.high_usd) == (12.0, 40.0)
    assert "2026-01-01" in estimate.source
    [(_, _, query)] = cloud.server.asked
    assert query["1q_gates"] == ["12"]
    assert query["shots"] == ["100"]


#: In the form of October 2026.
OCTOBER_PRICES = {
    "estimate_context": {"backend": "qpu.aria-1"},
    "estimated_at": "2026-10-02T00:00:00Z",
    "estimated_unit": "USD",
    "rate_card": {
        "id": "card",
        "rates": [
            {"sku": "machine", "unit": "gates", "cost_1q_gate": 0.001, "cost_2q_gate": 0.01, "job_cost_minimum": 7.5}
        ],
    },
    "estimated_total_cost": 33.0,
    "estimated_execution_time": 96250,
    "current_predicted_queue_time": 397577,
}


@pytest.mark.parametrize(
    ("changes", "low_usd", "high_usd"),
    [
        ({}, 7.5, 33.0),
        ({"estimated_total_cost": 2.0}, 7.5, 7.5),
        ({"rate_card": {"id": "card", "rates": []}, "estimated_total_cost": 0.0}, 0.0, 0.0),
        # billed by time: there is no rate from which less could be computed
        (
            {"rate_card": {"id": "card", "rates": [{"sku": "s", "unit": "compute_second", "unit_cost": 2.0}]}},
            33.0,
            33.0,
        ),
    ],
)
def test_prices_in_octobers_form(changes, low_usd, high_usd, cloud, provider):
    cloud.replies["/jobs/estimate"] = reply({**OCTOBER_PRICES, **changes})
    estimate = price_estimate(provider)
    assert (estimate.low_usd, estimate.high_usd) == (low_usd, high_usd)
    assert "2026-10-02" in estimate.source


@pytest.mark.parametrize(("unit", "remedy"), [("eur", "bill in USD"), ("credit", "IONQ_USD_PER_CREDIT"), (None, "USD")])
def test_a_price_in_another_unit_says_what_to_do(unit, remedy, cloud, provider):
    for prices, name in ((PRICES, "cost_unit"), (OCTOBER_PRICES, "estimated_unit")):
        cloud.replies["/jobs/estimate"] = reply({**prices, name: unit})
        with pytest.raises(InvalidInput, match=remedy):
            price_estimate(provider)


@pytest.mark.parametrize(
    "answer",
    [
        reply({**PRICES, "estimated_cost": None}),
        reply({**OCTOBER_PRICES, "estimated_total_cost": None}),
        reply({**OCTOBER_PRICES, "estimated_total_cost": -1}),
        reply({**OCTOBER_PRICES, "rate_card": {}}),
        reply({**OCTOBER_PRICES, "rate_card": {"rates": [{"unit": "gates"}]}}),
        reply({**PRICES, "estimated_cost": -1}),
        reply({**PRICES, "rate_information": {}}),
        reply({}),
        reply([]),
        reply({}, 500),
        reply({}, 400),
        reply({}, 404),
    ],
)
def test_a_price_that_is_not_known_is_not_nothing(answer, cloud, provider):
    cloud.replies["/jobs/estimate"] = answer
    with pytest.raises(ProviderError):
        price_estimate(provider)
