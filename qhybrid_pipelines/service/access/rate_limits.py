"""How often a caller may ask, and how many of its requests may be under way: counted for each principal in this one process.

The rate is held by the generic cell rate algorithm (ITU-T I.371): each request moves the moment at which the next one would be on
schedule, and whoever is ahead of it by more than the window is refused. So a caller may spend its whole window at once, gets it back
bit by bit, and no counter jumps at the end of a minute. Answers carry ``RateLimit-Policy`` and ``RateLimit`` as Structured Fields
(draft-ietf-httpapi-ratelimit-headers), and a refusal the ``Retry-After`` that is enough.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from qhybrid_pipelines.service.problem_documents import Problem, ProblemError

#: Names of the limits in the headers.
RATE, CONCURRENCY = "requests", "at-once"
#: Callers that are remembered; one that has not asked for a whole window need not be.
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """What one principal may ask for.

    Attributes:
        requests: in a window; None is as many as it likes.
        per_seconds: length of the window.
        at_once: requests under way at a time; None is as many as it likes.
    """

    requests: int | None = None
    per_seconds: int = 60
    at_once: int | None = None


@dataclass(slots=True)
class _Caller:
    on_schedule_at: float = 0.0
    under_way: int = 0


@dataclass
class RateLimits:
    """Counts requests.

    Attributes:
        limit_of: what a principal may ask for.
        now: a clock that only goes forward, in seconds.
    """

    limit_of: Callable[[str], RateLimit]
    now: Callable[[], float] = time.monotonic
    _callers: OrderedDict[str, _Caller] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, principal: str) -> Mapping[str, str]:
        """Count a request, and return the headers of its answer; `end` is called when that was sent.

        Raises:
            ProblemError: 429, it is one too many; nothing is counted, and `end` is not called.
        """
        limit = self.limit_of(principal)
        with self._lock:
            caller = self._callers.setdefault(principal, _Caller())
            self._callers.move_to_end(principal)
            if limit.at_once is not None and caller.under_way >= limit.at_once:
                raise _refusal(
                    CONCURRENCY,
                    f"{limit.at_once} of your requests are under way, which is as many as there may be.",
                    seconds=1,
                    headers=_headers(limit, caller, self.now()),
                )
            if limit.requests is not None:
                self._count(caller, limit, limit.requests)
            caller.under_way += 1
            self._forget(limit)
            return _headers(limit, caller, self.now())

    def end(self, principal: str) -> None:
        """Count a request as answered."""
        with self._lock:
            self._callers[principal].under_way -= 1

    def _count(self, caller: _Caller, limit: RateLimit, requests: int) -> None:
        now = self.now()
        scheduled = max(caller.on_schedule_at, now) + limit.per_seconds / requests
        ahead = scheduled - now - limit.per_seconds
        if ahead > 1e-9:
            raise _refusal(
                RATE,
                f"You may send {requests} requests in {limit.per_seconds} s.",
                seconds=math.ceil(ahead),
                headers=_headers(limit, caller, now),
            )
        caller.on_schedule_at = scheduled

    def _forget(self, limit: RateLimit) -> None:
        """Forget those who have asked for nothing for longest, as long as that gives nobody anything."""
        while len(self._callers) > MOST_REMEMBERED:
            name, oldest = next(iter(self._callers.items()))
            if oldest.under_way or oldest.on_schedule_at + limit.per_seconds > self.now():
                return
            del self._callers[name]


def _headers(limit: RateLimit, caller: _Caller, now: float) -> dict[str, str]:
    policies, left = [], []
    if limit.requests is not None:
        used_seconds = max(caller.on_schedule_at - now, 0.0)
        interval = limit.per_seconds / limit.requests
        remaining = max(math.floor((limit.per_seconds - used_seconds) / interval + 1e-9), 0)
        # Until there is one more, where there is none; else until all are back.
        seconds = used_seconds if remaining else used_seconds + interval - limit.per_seconds
        policies.append(f'"{RATE}";q={limit.requests};w={limit.per_seconds}')
        left.append(f'"{RATE}";r={remaining};t={max(math.ceil(seconds), 0)}')
    if limit.at_once is not None:
        policies.append(f'"{CONCURRENCY}";q={limit.at_once};qu="concurrent-requests"')
        left.append(f'"{CONCURRENCY}";r={limit.at_once - caller.under_way}')
    return {"ratelimit-policy": ", ".join(policies), "ratelimit": ", ".join(left)} if policies else {}


def _refusal(name: str, detail: str, *, seconds: float, headers: Mapping[str, str]) -> ProblemError:
    return ProblemError(
        Problem(
            status=429,
            code="rate-limited",
            detail=detail,
            remedy="Send the same request again after Retry-After; nothing was accepted.",
            retry_after_seconds=seconds,
            headers=headers,
            extra={"violated-policies": [name]},
        )
    )
