"""Registration goes on behind a request that cannot be registered, and says in its row why it cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qhybrid_pipelines.core.specifications.specification_text import read_specification
from qhybrid_pipelines.service.intake import registrar as registrar_module
from qhybrid_pipelines.service.intake.registrar import Registrar
from qhybrid_pipelines.service.intake.request_store import RequestStore
from qhybrid_pipelines.storage.label_store import LabelStore
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines_tests.unit.service.intake.test_request_store import request

PAGE, _ = read_specification("{name: petersen, problem: {family: maxcut, source: 'networkx:petersen'}}", file="page")


@pytest.fixture
def specifications(tmp_path: Path) -> Specifications:
    return Specifications(Home(tmp_path / "home"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RequestStore]:
    made = RequestStore(tmp_path / "service.db")
    yield made
    made.close()


def accept(store: RequestStore, number: int, **fields: object) -> None:
    wanted = {"experiment": f"petersen-{number:016x}", "specification": PAGE.model_dump_json(), **fields}
    store.accept(request(number, **wanted), shared=True).result()


def wait_until(said: Callable[[], bool]) -> None:
    for _ in range(1000):
        if said():
            return
        time.sleep(0.01)
    raise AssertionError("ten seconds are over")


def test_what_this_release_cannot_read_holds_nothing_up(store, specifications):
    accept(store, 1, specification='{"name": "from another release"}')
    accept(store, 2)
    registrar = Registrar(store, specifications)
    registrar.start()
    wait_until(lambda: not store.to_register(limit=10))
    assert registrar.is_alive
    registrar.close()
    assert not registrar.is_alive
    (unreadable,), (fine,) = (store.of_experiment(f"petersen-{number:016x}") for number in (1, 2))
    assert "send it again" in unreadable.problem
    assert fine.problem is None
    assert fine.registered_at is not None
    assert "petersen-0000000000000002" in specifications


def test_what_fails_today_waits_behind_the_others_and_is_done_tomorrow(store, specifications, monkeypatch):
    monkeypatch.setattr(registrar_module, "PAUSE_SECONDS", 0.05)
    damaged = specifications.home.labels / "petersen-0000000000000001.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("these are not labels")
    accept(store, 1, labels={"owner": "ada"})
    accept(store, 2)
    registrar = Registrar(store, specifications)
    registrar.start()
    # It is registered first, and noted afterwards.
    wait_until(lambda: [one.experiment for one in store.to_register(limit=10)] == ["petersen-0000000000000001"])
    assert "petersen-0000000000000002" in specifications
    damaged.unlink()
    wait_until(lambda: not store.to_register(limit=10))
    registrar.close()
    assert "petersen-0000000000000001" in specifications


def test_of_many_requests_for_one_experiment_the_last_labels_stay(store, specifications):
    for number, owner in enumerate(["ada", "ada", "bob", "bob", "ada"]):
        accept(store, number, experiment="petersen-0000000000000001", labels={"owner": owner})
    registrar = Registrar(store, specifications)
    registrar.start()
    wait_until(lambda: not store.to_register(limit=10))
    registrar.close()
    assert LabelStore(specifications.home).read("petersen-0000000000000001").owner == "ada"
    found = store.of_experiment("petersen-0000000000000001")
    assert [one.problem for one in found] == [None] * 5
    assert all(one.registered_at is not None for one in found)
