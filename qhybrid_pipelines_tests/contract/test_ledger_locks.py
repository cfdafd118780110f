"""Locks of every ledger: one holder at a time, whatever becomes of it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy
from qhybrid_pipelines.control.ledger.port import (
    Ledger,
)


class TestLocks:
    def test_one_holder_at_a_time(self, ledger: Ledger) -> None:
        with (
            ledger.job_lock("j-a", timeout_seconds=0),
            ledger.job_lock("j-b", timeout_seconds=0),
            pytest.raises(LockBusy, match="j-a"),
            ledger.job_lock("j-a", timeout_seconds=0.01),
        ):
            pass
        with ledger.job_lock("j-a", timeout_seconds=0):
            pass

    def test_a_lock_outlives_an_error_of_its_holder_by_nothing(self, ledger: Ledger) -> None:
        with pytest.raises(ZeroDivisionError), ledger.job_lock("j-a", timeout_seconds=0):
            _ = 1 / 0
        with ledger.job_lock("j-a", timeout_seconds=0):
            pass

    def test_who_waits_gets_it_when_it_is_given_back(self, ledger: Ledger) -> None:
        order = []
        with ThreadPoolExecutor(1) as pool:
            with ledger.job_lock("j-a", timeout_seconds=0):
                waiting = pool.submit(_hold, ledger, order)
                time.sleep(0.05)
                order.append("first")
            waiting.result(timeout=5)
        assert order == ["first", "second"]


def _hold(ledger: Ledger, order: list[str]) -> None:
    with ledger.job_lock("j-a", timeout_seconds=5):
        order.append("second")
