"""Webhooks of a real service to real receivers: every event once in effect and in the order of its job, whoever is killed.

The service and the receivers are processes. The receivers verify every message with the official libraries of Standard Webhooks and
CloudEvents, and write down what they take; what they have is compared with the ledger's own events.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.service.webhooks.messages import event_type
from qhybrid_pipelines_tests.support.browser import wait_until
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan
from qhybrid_pipelines_tests.support.running_service import RunningService, is_problem
from qhybrid_pipelines_tests.support.webhook_receiver import Receiver

pytestmark = [pytest.mark.slow, pytest.mark.acceptance]
#: Kills of sender and receiver; `make test` makes a few.
KILLS = int(os.environ.get("QHYBRID_TEST_WEBHOOK_KILLS", "6"))
LOOPBACK = {"QHYBRID_WEBHOOK_LOOPBACK": "1"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def service(home: Path) -> Iterator[RunningService]:
    with RunningService(home, environment=LOOPBACK) as running:
        yield running


@pytest.fixture
def ledger(service: RunningService, home: Path) -> Iterator[SqlLedger]:
    opened = SqlLedger.open_sqlite(home / "ledger.db")
    yield opened
    opened.close()


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[dict[str, Receiver]]:
    made: dict[str, Receiver] = {}
    yield made
    for receiver in made.values():
        receiver.kill()


def register(service: RunningService, receiver: Receiver, **fields) -> dict:
    answer = service.client.post("/v1/webhooks", json={"url": receiver.url, **fields})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["state"] == "pending"
    receiver.secret = made["secret"]
    return made


def state(service: RunningService, made: dict) -> dict:
    return service.client.get(made["href"]).json()


def write_jobs(ledger: SqlLedger, name: str, number: int, pause: float = 0.0) -> None:
    """Write jobs whose events are interleaved, five each."""
    jobs = []
    for index in range(number):
        jobs.append(ledger.plan(plan(f"{name}{index}")))
        time.sleep(pause)
    for job in jobs:
        apply_events(ledger, job, Event.ACKNOWLEDGE, Event.QUEUE, provider_job_id=f"v-{job.job_id}")
        time.sleep(pause)


def compare(receiver: Receiver, ledger: SqlLedger, home_id: str) -> None:
    """Compare what a receiver has with the ledger: the same set, each byte for byte, and first deliveries in order per job."""
    wanted = {f"{home_id}/{event.position}": event for event in ledger.events()}
    found = receiver.events()
    assert {one["id"] for one in found} == wanted.keys()
    bodies: dict[str, set[str]] = defaultdict(set)
    first: dict[str, list[int]] = defaultdict(list)
    for one in found:
        event = wanted[one["id"]]
        assert (one["subject"], one["type"]) == (event.job_id, event_type(event.event))
        if one["id"] not in bodies:
            first[one["subject"]].append(event.sequence)
        bodies[one["id"]].add(one["_body"])
    assert all(len(each) == 1 for each in bodies.values())
    assert all(order == sorted(order) for order in first.values())


def test_whoever_is_killed_every_event_arrives_and_in_the_order_of_its_job(service, ledger, receivers, tmp_path):
    receiver = receivers["one"] = Receiver(tmp_path).start()
    made = register(service, receiver)
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            write_jobs(ledger, f"kill{number}x", 4, pause=0.05)
            number += 1
            time.sleep(1.0)

    writer = threading.Thread(target=write)
    writer.start()
    port = int(service.url.rpartition(":")[2])
    for kill in range(KILLS):
        time.sleep(0.3 + 0.13 * (kill % 7))
        if kill % 2:
            receiver.kill()
            time.sleep(0.2)
            receiver.start()
        else:
            service.kill()
            service.start(port=port)
    done.set()
    writer.join()
    head = ledger.head().position
    assert head > 5 * KILLS
    service.wait_ready()
    service.client.post(f"{made['href']}/enable")  # else it may be in a pause after the last failures
    wait_until(lambda: state(service, made)["position"] == head, 240, "everything to be delivered")
    compare(receiver, ledger, ledger.identity().home_id)
    print(f"{KILLS} kills, {head} events, {len(receiver.events())} messages")


def test_a_dead_receiver_and_a_slow_one_keep_nobody_waiting(service, ledger, receivers, tmp_path):
    """How long it takes is measured by benchmarks/webhooks.py."""
    live = receivers["live"] = Receiver(tmp_path, "live").start()
    slow = receivers["slow"] = Receiver(tmp_path, "slow", seconds=60.0).start()
    bad = [register(service, Receiver(tmp_path, "dead")), register(service, slow)]
    made = register(service, live)
    write_jobs(ledger, "delay", 10)
    head = ledger.head().position
    wait_until(lambda: state(service, made)["position"] == head, 60, "the live receiver")
    assert [state(service, one)["state"] for one in bad] == ["pending", "pending"]
    assert "ConnectError" in state(service, bad[0])["problem"]
    compare(live, ledger, ledger.identity().home_id)


def test_a_range_is_replayed_byte_for_byte(service, ledger, receivers, tmp_path):
    receiver = receivers["one"] = Receiver(tmp_path).start()
    made = register(service, receiver)
    write_jobs(ledger, "replayed", 4)
    head = ledger.head().position
    wait_until(lambda: state(service, made)["position"] == head, 60, "the first delivery")
    first = receiver.events()
    answer = service.client.post(f"{made['href']}/replay", json={"after": 3, "until": 11})
    assert answer.status_code == 202
    wait_until(lambda: len(receiver.events()) == len(first) + 8, 60, "the replay")
    bodies = {one["id"]: one["_body"] for one in first}
    again = receiver.events()[len(first) :]
    assert [int(one["id"].rpartition("/")[2]) for one in sorted(again, key=lambda one: one["sequence"])] == list(
        range(4, 12)
    )
    assert all(one["_body"] == bodies[one["id"]] for one in again)
    for wrong in ({"after": 5, "until": 5}, {"after": 0, "until": head + 1}):
        assert is_problem(service.client.post(f"{made['href']}/replay", json=wrong), 422, "invalid-input")


@pytest.mark.long
def test_one_that_is_gone_is_disabled_and_others_hear_of_it(service, ledger, receivers, tmp_path):
    gone = receivers["gone"] = Receiver(tmp_path, "gone").start()
    other = receivers["other"] = Receiver(tmp_path, "other").start()
    made, beside = register(service, gone), register(service, other)
    wait_until(lambda: state(service, beside)["state"] == state(service, made)["state"] == "active", 60, "both")
    gone.answer(410)
    ledger.plan(plan("gone"))
    wait_until(lambda: state(service, made)["state"] == "disabled", 60, "the end of it")
    wait_until(lambda: any("disabled" in one["type"] for one in other.lines()), 60, "the notice")
    [notice] = [one for one in other.lines() if "disabled" in one["type"]]
    assert (notice["subject"], notice["data"]["endpoint"]) == (made["endpoint"], made["endpoint"])
    assert made["endpoint"] in service.log
    # It missed nothing: from where it was, it goes on.
    gone.answer(204)
    assert service.client.post(f"{made['href']}/enable").json()["state"] == "pending"
    head = ledger.head().position
    wait_until(lambda: state(service, made)["position"] == head, 60, "what it had missed")
    compare(gone, ledger, ledger.identity().home_id)
    assert 'qhybrid_webhook_endpoints{state="active"} 2.0' in service.client.get("/metrics").text


def test_redirects_are_failures_and_are_not_followed(service, ledger, receivers, tmp_path):
    receiver, other = Receiver(tmp_path).start(), Receiver(tmp_path, "other").start()
    receivers |= {"one": receiver, "other": other}
    receiver.send_to(other)
    made = register(service, receiver)
    other.secret = receiver.secret
    wait_until(lambda: state(service, made)["failures"] > 1, 60, "two failures")
    assert "redirect (307), which is not followed" in state(service, made)["problem"]
    assert not other.lines()


def test_a_secret_is_changed_without_a_refused_message(service, ledger, receivers, tmp_path):
    old, new = Receiver(tmp_path, "old"), Receiver(tmp_path, "new")
    receivers |= {"old": old, "new": new}
    made = register(service, old)
    answer = service.client.post(f"{made['href']}/secret").json()
    new.secret, new.port = answer["secret"], old.port
    assert new.secret != old.secret
    old.start()
    ledger.plan(plan("before"))
    wait_until(lambda: len(old.events()) == 3, 60, "messages that the old secret verifies")
    old.kill()
    new.start()
    ledger.plan(plan("after"))
    wait_until(lambda: len(new.events()) == 3, 60, "messages that the new secret verifies")


def test_only_chosen_events_are_sent_and_only_forward(service, ledger, receivers, tmp_path):
    ledger.plan(plan("earlier"))
    receiver = receivers["one"] = Receiver(tmp_path).start()
    made = register(service, receiver, types=["JobSubmitted"])
    write_jobs(ledger, "chosen", 3)
    head = ledger.head().position
    wait_until(lambda: state(service, made)["position"] == head, 60, "the end")
    assert [one["data"]["type"] for one in receiver.events()] == ["JobSubmitted"] * 3
