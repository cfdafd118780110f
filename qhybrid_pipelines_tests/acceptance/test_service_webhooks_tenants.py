"""Endpoints of two callers: each is told of its own work only, and nobody sees or changes what is another's."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.acceptance.test_service_keys import Tenants
from qhybrid_pipelines_tests.support.browser import wait_until
from qhybrid_pipelines_tests.support.ledger_plans import plan
from qhybrid_pipelines_tests.support.running_service import is_problem
from qhybrid_pipelines_tests.support.webhook_receiver import Receiver

pytestmark = [pytest.mark.slow, pytest.mark.acceptance]


@pytest.fixture
def tenants(tmp_path, monkeypatch):
    monkeypatch.setenv("QHYBRID_WEBHOOK_LOOPBACK", "1")
    made = Tenants(tmp_path / "home")
    yield made
    made.service.stop()


def call(tenants, name: str, method: str, path: str, **fields):
    with tenants.client(name) as client:
        return client.request(method, path, **fields)


def test_each_is_told_of_its_own_work_only(tenants, tmp_path):
    keys = {
        name: tenants.post(name, f"k-{name}", seed=seed).json()["experiment"]
        for seed, name in enumerate(("ada", "bob"))
    }
    receivers = {name: Receiver(tmp_path, name).start() for name in ("ada", "root")}
    try:
        made = {}
        for name, receiver in receivers.items():
            answer = call(tenants, name, "POST", "/v1/webhooks", json={"url": receiver.url})
            made[name], receiver.secret = answer.json(), answer.json()["secret"]
        ledger = SqlLedger.open_sqlite(tenants.home / "ledger.db")
        for name, key in keys.items():
            ledger.plan(plan(name, experiment=key))
        ledger.close()
        for name in receivers:
            wait_until(
                lambda name=name: call(tenants, name, "GET", made[name]["href"]).json()["position"] == 6,
                60,
                f"{name}'s",
            )
        assert {one["data"]["experiment"] for one in receivers["ada"].events()} == {keys["ada"]}
        assert {one["data"]["experiment"] for one in receivers["root"].events()} == set(keys.values())
    finally:
        for receiver in receivers.values():
            receiver.kill()
    # What is ada's is not there for bob, and root, who reads everything, changes nothing of it.
    href = made["ada"]["href"]
    assert call(tenants, "bob", "GET", "/v1/webhooks").json() == {"items": []}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/secret"), ("POST", "/enable")):
        assert is_problem(call(tenants, "bob", method, href + path), 404, "not-found")
    assert len(call(tenants, "root", "GET", "/v1/webhooks").json()["items"]) == 2
    assert is_problem(call(tenants, "root", "DELETE", href), 403, "forbidden")
    assert call(tenants, "ada", "DELETE", href).status_code == 204
    assert is_problem(call(tenants, "ada", "GET", href), 404, "not-found")


def test_wrong_input_is_refused_before_anything_is_kept(tenants):
    for body, field in (
        ({"url": "https://169.254.169.254/latest/"}, "url"),
        ({"url": "https://2130706433/"}, "url"),
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": "mailto:ada@example.org"}, "url"),
        ({"url": "https://hooks.example.org/", "kind": "mail"}, "kind"),
        ({"url": "https://hooks.example.org/", "types": ["JobDreamt"]}, "types"),
        ({"url": "https://hooks.example.org/", "types": "JobFailed"}, "types"),
        ({"url": "https://hooks.example.org/", "secret": "mine"}, "secret"),
        ({"url": "https://hooks.example.org/", "after": 10**6}, "after"),
        ({}, "url"),
    ):
        answer = call(tenants, "ada", "POST", "/v1/webhooks", json=body)
        assert is_problem(answer, 422, "invalid-input"), body
        assert answer.json()["field"] == field, body
    assert is_problem(
        call(tenants, "ada", "POST", "/v1/webhooks", content="{}", headers={"content-type": "text/plain"}),
        415,
        "media-type",
    )
    assert call(tenants, "ada", "GET", "/v1/webhooks").json() == {"items": []}
