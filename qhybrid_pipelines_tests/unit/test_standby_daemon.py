"""The lock that makes one of many the daemon, on a real Postgres server; `acceptance/test_standby_daemons.py` starts daemons."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from sqlalchemy import NullPool, create_engine, text

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.settings import DAGSTER_POSTGRES_VARIABLE
from qhybrid_pipelines.standby_daemon import DaemonLock, main

SECONDS = 60.0


class Enough(Exception):
    """Ends a thread that stands by."""


def stand_by(address, *, only_once=False):
    """Return an event that is set once a thread that stands by is the daemon, and the first sentence that it tells."""
    lock, told, taken = DaemonLock(address, pause_seconds=0.02), threading.Event(), threading.Event()
    sentences: list[str] = []

    def tell(sentence):
        sentences.append(sentence)
        told.set()
        if only_once:
            raise Enough

    def wait():
        with suppress(Enough):
            lock.wait(tell)
            taken.set()

    threading.Thread(target=wait, daemon=True).start()
    assert told.wait(SECONDS)
    return taken, sentences[0]


def end_sessions(address):
    """End the session that holds the lock, as a server does that is started again."""
    admin = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        holders = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        assert connection.execute(text(holders)).scalars().all() == [True]


def test_one_is_the_daemon_and_another_takes_over_when_its_session_ends(postgres_database):
    first, lost = DaemonLock(postgres_database, pause_seconds=0.02), threading.Event()
    first.wait(pytest.fail)
    first.watch(lost.set)
    taken, sentence = stand_by(postgres_database)
    assert sentence == "another daemon is at work; this one stands by"
    assert not lost.is_set()
    assert not taken.is_set()
    end_sessions(postgres_database)
    assert lost.wait(SECONDS), "the first knows"
    assert taken.wait(SECONDS), "the second is the daemon"


def test_a_server_that_is_away_is_waited_for_and_named():
    taken, sentence = stand_by("postgresql+psycopg2://nobody:planted-secret@127.0.0.1:9/none", only_once=True)
    assert sentence.startswith("the server of Dagster's record does not answer")
    assert "planted-secret" not in sentence
    assert not taken.is_set()


@pytest.mark.parametrize(
    ("address", "message"), [(None, "needs Dagster's record on a Postgres"), ("nonsense", "not the address")]
)
def test_without_a_server_there_is_no_standby(monkeypatch, address, message):
    monkeypatch.delenv(DAGSTER_POSTGRES_VARIABLE, raising=False)
    if address:
        monkeypatch.setenv(DAGSTER_POSTGRES_VARIABLE, address)
    with pytest.raises(InvalidInput, match=message):
        main([])
