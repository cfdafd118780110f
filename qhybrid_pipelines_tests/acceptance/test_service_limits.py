"""How often callers may ask and what they may spend: held, announced in every answer, and nobody pays for somebody else's haste."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.acceptance.test_service_keys import make_key
from qhybrid_pipelines_tests.support.ledger_plans import plan
from qhybrid_pipelines_tests.support.running_service import KARATE, RunningService, is_problem

pytestmark = [pytest.mark.slow, pytest.mark.acceptance]
SETTINGS = """
limits:
  - {principal: hasty, requests: 30, per_seconds: 3600}
  - {principal: brief, requests: 2, per_seconds: 2}
  - {principal: patient, requests: null, at_once: 2}
"""
POLICY = """
rules: [{name: all, then: allow, reason: a test}]
budgets: [{usd: 0.5, per: day, principal: "*"}, {usd: 9, per: month, principal: saver}]
"""
NAMES = ("hasty", "brief", "patient", "spender", "saver")


class Limited:
    def __init__(self, home) -> None:
        self.home = Home(home).make()
        (home / "service.yaml").write_text(SETTINGS)
        (home / "policy.yaml").write_text(POLICY)
        self.keys = {name: make_key(home, name, "read", "submit")[0] for name in NAMES}
        self.service = RunningService(home).wait_ready()

    def ask(self, name: str, method: str, path: str, **more) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[name]}", **more.pop("headers", {})}
        with httpx.Client(base_url=self.service.url, headers=headers, timeout=60.0, trust_env=False) as client:
            return client.request(method, path, **more)

    def post(self, name: str, key: str, **change) -> httpx.Response:
        prefer = {"prefer": change.pop("prefer")} if "prefer" in change else {}
        return self.ask(
            name,
            "POST",
            "/v1/experiments",
            json={"specification": {**KARATE, **change}},
            headers={"idempotency-key": key, **prefer},
        )


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    made = Limited(tmp_path_factory.mktemp("limited") / "home")
    yield made
    made.service.stop()


def test_of_twice_as_many_requests_as_allowed_just_the_allowed_are_answered(limited):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: limited.ask("hasty", "GET", "/v1/experiments"), range(60)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) == 30
    for answer in answers:
        assert answer.headers["ratelimit-policy"].startswith('"requests";q=30;w=3600')
        if answer.status_code != 200:
            assert is_problem(answer, 429, "rate-limited")
            assert answer.headers["ratelimit"].startswith('"requests";r=0;t=')
            assert int(answer.headers["retry-after"]) <= 3600 / 30
    assert limited.ask("patient", "GET", "/v1/experiments").status_code == 200  # nobody else is concerned
    assert httpx.get(f"{limited.service.url}/livez", trust_env=False).status_code == 200


def test_who_waits_as_long_as_told_is_answered(limited):
    for _ in range(6):
        answer = limited.ask("brief", "GET", "/v1/jobs")
        if answer.status_code == 429:
            time.sleep(int(answer.headers["retry-after"]))
            answer = limited.ask("brief", "GET", "/v1/jobs")
        assert answer.status_code == 200, answer.text


def test_only_so_many_are_under_way_and_each_that_ends_makes_room(limited):
    def wait_for_room(number: int) -> httpx.Response:
        """The one who asks below may have the second place just then: asked again until it is free."""
        until = time.monotonic() + 60
        while (answer := limited.post("patient", f"w{number}", seed=900 + number, prefer="wait=15")).status_code == 429:
            assert answer.json()["violated-policies"] == ["at-once"]
            assert time.monotonic() < until
        return answer

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(wait_for_room, number) for number in range(2)]
        until = time.monotonic() + 30
        while (refused := limited.ask("patient", "GET", "/v1/jobs")).status_code != 429:
            assert time.monotonic() < until
            assert not all(one.done() for one in waiting)
        assert is_problem(refused, 429, "rate-limited")
        assert refused.json()["violated-policies"] == ["at-once"]
        assert '"at-once";r=0' in refused.headers["ratelimit"]
    assert {one.result().status_code for one in waiting} == {202}
    assert limited.ask("patient", "GET", "/v1/jobs").status_code == 200


def test_who_has_spent_a_days_budget_is_told_before_anything_is_accepted(limited):
    before = limited.ask("spender", "GET", "/v1/quota").json()
    assert (before["requests"], before["at_once"]) == (6000, 32)
    assert [(row["limit_usd"], row["used_usd"], row["per"]) for row in before["money"]] == [(0.5, 0.0, "day")]
    assert limited.post("spender", "m1", seed=910, budget={"usd": 2}).status_code == 202
    now = datetime.now(UTC)
    ledger = SqlLedger.open_sqlite(limited.home.ledger)
    steps = tuple(EventData(event=event, at=now) for event in (Event.PLAN, Event.APPROVE))
    ledger.plan(plan("spent", quote=0.5, budget=2.0, principal="spender", planned_at=now, steps=steps))
    ledger.close()
    [row] = limited.ask("spender", "GET", "/v1/quota").json()["money"]
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert (row["used_usd"], row["remaining_usd"]) == (0.5, 0.0)
    assert datetime.fromisoformat(row["resets_at"]) == midnight
    refused = limited.post("spender", "m2", seed=911, budget={"usd": 2})
    assert is_problem(refused, 429, "quota-exceeded")
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert limited.post("spender", "m3", seed=911, budget={"usd": 0}).status_code == 202  # costs nothing
    assert limited.post("spender", "m1", seed=910, budget={"usd": 2}).status_code == 202  # was accepted before
    assert limited.post("saver", "m2", seed=912, budget={"usd": 2}).status_code == 202
    assert [row["per"] for row in limited.ask("saver", "GET", "/v1/quota").json()["money"]] == ["day", "month"]
