"""The exchange of a key for an access token: a signed JWT that lives for an hour of real time.

A token is of the key that it was given for. Here it dies with its key, at once; the vendor's may live on until it expires.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import jwt

from qhybrid_pipelines.emulator.keys import ApiKeys

LIFE_SECONDS = 3600
_ISSUER, _ALGORITHM = "https://iam.cloud.ibm.com/identity", "HS256"


class AccessTokens:
    """Gives tokens and reads them; nothing is stored, so that they outlive a kill of the emulator.

    Args:
        keys: in force and revoked.
        realm: of this cloud's folder; the signature is made from it.
        wall: gives Unix time in seconds, for a client compares expiry with its own clock.
    """

    def __init__(self, keys: ApiKeys, realm: str, wall: Callable[[], float]) -> None:
        self._keys, self._wall = keys, wall
        self._secret = hashlib.sha256(f"iam/{realm}".encode()).digest()

    def given_for(self, key: str) -> dict[str, Any] | None:
        """Return the answer to an exchange; None for a key that is not in force."""
        if self._keys.refusal(f"apiKey {key}") is not None:
            return None
        now = int(self._wall())
        claims = {
            "iss": _ISSUER,
            "sub": "IBMid-emulated",
            "iam_id": "IBMid-emulated",
            "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
            "scope": "ibm openid",
            "iat": now,
            "exp": now + LIFE_SECONDS,
            "key": _fingerprint(key),
        }
        return {
            "access_token": jwt.encode(claims, self._secret, algorithm=_ALGORITHM),
            "refresh_token": "not_supported",
            "token_type": "Bearer",
            "expires_in": LIFE_SECONDS,
            "expiration": now + LIFE_SECONDS,
            "scope": "ibm openid",
        }

    def opens(self, header: str | None) -> bool:
        """Tell whether an ``Authorization`` header carries a token of ours that has not expired, of the key in force."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer":
            return False
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                options={"verify_exp": False, "verify_iat": False, "require": ["exp", "iat"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return False
        expires = claims["exp"]
        is_alive = isinstance(expires, int) and self._wall() < expires
        return is_alive and claims.get("key") == _fingerprint(self._keys.in_force)


def _fingerprint(key: str) -> str:
    """Return what tells one key from another and gives nothing of it away."""
    return hashlib.sha256(f"key/{key}".encode()).hexdigest()[:16]
