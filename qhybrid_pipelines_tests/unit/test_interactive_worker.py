"""The table of requests as the interactive worker reads it: each experiment once, when it is registered, in whatever order that happens."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime

import pytest

from qhybrid_pipelines.interactive_worker import RequestTable
from qhybrid_pipelines.service.intake.request_store import Registration, RequestStore
from qhybrid_pipelines_tests.unit.service.intake.test_request_store import request

AT = "2026-05-01T12:00:00+00:00"


@pytest.fixture
def store(tmp_path):
    made = RequestStore(tmp_path / "service.db")
    yield made
    made.close()


def accept(store: RequestStore, name: str) -> int:
    store.accept(request(ord(name), experiment=name, accepted_at=AT), shared=True).result()
    return store.of_experiment(name)[0].number


def test_each_is_told_once_when_it_is_registered(store, tmp_path):
    with closing(RequestTable(tmp_path / "service.db")) as table:
        assert table.new() == []
        numbers = [accept(store, name) for name in "abcd"]
        assert table.new() == []
        store.note_registered([Registration(number=numbers[2], at=AT)])
        assert table.new() == [("c", datetime.fromisoformat(AT))]
        assert table.new() == []
        store.note_registered([Registration(number=numbers[0], at=AT)])
        store.note_registered([Registration(number=numbers[1], at=AT, problem="its key belongs to another")])
        assert [name for name, _ in table.new()] == ["a"]
        store.note_registered([Registration(number=numbers[3], at=AT)])
        assert [name for name, _ in table.new()] == ["d"]
        assert table.new() == []


def test_what_an_earlier_worker_has_left_is_told_too(store, tmp_path):
    store.note_registered([Registration(number=accept(store, "a"), at=AT)])
    with closing(RequestTable(tmp_path / "service.db")) as table:
        assert [name for name, _ in table.new()] == ["a"]
        store.note_registered([Registration(number=accept(store, "b"), at=AT)])
        assert [name for name, _ in table.new()] == ["b"]
