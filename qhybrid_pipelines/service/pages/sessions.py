"""Who has signed in with a browser: a key is shown once, and a cookie that no script can read stands for it.

A session is kept in the memory of the service and nowhere else: it ends with the service, after an hour without a request, after twelve
hours in any case, and with its key, which is looked at again for every request. Every form carries a token of its session, so that a page
of another site can do nothing in its name.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from dataclasses import dataclass

from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK, Clock

IDLE_SECONDS, LONGEST_SECONDS = 3600.0, 12 * 3600.0
#: Sessions at a time; the one that was idle longest makes room.
MOST_SESSIONS = 2_000


@dataclass
class Session:
    """One signed-in browser.

    Attributes:
        authorization: the header that the key would be sent in; None where nobody needs one.
        form_token: that every form of it carries.
        began_at: seconds of a clock that only goes forward.
        used_at: likewise, the last request.
    """

    authorization: str | None
    form_token: str
    began_at: float
    used_at: float


class Sessions:
    """The sessions of a service.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_id: dict[str, Session] = {}

    def begin(self, authorization: str | None) -> str:
        """Begin a session, and return its id, which is what the cookie holds."""
        now, session_id = self._clock.monotonic(), secrets.token_urlsafe(32)
        with self._lock:
            self._drop_ended(now)
            while len(self._by_id) >= MOST_SESSIONS:
                self._by_id.pop(min(self._by_id, key=lambda one: self._by_id[one].used_at))
            self._by_id[session_id] = Session(authorization, secrets.token_urlsafe(32), now, now)
        return session_id

    def find(self, session_id: str | None, *, is_used: bool = True) -> Session | None:
        """Return a session, or None where it has ended or never was.

        Args:
            session_id: what the cookie holds.
            is_used: whether this is a request of its browser; a page that only stays open must not keep a session from ending.
        """
        now = self._clock.monotonic()
        with self._lock:
            self._drop_ended(now)
            found = self._by_id.get(session_id or "")
            if found is not None and is_used:
                found.used_at = now
            return found

    def end(self, session_id: str | None) -> None:
        """End a session."""
        with self._lock:
            self._by_id.pop(session_id or "", None)

    def _drop_ended(self, now: float) -> None:
        ended = [
            name
            for name, one in self._by_id.items()
            if now - one.used_at > IDLE_SECONDS or now - one.began_at > LONGEST_SECONDS
        ]
        for name in ended:
            del self._by_id[name]


def is_form_of(session: Session, token: str) -> bool:
    """Tell whether a form was made for a session."""
    return hmac.compare_digest(session.form_token.encode(), token.encode())
