"""A store on objects, in memory, in a folder and on S3's stand-in: writers, readers, kills and collections meet in it."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import pytest

from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.storage.lake_catalogue import Catalogue
from qhybrid_pipelines.storage.lake_objects import ObjectStore
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.objects import open_objects
from qhybrid_pipelines_tests.support.object_lakes import (
    ON_S3,
    check_end,
    check_whole,
    content_of,
    memory_store,
    place_of,
    race,
    read_in_two_halves,
)

DAY_NS = 86_400 * 10**9


@pytest.fixture(params=["memory", "folder", *ON_S3])
def kind(request):
    return request.param


@pytest.fixture
def store(request, kind, tmp_path):
    home = Home(tmp_path / "home").make()
    if kind == "memory":
        yield memory_store(home)
        return
    address = request.getfixturevalue("address")
    opened = ObjectStore(home, open_objects(address), Catalogue.open(home, os.environ.get("QHYBRID_LEDGER_URL", "")))
    opened.claim()
    yield opened
    opened.catalogue.close()


def later(store, monkeypatch, days):
    """Let the catalogue's clock, and that of the objects, be so many days on."""
    now = store.catalogue.now_ns() + int(days * DAY_NS)
    monkeypatch.setattr(Catalogue, "now_ns", lambda _: now)


def read(store, number=0):
    with store.open(place_of(number)) as file:
        return file.read()


def test_a_partition_that_was_removed_is_gone_and_still_there_for_who_holds_a_version(store):
    store.write(place_of(0), content_of(0, 1))
    held = store.at(store.current_version())
    store.remove(place_of(0))
    store.remove(place_of(0))
    assert store.find(place_of(0)) is None
    with pytest.raises(FileNotFoundError):
        read(store)
    assert read(held) == content_of(0, 1)


def test_writers_and_readers_race_and_nobody_sees_a_mixture(store):
    with ThreadPoolExecutor(10) as threads:
        counted = race(threads, lambda: store, places=4, writers=4)
    assert all(reads for reads, _ in counted)
    check_end(store, places=4, writers=4)


def test_a_name_that_is_written_over_and_read_by_ranges_is_torn_and_an_object_is_not(store, monkeypatch):
    naive = store.objects
    naive.put("data.parquet", content_of(0, 1))
    torn = read_in_two_halves(naive, "data.parquet", lambda: naive.put("data.parquet", content_of(0, 2)))
    with pytest.raises(AssertionError, match="a mixture"):
        check_whole(0, torn)
    store.write(place_of(0), content_of(0, 1))
    entry = store.catalogue.find(place_of(0))
    name = f"objects/{entry.sha256[:2]}/{entry.sha256}"
    whole = read_in_two_halves(store.objects, name, lambda: store.write(place_of(0), content_of(0, 2)))
    assert whole == content_of(0, 1)
    assert read(store) == content_of(0, 2)


def test_who_is_killed_before_the_commit_leaves_the_version_before(store, monkeypatch):
    store.write(place_of(0), content_of(0, 1))

    def stop(name):
        raise KeyboardInterrupt(name)

    with monkeypatch.context() as patched:
        patched.setattr("qhybrid_pipelines.storage.lake_objects.failpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            store.write(place_of(0), content_of(0, 2))
    assert read(store) == content_of(0, 1)
    later(store, monkeypatch, days=8)
    found = store.collect(timedelta(days=7), apply=True)
    assert (found.objects, found.bytes) == (1, len(content_of(0, 2)))
    assert read(store) == content_of(0, 1)


def test_a_collection_takes_what_was_replaced_long_ago_and_nothing_else(store, monkeypatch):
    store.write(place_of(0), content_of(0, 1))
    store.write(place_of(1), content_of(1, 1))
    held = store.at(store.current_version())
    store.write(place_of(0), content_of(0, 2))
    assert store.collect(timedelta(days=7), apply=True).objects == 0
    assert read(held) == content_of(0, 1)
    later(store, monkeypatch, days=8)
    assert store.collect(timedelta(days=7), apply=False).objects == 1
    assert read(held) == content_of(0, 1)
    assert store.collect(timedelta(days=7), apply=True).objects == 1
    assert store.collect(timedelta(days=7), apply=True).objects == 0
    assert (read(store), read(store, 1)) == (content_of(0, 2), content_of(1, 1))
    with pytest.raises(FileNotFoundError):
        read(held)
    with pytest.raises(ValueError, match="1 day"):
        store.collect(timedelta(hours=23), apply=True)


def test_a_slow_store_does_not_outlast_the_transaction_in_which_objects_are_deleted(store, monkeypatch):
    for number in range(5):
        store.write(place_of(number), content_of(number, 1))
        store.remove(place_of(number))
    later(store, monkeypatch, days=8)
    delete, seconds = type(store.objects).delete, iter(range(0, 10**6, 9))
    deleted = []
    monkeypatch.setattr(type(store.objects), "delete", lambda self, names: deleted.extend(names) or delete(self, names))
    with monkeypatch.context() as slow:
        clock = SimpleNamespace(monotonic=lambda: next(seconds))  # each takes 9 s
        slow.setattr("qhybrid_pipelines.storage.lake_objects.time", clock)
        first = store.collect(timedelta(days=7), apply=True).objects
    assert len(deleted) == first == 2
    assert store.collect(timedelta(days=7), apply=True).objects == 3
    assert len(set(deleted)) == 5


@pytest.mark.parametrize("moment", ["begin_collection", "end_collection"])
def test_an_object_that_a_collection_takes_between_put_and_commit_is_put_again(store, monkeypatch, moment):
    store.write(place_of(0), content_of(0, 1))
    store.remove(place_of(0))
    later(store, monkeypatch, days=8)

    def collect(_):
        monkeypatch.setattr("qhybrid_pipelines.storage.lake_objects.failpoint", lambda _: None)
        if moment == "begin_collection":  # killed after it has deleted
            monkeypatch.setattr(Catalogue, "end_collection", lambda *_: None)
        assert store.collect(timedelta(days=7), apply=True).objects == 1

    monkeypatch.setattr("qhybrid_pipelines.storage.lake_objects.failpoint", collect)
    store.write(place_of(0), content_of(0, 1))
    assert read(store) == content_of(0, 1)


def test_without_the_look_before_the_commit_that_object_is_lost(store, monkeypatch):
    store.write(place_of(0), content_of(0, 1))
    store.remove(place_of(0))
    later(store, monkeypatch, days=8)
    monkeypatch.setattr(
        "qhybrid_pipelines.storage.lake_objects.failpoint", lambda _: store.collect(timedelta(days=7), apply=True)
    )
    commit = Catalogue.commit
    monkeypatch.setattr(Catalogue, "commit", lambda self, written, removed=(), **_: commit(self, written, removed))
    store.write(place_of(0), content_of(0, 1))
    with pytest.raises(CorruptFile, match="is missing"):
        read(store)


def test_other_bytes_than_the_name_says_are_told(store):
    store.write(place_of(0), content_of(0, 1))
    digest = store.catalogue.find(place_of(0)).sha256
    store.objects.put(f"objects/{digest[:2]}/{digest}", b"damaged")
    with pytest.raises(CorruptFile, match="SHA-256"):
        read(store)
