"""Keys are read for each call, and are in no text."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.text.redaction import HIDDEN, redact
from qhybrid_pipelines.execution.http.credentials import CredentialSource, Secret

SOURCE = CredentialSource(variable="SOME_KEY", file_variable="SOME_KEY_FILE")
PLANTED = "planted-4f1c9d-secret"


def test_a_rotated_file_is_read_again_at_once(tmp_path, monkeypatch):
    file = tmp_path / "key"
    monkeypatch.setenv("SOME_KEY_FILE", str(file))
    monkeypatch.setenv("SOME_KEY", "the file wins")
    for key in ("first-key", "other-key", "third-key"):  # the same size, within one tick of the file system's clock
        file.write_text(key + "\n")
        assert SOURCE.read().reveal() == key


def test_a_rotated_variable_is_read_again(monkeypatch):
    monkeypatch.delenv("SOME_KEY_FILE", raising=False)
    for key in ("first-key", "other-key"):
        monkeypatch.setenv("SOME_KEY", key)
        assert SOURCE.read().reveal() == key


@pytest.mark.parametrize("value", ["", "  ", "two words", f"{PLANTED}\nX-Header: 1", "schlüssel-1234"])
def test_what_is_no_key_is_refused_without_being_shown(value, tmp_path, monkeypatch):
    file = tmp_path / "key"
    file.write_text(value, encoding="utf-8")
    monkeypatch.setenv("SOME_KEY_FILE", str(file))
    with pytest.raises(InvalidInput, match="SOME_KEY_FILE") as caught:
        SOURCE.read()
    assert PLANTED not in str(caught.value)
    assert "words" not in str(caught.value)


def test_a_file_that_is_not_there_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(InvalidInput, match="cannot be read"):
        SOURCE.read()
    assert SOURCE.is_configured()


def test_a_secret_is_not_shown_or_written():
    secret = Secret(PLANTED)
    shown = [repr(secret), str(secret), f"{secret}", "{}".format(secret), repr({"key": secret})]  # noqa: UP032
    assert all(PLANTED not in text for text in shown)
    for write in (pickle.dumps, json.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            write(secret)
    assert not hasattr(secret, "__dict__")
    assert PLANTED not in "".join(traceback.format_exception(ValueError(secret)))


def test_redaction_knows_keys_of_before(monkeypatch):
    monkeypatch.delenv("SOME_KEY_FILE", raising=False)
    monkeypatch.setenv("SOME_KEY", PLANTED)
    SOURCE.read()
    monkeypatch.setenv("SOME_KEY", PLANTED + "-longer")
    SOURCE.read()
    told = redact(f"invalid key {PLANTED}, invalid key {PLANTED}-longer")
    assert told == f"invalid key {HIDDEN}, invalid key {HIDDEN}"
