"""What is noted of endpoints is kept over a restart, seen by other processes, and bounded."""

from __future__ import annotations

import sqlite3
import stat

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.service.webhooks.endpoint_store import MOST_OF_ONE, EndpointStore

AT = "2026-05-01T12:00:00+00:00"


@pytest.fixture
def store(tmp_path):
    made = EndpointStore(tmp_path / "webhooks.db")
    yield made
    made.close()


def add(store: EndpointStore, principal: str = "ada", **fields):
    given = {
        "sees_all": False,
        "kind": "webhook",
        "target": "https://hooks.example.org/",
        "types": None,
        "by_tier": False,
        "pepper_mark": "m",
        "position": 7,
        "upgrade": 0,
        "at": AT,
    }
    return store.add(principal=principal, **(given | fields))


def test_an_endpoint_is_kept_and_its_file_is_its_owners(store, tmp_path):
    made = add(store, types=["JobCompleted"])
    again = EndpointStore(tmp_path / "webhooks.db")
    assert again.all() == [made] == again.of("ada")
    assert again.of("bob") == []
    assert (made.state, made.position, made.types) == ("pending", 7, ("JobCompleted",))
    again.close()
    assert stat.S_IMODE((tmp_path / "webhooks.db").stat().st_mode) == 0o600


def test_another_processes_change_is_noticed(store, tmp_path):
    before = store.version()
    assert store.version() == before
    other = EndpointStore(tmp_path / "webhooks.db")
    made = add(other)
    after = store.version()
    assert after != before
    store.enable(made.id)
    assert store.version() != after
    other.close()


def test_progress_failure_and_success(store):
    made = add(store)
    store.note_success(made.id, at=AT)
    store.note_position(made.id, 9)
    store.note_failure(made.id, failures=3, since=AT, next_attempt_at=AT, problem="x")
    found = store.get(made.id)
    assert (found.state, found.position, found.failures, found.problem) == ("active", 9, 3, "x")
    store.note_success(made.id, at=AT)
    found = store.get(made.id)
    assert (found.failures, found.failing_since, found.next_attempt_at, found.problem) == (0, None, None, None)


def test_a_disabled_one_is_announced_to_its_principal_and_to_who_sees_all(store):
    made, own, others, keeper = add(store), add(store), add(store, "bob"), add(store, "root", sees_all=True)
    store.disable(made, problem="gone", at=AT)
    [notice] = store.notices_for(store.get(own.id))
    assert (notice.endpoint, notice.data["reason"]) == (made.id, "gone")
    assert [one.endpoint for one in store.notices_for(store.get(keeper.id))] == [made.id]
    assert store.notices_for(store.get(others.id)) == store.notices_for(store.get(made.id)) == []
    store.note_notice(own.id, notice.number)
    assert store.notices_for(store.get(own.id)) == []
    assert store.notices_for(add(store)) == []  # what was before it does not concern it
    store.note_success(made.id, at=AT)  # what was under way changes nothing
    assert store.get(made.id).state == "disabled"
    store.enable(made.id)
    assert (store.get(made.id).state, store.get(made.id).position) == ("pending", 7)


def test_replays_are_done_one_after_the_other(store):
    made = add(store)
    store.replay(made.id, after=1, until=4)
    store.replay(made.id, after=0, until=2)
    first = store.first_replay(made.id)
    store.note_replayed(first, 3)
    assert store.first_replay(made.id).position == 3
    store.note_replayed(first, 4)
    assert (store.first_replay(made.id).position, store.first_replay(made.id).until) == (0, 2)
    store.remove(made.id)
    assert store.first_replay(made.id) is None
    assert store.get(made.id) is None


def test_there_are_not_too_many(store):
    for _ in range(MOST_OF_ONE):
        add(store)
    with pytest.raises(InvalidInput, match="no more are allowed"):
        add(store)
    add(store, "bob")


def test_what_was_set_aside_is_listed_newest_first(store):
    made = add(store)
    for position in (1, 2):
        store.note_dead(made.id, message=f"h/{position}", position=position, at=AT, problem="x")
    assert [one.position for one in store.dead(made.id)] == [2, 1]


def test_a_newer_form_and_a_damaged_file_are_refused(store, tmp_path):
    connection = sqlite3.connect(tmp_path / "newer.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    (tmp_path / "damaged.db").write_bytes(b"not a database, but long enough to be looked at" * 30)
    for name in ("newer.db", "damaged.db"):
        with pytest.raises(InvalidInput):
            EndpointStore(tmp_path / name)
