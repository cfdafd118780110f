"""Addresses of Postgres databases, as people give them in variables of the environment."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from qhybrid_pipelines.core.errors import InvalidInput

DRIVER = "postgresql+psycopg2"

#: Ways to write such an address that leave the driver open, and the one that names ours.
_SCHEMES = frozenset({"postgres", "postgresql", DRIVER})


def postgres_url(text: str, *, variable: str) -> URL:
    """Return the address of a database, with its driver named.

    SQLAlchemy 2.1 gives plain ``postgresql://`` another driver, with which Dagster's notifications fail, so nothing here
    leaves the choice to it.

    Raises:
        InvalidInput: it is not an address of a Postgres database; it may hold a password, so the message does not repeat it.
    """
    remedy = f"Write {DRIVER}://user:password@host:5432/database; special characters of a password as %XX."
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        raise InvalidInput("this is not the address of a database", remedy=remedy, field=variable) from None
    if url.drivername not in _SCHEMES:
        raise InvalidInput(
            f"'{url.drivername}' is not a scheme that is understood here", remedy=remedy, field=variable
        ) from None
    return url.set(drivername=DRIVER)
