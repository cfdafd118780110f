"""Where lakes on objects are, for the tests of stores and of tables on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from qhybrid_pipelines_tests.support.object_lakes import BUCKET, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[Mapping[str, str]]:
    with s3_server() as variables:
        yield variables


@pytest.fixture
def address(request: pytest.FixtureRequest, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the lake of a test is, a new place for each; its module says of which kind."""
    if kind == "folder":
        return f"file:{tmp_path}/objects"
    for name, value in request.getfixturevalue("s3").items():
        monkeypatch.setenv(name, value)
    if kind == "s3 and Postgres":
        monkeypatch.setenv("QHYBRID_LEDGER_URL", request.getfixturevalue("postgres_url"))
    return f"s3://{BUCKET}/{tmp_path.name}"
