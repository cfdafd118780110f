"""Access tokens open for an hour, of their own cloud and key only; a key itself opens nothing."""

from __future__ import annotations

import jwt
import pytest

from qhybrid_pipelines.emulator.ibm.tokens import LIFE_SECONDS, AccessTokens
from qhybrid_pipelines.emulator.keys import ApiKeys

NOW = 1_796_000_000.0


def tokens(realm: str = "a", *, key: str = "key", at: float = NOW) -> AccessTokens:
    return AccessTokens(ApiKeys(key), realm, lambda: at)


def test_a_token_is_a_jwt_with_its_times():
    given = tokens().given_for("key")
    claims = jwt.decode(given["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == LIFE_SECONDS == given["expires_in"]
    assert given["expiration"] == claims["exp"] == NOW + LIFE_SECONDS
    assert tokens().given_for("another") is None
    assert "key" not in given["access_token"]


@pytest.mark.parametrize(
    ("reader", "opens"),
    [
        (tokens(), True),
        (tokens(at=NOW + LIFE_SECONDS - 1), True),
        (tokens(at=NOW + LIFE_SECONDS), False),
        (tokens("another cloud"), False),
        (tokens(key="another key"), False),
    ],
)
def test_when_it_opens(reader, opens):
    assert reader.opens(f"Bearer {tokens().given_for('key')['access_token']}") is opens


def test_what_opens_nothing():
    good = tokens().given_for("key")["access_token"]
    claims = jwt.decode(good, options={"verify_signature": False})
    unsigned = jwt.encode(claims, None, algorithm="none")
    for header in (None, "", good, "apikey key", "Bearer key", "Bearer ", f"Bearer {unsigned}", f"Basic {good}"):
        assert not tokens().opens(header), header
