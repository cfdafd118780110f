"""The emulator believes what botocore signs, and nothing that was changed afterwards."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from qhybrid_pipelines.emulator.braket.signatures import is_signed_with
from qhybrid_pipelines.execution.braket.credentials import sign
from qhybrid_pipelines.execution.http.credentials import Secret

HOST = "http://127.0.0.1:8765"
REQUESTS = {
    "a task": (
        "braket",
        "GET",
        f"{HOST}/braket/quantum-task/arn%3Aaws%3Abraket%3Aeu%3A1%3Aquantum-task%2Fa",
        [("a", "b c"), ("A", "~")],
        None,
    ),
    "a submission": ("braket", "POST", f"{HOST}/braket/quantum-task", None, b'{"shots":1}'),
    "an object": ("s3", "GET", f"{HOST}/s3/bucket/folder/a%20b/results.json", None, None),
}


@pytest.mark.parametrize("token", [None, "of-a-role"])
@pytest.mark.parametrize("given", REQUESTS.values(), ids=REQUESTS)
def test_what_botocore_signs_is_believed(given, token):
    service, method, url, params, body = given
    key = Secret(f'["access", "the-secret", {"null" if token is None else chr(34) + token + chr(34)}]')
    signed = sign(
        key,
        service=service,
        region="eu-north-1",
        method=method,
        url=url,
        headers={"X-Own": "a  b"},
        params=params,
        body=body,
    )
    parts = urlsplit(url)
    seen = {
        "method": method,
        "raw_path": parts.path,
        "query": "&".join(f"{name}={value.replace(' ', '%20')}" for name, value in params or []),
        "headers": {"host": parts.netloc, **{name.lower(): value for name, value in signed.items()}},
        "body": body or b"",
    }
    assert is_signed_with("the-secret", **seen)
    assert not is_signed_with("another", **seen)
    changes = {
        "method": "PUT",
        "raw_path": f"{parts.path}x",
        "query": "other=1",
        "body": b"{}",
        "headers": {**seen["headers"], "host": "elsewhere"},
    }
    for name, value in changes.items():
        assert not is_signed_with("the-secret", **{**seen, name: value}), name
    assert not is_signed_with("the-secret", **{**seen, "headers": {}})
