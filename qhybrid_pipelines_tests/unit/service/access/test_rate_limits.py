"""Rates as a caller meets them: what fits is let in, what does not is told when to come back, and the headers are of the draft's form."""

from __future__ import annotations

import random
import re
import threading

import pytest

from qhybrid_pipelines.service.access.rate_limits import RateLimit, RateLimits
from qhybrid_pipelines.service.problem_documents import ProblemError

#: An item of a Structured Field (RFC 9651) with parameters, as the draft writes them.
ITEM = re.compile(r'"[a-z-]+"(?:;[a-z]+=(?:\d+|"[a-z-]+"))+')


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limits(limit: RateLimit) -> tuple[RateLimits, Clock]:
    clock = Clock()
    return RateLimits(lambda _: limit, clock), clock


def refusal(rates: RateLimits, principal: str = "ada"):
    with pytest.raises(ProblemError) as error:
        rates.begin(principal)
    problem = error.value.problem
    assert (problem.status, problem.code) == (429, "rate-limited")
    assert int(problem.all_headers()["retry-after"]) >= 1
    return problem


def test_a_window_may_be_spent_at_once_and_comes_back_bit_by_bit():
    rates, clock = limits(RateLimit(requests=10, per_seconds=5))
    for left in range(9, -1, -1):
        headers = rates.begin("ada")
        assert f'"requests";r={left};t=' in headers["ratelimit"]
    assert headers["ratelimit-policy"] == '"requests";q=10;w=5'
    assert refusal(rates).all_headers()["ratelimit"] == '"requests";r=0;t=1'
    rates.begin("bob")
    clock.now += 0.5
    rates.begin("ada")
    refusal(rates)
    clock.now += 60
    for _ in range(10):
        rates.begin("ada")
    refusal(rates)


@pytest.mark.parametrize("seed", range(5))
def test_no_window_ever_holds_more_than_a_window_and_what_is_taken_back_in_it(seed):
    """Against a count by hand: in any stretch of s seconds at most q + q * s / w requests are let in; and enough are."""
    draw = random.Random(seed)
    rates, clock = limits(RateLimit(requests=20, per_seconds=10))
    times = []
    for _ in range(600):
        clock.now += draw.expovariate(8.0)  # four times as often as is allowed
        try:
            rates.begin("ada")
        except ProblemError:
            continue
        times.append(clock.now)
    for start in range(len(times)):
        for end in range(start, len(times)):
            assert end - start + 1 <= 20 + 2 * (times[end] - times[start]) + 1e-6
    assert len(times) >= 2 * (times[-1] - times[0])


def test_who_comes_back_when_told_is_let_in():
    draw = random.Random(7)
    rates, clock = limits(RateLimit(requests=7, per_seconds=3))
    for _ in range(200):
        try:
            rates.begin("ada")
        except ProblemError as error:
            clock.now += int(error.problem.all_headers()["retry-after"])
            rates.begin("ada")
        clock.now += draw.random() / 10


def test_what_is_under_way_is_counted_until_it_was_answered():
    rates, _ = limits(RateLimit(at_once=2))
    assert rates.begin("ada")["ratelimit"] == '"at-once";r=1'
    assert rates.begin("ada") == {
        "ratelimit-policy": '"at-once";q=2;qu="concurrent-requests"',
        "ratelimit": '"at-once";r=0',
    }
    assert refusal(rates).extra == {"violated-policies": ["at-once"]}
    rates.begin("bob")
    rates.end("ada")
    rates.begin("ada")


def test_headers_are_structured_fields():
    rates, _ = limits(RateLimit(requests=3, per_seconds=60, at_once=9))
    headers = rates.begin("ada")
    for name in ("ratelimit-policy", "ratelimit"):
        items = headers[name].split(", ")
        assert len(items) == 2
        assert all(ITEM.fullmatch(item) for item in items), headers
    assert limits(RateLimit())[0].begin("ada") == {}


def test_threads_that_race_get_no_more_than_there_is():
    rates, _ = limits(RateLimit(requests=100, per_seconds=60))
    let_in: list[int] = []

    def ask() -> None:
        for _ in range(50):
            try:
                rates.begin("ada")
            except ProblemError:
                continue
            let_in.append(1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let_in) == 100
