"""Whether the ledger answers, known before somebody waits for it: a request must not stand for half a minute at a server that is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from qhybrid_pipelines.service.problem_documents import Problem, ProblemError

#: Between two questions.
PAUSE_SECONDS = 1.0
#: A ledger that has not answered for so long is taken for away.
AWAY_SECONDS = 4.0


class LedgerWatch:
    """Asks the ledger all the time, in a thread of its own.

    Args:
        ask: asks it something cheap; raises where it does not answer, and may take long for that.
        now: a clock that only goes forward, in seconds.
    """

    def __init__(self, ask: Callable[[], object], *, now: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._now = ask, now
        self._answered_at = now()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ledger-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._answered_at = self._now()
        self._thread.start()

    @property
    def is_away(self) -> bool:
        """Whether the ledger has not answered for a while."""
        return self._thread.is_alive() and self._now() - self._answered_at > AWAY_SECONDS

    def check(self) -> None:
        """Return if the ledger answers, as far as is known.

        Raises:
            ProblemError: 503.
        """
        if self.is_away:
            raise ProblemError(
                Problem(
                    status=503,
                    code="not-ready",
                    detail="The ledger does not answer.",
                    remedy="Send the same request again later.",
                    retry_after_seconds=5,
                )
            )

    def close(self) -> None:
        """Ask no more; a question that is under way is left behind."""
        self._ending.set()

    def _watch(self) -> None:
        while not self._ending.is_set():
            try:
                self._ask()
                self._answered_at = self._now()
            except Exception:  # noqa: BLE001, S110  no answer, whatever the reason; if the thread ended, nobody would notice that the ledger is away
                pass
            self._ending.wait(PAUSE_SECONDS)
