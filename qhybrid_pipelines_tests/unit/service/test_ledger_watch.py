"""Whether the ledger answers is known without waiting for it."""

from __future__ import annotations

import threading
import time

import pytest

from qhybrid_pipelines.service.ledger_watch import AWAY_SECONDS, LedgerWatch
from qhybrid_pipelines.service.problem_documents import ProblemError


def wait_until(what) -> None:
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_ledger_that_hangs_or_fails_is_away_until_it_answers():
    answers, now = threading.Event(), [0.0]
    answers.set()
    asked = [0]

    def ask() -> None:
        asked[0] += 1
        if not answers.wait(60):
            raise OSError

    watch = LedgerWatch(ask, now=lambda: now[0])
    watch.start()
    try:
        wait_until(lambda: asked[0])
        watch.check()
        answers.clear()
        count = asked[0]
        wait_until(lambda: asked[0] > count)
        now[0] += AWAY_SECONDS + 1
        assert watch.is_away
        with pytest.raises(ProblemError) as error:
            watch.check()
        assert (error.value.problem.status, error.value.problem.code) == (503, "not-ready")
        answers.set()
        wait_until(lambda: not watch.is_away)
    finally:
        watch.close()
        answers.set()
