"""The public keys of an issuer of tokens: a JSON Web Key Set (RFC 7517) in a file, or at an address.

Keys change: the issuer publishes the next one and signs with it from some moment on. A token with a key that is not known here has
the set read again before it is judged, so that nobody is refused in that moment; how often that happens is bounded, so that made-up
names of keys cost the issuer next to nothing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from qhybrid_pipelines.core.errors import InvalidInput

if TYPE_CHECKING:
    from jwt import PyJWK

MOST_BYTES = 256 * 1024
TIMEOUT_SECONDS = 5.0
#: A set is read again after this time; until then a key that the issuer has withdrawn may still be used.
FRESH_SECONDS = 300.0
#: For this time the last answer of an issuer counts while it cannot be reached.
STALE_SECONDS = 3600.0
#: Between two readings because of keys that are not known.
PAUSE_SECONDS = 1.0
#: Shorter RSA keys are not used (RFC 7518, 3.3).
MIN_RSA_BITS = 2048
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class KeysUnreachable(Exception):
    """The keys cannot be read now, so that no token can be judged."""


class TokenKeys:
    """The keys of one issuer.

    Args:
        source: path of a file, or an address by https, or by http on the loopback address.
        algorithms: that tokens may be signed by; keys of others are left aside.
        now: a clock that only goes forward, in seconds.

    Raises:
        InvalidInput: the address is not safe, or the file holds no key that can be used.
    """

    def __init__(self, source: str, algorithms: Collection[str], *, now: Callable[[], float] = time.monotonic) -> None:
        self._source, self._algorithms, self._now = source, frozenset(algorithms), now
        self._keys: Mapping[str | None, PyJWK] = {}
        self._read_at, self._tried_at = float("-inf"), float("-inf")
        self._mark: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._is_address = "://" in source
        if self._is_address:
            _check_address(source)
        elif not self._read_file():
            raise InvalidInput(
                "there is no key in it that can be used",
                remedy=f"Name a JSON Web Key Set with a public key for {', '.join(sorted(algorithms))}.",
                file=source,
                field="tokens.jwks",
            )

    def find(self, key_id: str | None) -> PyJWK | None:
        """Return the key of a name, or the only one where a token names none; None where there is none.

        Raises:
            KeysUnreachable: the set cannot be read, or was read too recently to be read for this name.
        """
        with self._lock:
            return self._find_in_address(key_id) if self._is_address else self._find_in_file(key_id)

    def _find_in_file(self, key_id: str | None) -> PyJWK | None:
        try:
            status = Path(self._source).stat()
            if (status.st_mtime_ns, status.st_ino) != self._mark:
                self._read_file()
        except (OSError, InvalidInput):
            raise KeysUnreachable from None
        return self._named(key_id)

    def _find_in_address(self, key_id: str | None) -> PyJWK | None:
        age = self._now() - self._read_at
        found = self._named(key_id)
        if found is not None and age < FRESH_SECONDS:
            return found
        if self._now() - self._tried_at >= PAUSE_SECONDS:
            self._tried_at = self._now()
            try:
                self._keys = _usable(_fetch(self._source), self._algorithms)
                self._read_at = self._now()
                return self._named(key_id)
            except (httpx.HTTPError, ValueError, KeyError, TypeError):
                pass  # below: what it said last, for a while
        if found is not None and age < STALE_SECONDS:
            return found
        # Nobody can say whether the issuer has such a key: it was asked a moment ago, or does not answer.
        raise KeysUnreachable

    def _named(self, key_id: str | None) -> PyJWK | None:
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    def _read_file(self) -> bool:
        path = Path(self._source)
        try:
            status = path.stat()
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
            self._keys = _usable(content, self._algorithms)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput(
                f"the keys of the issuer cannot be read: {getattr(error, 'strerror', None) or error}",
                remedy="Name a file with a JSON Web Key Set.",
                file=self._source,
                field="tokens.jwks",
            ) from None
        self._mark = (status.st_mtime_ns, status.st_ino)
        return bool(self._keys)


def _check_address(source: str) -> None:
    parts = urlsplit(source)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not safe or not parts.hostname or parts.username is not None:
        raise InvalidInput(
            "the keys of an issuer are read by https, or on this machine",
            remedy="Give an https address without a name or a password in it, or the path of a file.",
            field="tokens.jwks",
        )


def _fetch(address: str) -> bytes:
    """Return what an address holds; it is asked directly, and not followed anywhere else."""
    with (
        httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client,
        client.stream("GET", address, headers={"accept": "application/json"}) as answer,
    ):
        if answer.status_code != 200:
            raise ValueError(f"status {answer.status_code}")
        content, began = b"", time.monotonic()
        for piece in answer.iter_bytes():
            content += piece
            if len(content) > MOST_BYTES or time.monotonic() - began > TIMEOUT_SECONDS:
                raise ValueError("too much, or too slow")
        return content


def _usable(content: bytes, algorithms: Collection[str]) -> dict[str | None, PyJWK]:
    """Return the keys of a set by name, those that check signatures by an algorithm that is allowed.

    Raises:
        ValueError: it is not a key set.
    """
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    if len(content) > MOST_BYTES:
        raise ValueError("it is too large")
    found: dict[str | None, PyJWK] = {}
    named = json.loads(content)["keys"]
    if not isinstance(named, list):
        raise TypeError("its `keys` are not a list")
    for fields in named:
        if not isinstance(fields, dict):
            continue
        if fields.get("kty") == "oct" or fields.get("use", "sig") != "sig" or "verify" not in _uses(fields):
            continue
        try:
            key = PyJWK(fields)
        except (PyJWTError, ValueError, KeyError, TypeError):
            continue  # of a kind that nobody here knows: the others of the set are good
        if key.algorithm_name in algorithms and getattr(key.key, "key_size", MIN_RSA_BITS) >= _least_bits(fields):
            found[fields.get("kid")] = key
    return found


def _uses(fields: Mapping[str, Any]) -> Collection[str]:
    return fields.get("key_ops") or ("verify",)


def _least_bits(fields: Mapping[str, Any]) -> int:
    return MIN_RSA_BITS if fields.get("kty") == "RSA" else 0
