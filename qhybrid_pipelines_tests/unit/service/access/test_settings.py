"""`service.yaml`: what it says counts, what it does not say is the default, and what is wrong is named by its place."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.service.access.rate_limits import RateLimit
from qhybrid_pipelines.service.access.settings import read_settings
from qhybrid_pipelines.storage.layout import Home


def settings(tmp_path, text: str | None):
    home = Home(tmp_path).make()
    if text is not None:
        (tmp_path / "service.yaml").write_text(text)
    return read_settings(home)


@pytest.mark.parametrize("text", [None, "", "limits: []"])
def test_without_a_word_only_callers_with_keys_are_limited(tmp_path, text):
    found = settings(tmp_path, text)
    assert found.limit_of("ada", keys=False) == RateLimit()
    assert found.limit_of("ada", keys=True) == RateLimit(requests=6000, per_seconds=60, at_once=32)


def test_who_is_named_has_a_limit_of_its_own(tmp_path):
    found = settings(
        tmp_path,
        "limits:\n  - {principal: ada, requests: 5, per_seconds: 1, at_once: null}\n  - {requests: null, at_once: 2}\n",
    )
    assert found.limit_of("ada", keys=True) == RateLimit(requests=5, per_seconds=1)
    assert found.limit_of("bob", keys=True) == found.limit_of("bob", keys=False) == RateLimit(at_once=2)


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("limits:\n  - {requests: 0}\n", 2, "limits.0.requests"),
        ("limits:\n  - principal: ada\n    request: 3\n", 3, "limits.0.request"),
        ("limit: []\n", 1, "limit"),
        ("limits: [{principal: a}, {principal: a}]\n", None, None),
        ("limits: [{at_once: 1.5}]\n", 1, "limits.0.at_once"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, line, field):
    with pytest.raises(InvalidInput) as error:
        settings(tmp_path, text)
    assert (error.value.line, error.value.field) == (line, field)
    assert (error.value.file or "").endswith("service.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "service.yaml").write_bytes(b"limits: \xff\xfe")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_settings(Home(tmp_path))
