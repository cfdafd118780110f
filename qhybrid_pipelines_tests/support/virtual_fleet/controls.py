"""Dispatchers that lack one precaution each: the simulation has to see them pay twice, or it proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from qhybrid_pipelines.control.jobs.ledger_clock import LedgerClock
from qhybrid_pipelines.control.jobs.write_ahead_submission import WriteAheadSubmission


@contextmanager
def trusting_own_clock() -> Iterator[None]:
    """Let every worker take its own clock for the time: nothing is compared with a provider's, and no step is noticed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LedgerClock, "check", lambda *_: None)
        patch.setattr(LedgerClock, "margin_seconds", lambda *_: 0.0)
        yield


@contextmanager
def sending_without_looking() -> Iterator[None]:
    """Let what may have been accepted be sent again at once, without a look at the vendor's list."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WriteAheadSubmission, "_settle_from_listing", lambda *_, **__: None)
        patch.setattr(WriteAheadSubmission, "_find_sent_before", lambda *_: None)
        yield
