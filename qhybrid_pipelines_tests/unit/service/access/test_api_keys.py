"""Keys of the service: shown once, kept as a keyed hash, two in force at a time, refused from the moment they are taken back."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from datetime import UTC, datetime, timedelta

import pytest

from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.service.access.api_keys import PEPPER_VARIABLE, KeyAuthenticator, KeyFile
from qhybrid_pipelines.service.access.callers import Caller
from qhybrid_pipelines.service.problem_documents import ProblemError
from qhybrid_pipelines.storage.layout import Home

NOW = datetime.now(UTC)


@pytest.fixture
def keys(tmp_path) -> KeyFile:
    return KeyFile(Home(tmp_path).make())


def create(keys: KeyFile, principal: str = "ada", scopes=("read",), *, days: int = 9, now: datetime = NOW) -> str:
    return keys.create(principal, scopes, days=days, environment="dev", now=now)[0]


def refused(authenticator: KeyAuthenticator, header: str | None) -> bool:
    with pytest.raises(ProblemError) as error:
        authenticator.caller(header)
    assert error.value.problem.status == 401
    assert error.value.problem.headers["www-authenticate"].startswith("Bearer")
    return True


def test_a_key_lets_its_principal_in_with_its_scopes(keys):
    key = create(keys, scopes=("submit", "read"))
    found = KeyAuthenticator(keys).caller(f"Bearer {key}")
    assert found == Caller(principal="ada", scopes=frozenset({"read", "submit"}))
    assert KeyAuthenticator(keys).caller(f"bearer {key}") == found


def test_what_is_kept_is_no_key(keys, tmp_path):
    key = create(keys)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert key.encode() not in content
            assert key.split("_")[3].encode() not in content
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0 or file.suffix == ".lock"
    [stored] = json.loads(keys.home.service_keys.read_text())["keys"]
    pepper = keys.home.service_pepper.read_bytes()
    assert stored["digest"] == hmac.new(pepper, key.encode(), hashlib.sha256).hexdigest()


def test_the_pepper_may_lie_elsewhere(keys, tmp_path, monkeypatch):
    (tmp_path / "pepper").write_bytes(os.urandom(32))
    monkeypatch.setenv(PEPPER_VARIABLE, str(tmp_path / "pepper"))
    key = create(keys)
    assert not keys.home.service_pepper.exists()
    assert KeyAuthenticator(keys).caller(f"Bearer {key}").principal == "ada"
    monkeypatch.delenv(PEPPER_VARIABLE)
    assert refused(KeyAuthenticator(keys), f"Bearer {key}")
    (tmp_path / "pepper").write_bytes(b"short")
    monkeypatch.setenv(PEPPER_VARIABLE, str(tmp_path / "pepper"))
    with pytest.raises(InvalidInput, match="fewer than 32 bytes"):
        keys.pepper()


def test_wrong_keys_are_refused(keys):
    key = create(keys)
    authenticator = KeyAuthenticator(keys)
    for place in range(3, len(key)):
        wrong = key[:place] + ("x" if key[place] != "x" else "y") + key[place + 1 :]
        assert refused(authenticator, f"Bearer {wrong}")
    for header in (None, "", "Bearer", "Bearer ", f"Basic {key}", key, f"Bearer {key} {key}", "Bearer " + "x" * 9000):
        assert refused(authenticator, header)
    other = KeyFile(Home(keys.home.path / "other").make())
    assert refused(authenticator, f"Bearer {create(other)}")


def test_a_key_ends_and_is_taken_back_at_once(keys):
    ended = create(keys, now=NOW - timedelta(days=10))
    first, second = create(keys), create(keys)
    authenticator = KeyAuthenticator(keys)
    assert refused(authenticator, f"Bearer {ended}")
    assert authenticator.caller(f"Bearer {first}") == authenticator.caller(f"Bearer {second}")
    with pytest.raises(InvalidInput, match="2 keys in force"):
        create(keys)
    create(keys, principal="bob")
    keys.revoke(first.split("_")[2], now=NOW)
    assert refused(authenticator, f"Bearer {first}")
    assert authenticator.caller(f"Bearer {second}").principal == "ada"
    assert authenticator.caller(f"Bearer {create(keys)}").principal == "ada"


def test_the_door_stays_closed_when_the_last_key_is_taken_back(keys):
    assert not keys.exists
    key = create(keys)
    keys.revoke(key.split("_")[2], now=NOW)
    assert keys.exists
    assert refused(KeyAuthenticator(keys), f"Bearer {key}")


@pytest.mark.parametrize(
    ("principal", "scopes", "days"),
    [
        ("", ("read",), 9),
        ("a b", ("read",), 9),
        ("ada", (), 9),
        ("ada", ("write",), 9),
        ("ada", ("read",), 0),
        ("ada", ("read",), 9999),
    ],
)
def test_wrong_orders_are_refused(keys, principal, scopes, days):
    with pytest.raises(InvalidInput):
        create(keys, principal, scopes, days=days)
    assert not keys.exists


def test_a_damaged_file_lets_nobody_in(keys):
    key = create(keys)
    keys.home.service_keys.write_text("{")
    with pytest.raises(CorruptFile):
        KeyAuthenticator(keys).caller(f"Bearer {key}")
    with pytest.raises(InvalidInput, match="no key"):
        KeyFile(Home(keys.home.path / "new").make()).revoke("abc", now=NOW)
