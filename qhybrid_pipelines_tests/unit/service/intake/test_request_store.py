"""The store of accepted requests: once each, whole or not at all, and read by others while it is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.service.intake.request_store import (
    KeyReused,
    NewRequest,
    OwnedByOther,
    Registration,
    RequestStore,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RequestStore]:
    made = RequestStore(tmp_path / "service.db")
    yield made
    made.close()


def request(number: int, *, principal: str = "ada", key: str | None = None, **fields) -> NewRequest:
    return NewRequest(
        **{
            "id": f"r-{number}",
            "principal": principal,
            "route": "POST /v1/experiments",
            "idempotency_key": key or f"key-{number}",
            "fingerprint": f"print-{number}",
            "experiment": f"x-{number:08x}",
            "learning": False,
            "specification": "{}",
            "labels": {},
            "content": None,
            "circuit": None,
            "answer": f'{{"request": "r-{number}"}}',
            "accepted_at": "2026-01-05T12:00:00+00:00",
            **fields,
        }
    )


def test_what_is_acknowledged_is_committed_for_everybody(store, tmp_path):
    assert store.accept(request(1), shared=True).result().new
    other = sqlite3.connect(tmp_path / "service.db")
    assert other.execute("SELECT id FROM request").fetchall() == [("r-1",)]
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


def test_many_at_once_are_each_written_once_and_in_one_order(store):
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda n: store.accept(request(n % 100), shared=True).result(), range(400)))
    assert sum(one.new for one in done) == store.count() == 100
    waiting = store.to_register(limit=1000)
    assert [one.number for one in waiting] == list(range(1, 101))


def test_a_key_belongs_to_a_principal_and_a_body(store):
    store.accept(request(1, key="k"), shared=True).result()
    again = store.accept(request(2, key="k", fingerprint="print-1"), shared=True).result()
    assert (again.answer, again.new) == ('{"request": "r-1"}', False)
    with pytest.raises(KeyReused):
        store.accept(request(3, key="k"), shared=True).result()
    assert store.accept(request(4, key="k", principal="bob"), shared=True).result().new
    assert store.count() == 2


def test_an_experiment_belongs_to_who_asked_first_unless_all_are_one(store):
    store.accept(request(1), shared=False).result()
    same = {"experiment": "x-00000001"}
    assert store.accept(request(2, **same), shared=False).result().new
    with pytest.raises(OwnedByOther):
        store.accept(request(3, principal="bob", **same), shared=False).result()
    assert store.requested("ada") == {"x-00000001"}
    assert store.requested("bob") == frozenset()
    assert store.accept(request(4, principal="bob", **same), shared=True).result().new
    assert store.owns("bob", "x-00000001")


def test_one_that_is_refused_keeps_no_other_from_being_written(store):
    store.accept(request(0, key="k"), shared=True).result()
    futures = [store.accept(request(n, key="k") if n % 2 else request(n), shared=True) for n in range(1, 41)]
    refused = [future.exception() for future in futures]
    assert [isinstance(one, KeyReused) for one in refused] == [n % 2 == 1 for n in range(1, 41)]
    assert store.count() == 21


def test_what_came_along_is_kept_until_it_is_registered(store):
    store.accept(request(1, content=b"3 3", circuit=b"qasm"), shared=True).result()
    [waiting] = store.to_register(limit=9)
    assert (waiting.content, waiting.circuit) == (b"3 3", b"qasm")
    store.note_registered([Registration(number=waiting.number, at="2026-01-05T12:00:01+00:00")])
    assert store.to_register(limit=9) == []
    [found] = store.of_experiment("x-00000001")
    assert (found.content, found.registered_at, found.problem) == (None, "2026-01-05T12:00:01+00:00", None)


def test_it_is_the_same_after_a_new_start(tmp_path):
    first = RequestStore(tmp_path / "service.db")
    first.accept(request(1), shared=True).result()
    first.close()
    second = RequestStore(tmp_path / "service.db")
    found = second.find(principal="ada", route="POST /v1/experiments", idempotency_key="key-1")
    assert found is not None
    assert found.answer == '{"request": "r-1"}'
    second.close()


class FullDisk(RequestStore):
    """Gives SQLite few pages, so that it says itself that the disk is full."""

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.execute("PRAGMA max_page_count=40")
        return connection


def test_a_full_disk_acknowledges_nothing_and_loses_nothing(tmp_path):
    store = FullDisk(tmp_path / "service.db")
    futures = [store.accept(request(n, content=b"x" * 9_000), shared=True) for n in range(40)]
    for future in futures:
        future.exception()
    written = {f"r-{n}" for n, future in enumerate(futures) if future.exception() is None}
    assert any(isinstance(future.exception(), sqlite3.OperationalError) for future in futures)
    assert store.is_alive
    store.close()
    # With room again it goes on, and what was acknowledged is there.
    again = RequestStore(tmp_path / "service.db")
    assert {one.id for one in again.to_register(limit=100)} == written
    assert again.accept(request(99), shared=True).result().new
    again.close()


def test_a_store_of_a_newer_release_is_left_alone(tmp_path):
    connection = sqlite3.connect(tmp_path / "service.db")
    connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(InvalidInput, match="newer release"):
        RequestStore(tmp_path / "service.db")


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "service.db").write_bytes(b"not a database, but long enough to be looked at" * 30)
    with pytest.raises(InvalidInput, match="cannot be stored"):
        RequestStore(tmp_path / "service.db")


def test_no_connection_stays_open_when_the_store_is_closed(tmp_path):
    path = tmp_path / "closed.db"
    made = RequestStore(path)
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(lambda _: made.count(), range(8)), made.count()] == [0] * 9
        made.close()
        assert path.resolve() not in [link.resolve() for link in Path("/proc/self/fd").iterdir()]
