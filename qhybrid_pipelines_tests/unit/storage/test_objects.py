"""Addresses of object stores: which are refused, and by the name of which setting."""

from __future__ import annotations

from datetime import timedelta

import pytest

from qhybrid_pipelines.core.errors import EnvironmentFailure, InvalidInput
from qhybrid_pipelines.storage.lake_objects import MARKER
from qhybrid_pipelines.storage.lake_store import open_store
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.objects import ENDPOINT_VARIABLES, open_objects


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("gs://bucket", "'gs' is not a kind of store"),
        ("bucket", "'bucket' is not a kind of store"),
        ("s3:///prefix", "names no bucket"),
        ("s3://[::1", "not an address: Invalid IPv6 URL"),
        ("s3://bucket/../prefix", "illegal character sequence"),
        ("s3://key:secret@bucket/a", "more than a place"),
        ("s3://bucket/a?region=x", "more than a place"),
        ("file:relative", "not the address of a folder"),
        ("file:///", "not the address of a folder"),
        ("file://host/folder", "not the address of a folder"),
        ("file:/proc/nowhere/x", "cannot be made"),
    ],
)
def test_wrong_addresses_are_refused_by_the_name_of_the_setting(tmp_path, monkeypatch, address, said):
    monkeypatch.setenv("QHYBRID_LAKE", address)
    with pytest.raises(InvalidInput, match=said) as refused:
        open_store(Home(tmp_path))
    assert refused.value.field == "QHYBRID_LAKE"
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("variable", ENDPOINT_VARIABLES)
@pytest.mark.parametrize(
    ("endpoint", "said"), [("http://store.example", "without encryption"), ("http://[::1", "IPv6")]
)
def test_plain_http_is_for_this_machine_only(monkeypatch, variable, endpoint, said):
    for name in ENDPOINT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, endpoint)
    with pytest.raises(InvalidInput, match=said) as refused:
        open_objects("s3://bucket/prefix")
    assert refused.value.field == variable


def test_a_store_that_does_not_answer_is_a_failure_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setattr("qhybrid_pipelines.storage.objects.RETRY_TIMEOUT", timedelta(milliseconds=1))
    with pytest.raises(EnvironmentFailure, match="s3://bucket/prefix cannot be used"):
        open_objects("s3://bucket/prefix").get(MARKER)
