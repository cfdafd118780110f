"""Keys for callers: shown once, kept only as a keyed hash, two in force for each principal, taken back at any time.

A key reads ``qh_<environment>_<id>_<secret>_<checksum>``. The checksum finds a mistyped key without reading the file, and lets
scanners of source code find one that was published. The secret has 256 random bits, so that a fast keyed hash is enough: a slow one
would only let anybody keep the service busy. The hash is keyed by a pepper that lies outside the file of the keys.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import zlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock

from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.core.system.files import make_folder, write_bytes
from qhybrid_pipelines.service.access.callers import SCOPES, Caller
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError
from qhybrid_pipelines.storage.layout import Home

#: Names a file with the pepper; without it, one lies in the home.
PEPPER_VARIABLE = "QHYBRID_SERVICE_PEPPER_FILE"
#: Keys of one principal that may be in force together: the one in use, and its successor.
MOST_IN_FORCE = 2
DEFAULT_DAYS, MOST_DAYS = 90, 730
PRINCIPAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.@_-]{0,63}")
_KEY = re.compile(
    r"qh_(?P<environment>dev|test|prod)_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})_(?P<checksum>[0-9a-f]{8})"
)
_MIN_PEPPER_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """What is kept of a key.

    Attributes:
        id: part of the key; names it in lists.
        principal: who comes in by it.
        scopes: of `service.access.callers.SCOPES`.
        digest: HMAC-SHA-256 of the whole key under the pepper, hexadecimal.
        created_at: ISO 8601, UTC.
        expires_at: ISO 8601, UTC.
        revoked_at: when it was taken back; None while it was not.
    """

    id: str
    principal: str
    scopes: tuple[str, ...]
    digest: str
    created_at: str
    expires_at: str
    revoked_at: str | None = None

    def is_in_force(self, now: datetime) -> bool:
        """Whether somebody may come in by it."""
        return self.revoked_at is None and now < datetime.fromisoformat(self.expires_at)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The keys of a home."""

    home: Home

    @property
    def exists(self) -> bool:
        """Whether keys were ever made here: then everybody needs one, also after the last was taken back."""
        return self.home.service_keys.exists()

    def read(self) -> list[StoredKey]:
        """Return all keys, oldest first.

        Raises:
            CorruptFile: the file cannot be read.
        """
        try:
            rows = json.loads(self.home.service_keys.read_bytes())["keys"]
            return [StoredKey(**{**row, "scopes": tuple(row["scopes"])}) for row in rows]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFile(
                str(self.home.service_keys),
                "the keys of the service cannot be read",
                remedy="Restore it, or remove it and make new keys.",
            ) from error

    def create(
        self, principal: str, scopes: Collection[str], *, days: int, environment: str, now: datetime
    ) -> tuple[str, StoredKey]:
        """Make a key, and return it with what is kept; it cannot be shown again.

        Raises:
            InvalidInput: the name, a scope or the number of days is wrong, or the principal has two keys in force.
        """
        _check(principal, scopes, days)
        with self._locked():
            keys = self.read()
            in_force = [key for key in keys if key.principal == principal and key.is_in_force(now)]
            if len(in_force) >= MOST_IN_FORCE:
                raise InvalidInput(
                    f"{principal} has {len(in_force)} keys in force already: {', '.join(key.id for key in in_force)}",
                    remedy="Take one of them back first: qhybrid keys revoke ID.",
                )
            key_id = secrets.token_hex(6)
            body = f"qh_{environment}_{key_id}_{secrets.token_urlsafe(32)}"
            key = f"{body}_{_checksum(body)}"
            stored = StoredKey(
                id=key_id,
                principal=principal,
                scopes=tuple(scope for scope in SCOPES if scope in scopes),
                digest=digest(key, self.pepper()),
                created_at=now.isoformat(),
                expires_at=(now + timedelta(days=days)).isoformat(),
            )
            self._write([*keys, stored])
        return key, stored

    def revoke(self, key_id: str, *, now: datetime) -> StoredKey:
        """Take a key back, at once and for good; one that was taken back stays as it is.

        Raises:
            InvalidInput: there is none.
        """
        with self._locked():
            keys = self.read()
            found = next((key for key in keys if key.id == key_id), None)
            if found is None:
                raise InvalidInput(
                    f"there is no key {key_id[:40]!r}", remedy="`qhybrid keys list` shows those there are.", field="ID"
                )
            changed = found if found.revoked_at else replace(found, revoked_at=now.isoformat())
            self._write([changed if key.id == key_id else key for key in keys])
        return changed

    def pepper(self) -> bytes:
        """Return the pepper; in a home without one it is made.

        Raises:
            InvalidInput: the file that the environment names cannot be used.
        """
        named = os.environ.get(PEPPER_VARIABLE)
        path = Path(named) if named else self.home.service_pepper
        try:
            if not named and not path.exists():
                _write_secret(path, secrets.token_bytes(_MIN_PEPPER_BYTES), tmp=self.home.tmp)
            found = path.read_bytes()
        except OSError as error:
            raise InvalidInput(
                f"the pepper cannot be read: {error.strerror}",
                remedy="Name a file that only this user can read.",
                file=str(path),
                field=PEPPER_VARIABLE,
            ) from None
        if len(found) < _MIN_PEPPER_BYTES:
            raise InvalidInput(
                f"the pepper has fewer than {_MIN_PEPPER_BYTES} bytes",
                remedy="Fill the file with random bytes.",
                file=str(path),
                field=PEPPER_VARIABLE,
            )
        return found

    def _locked(self) -> FileLock:
        make_folder(self.home.locks)
        return FileLock(self.home.locks / "service-keys.lock")

    def _write(self, keys: list[StoredKey]) -> None:
        text = json.dumps({"keys": [asdict(key) for key in keys]}, indent=1) + "\n"
        _write_secret(self.home.service_keys, text.encode(), tmp=self.home.tmp)


class KeyAuthenticator:
    """Lets in who shows a key that is in force; what is taken back is refused from the next request on.

    Args:
        keys: of the home.
    """

    def __init__(self, keys: KeyFile) -> None:
        self._keys, self._pepper = keys, keys.pepper()
        self._lock = threading.Lock()
        self._seen: tuple[int, int] = (-1, -1)
        self._by_digest: Mapping[str, StoredKey] = {}

    @property
    def is_open(self) -> bool:
        """No: everybody needs a key."""
        return False

    def caller(self, authorization: str | None) -> Caller:
        """Return who sent a request with this header.

        Raises:
            ProblemError: 401; what is wrong with a key is not told, but whether one was sent at all.
        """
        scheme, _, key = (authorization or "").partition(" ")
        key = key.strip()
        if not key or scheme.lower() != "bearer":
            raise _unauthorised("No key was sent.", error=None)
        match = _KEY.fullmatch(key)
        if match is None or not hmac.compare_digest(match["checksum"], _checksum(key.rpartition("_")[0])):
            raise _unauthorised(
                "This key is not known here: it was mistyped, or belongs to another service.", error="invalid_token"
            )
        stored = self._current().get(digest(key, self._pepper))
        if stored is None or not stored.is_in_force(datetime.now(UTC)):
            raise _unauthorised("This key is not in force.", error="invalid_token")
        return Caller(principal=stored.principal, scopes=frozenset(stored.scopes))

    def _current(self) -> Mapping[str, StoredKey]:
        """Return the keys by digest; the file is read again when it has changed."""
        try:
            status = self._keys.home.service_keys.stat()
        except FileNotFoundError:
            return {}
        seen = (status.st_mtime_ns, status.st_ino)  # a file that was replaced is another one
        with self._lock:
            if seen != self._seen:
                self._by_digest = {key.digest: key for key in self._keys.read()}
                self._seen = seen
            return self._by_digest


def digest(key: str, pepper: bytes) -> str:
    """Return the keyed hash that is kept of a key, hexadecimal."""
    return hmac.new(pepper, key.encode(), hashlib.sha256).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _check(principal: str, scopes: Collection[str], days: int) -> None:
    if not PRINCIPAL.fullmatch(principal):
        raise InvalidInput(
            f"{principal[:60]!r} is not a name",
            remedy="Use up to 64 letters, digits and . @ _ -, as the policy names people and services.",
            field="PRINCIPAL",
        )
    for scope in scopes:
        if scope not in SCOPES:
            raise InvalidInput(
                f"there is no scope {scope[:40]!r}", remedy=f"Choose one of {', '.join(SCOPES)}.", field="--scope"
            )
    if not scopes:
        raise InvalidInput("a key needs a scope", remedy=f"Choose one of {', '.join(SCOPES)}.", field="--scope")
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(
            f"{days} days are not between 1 and {MOST_DAYS}", remedy="Make a key that ends.", field="--days"
        )


def _write_secret(path: Path, content: bytes, *, tmp: Path) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    before = os.umask(0o077)
    try:
        write_bytes(path, content, tmp=tmp)
    finally:
        os.umask(before)
    path.chmod(0o600)


def _unauthorised(detail: str, *, error: str | None) -> ProblemError:
    challenge: dict[str, Any] = {"www-authenticate": "Bearer" + (f' error="{error}"' if error else "")}
    return ProblemError(
        Problem(
            status=401,
            code="unauthorised",
            detail=detail,
            remedy="Send Authorization: Bearer with a key; `qhybrid keys create` makes one.",
            field="Authorization",
            headers=challenge,
        )
    )
