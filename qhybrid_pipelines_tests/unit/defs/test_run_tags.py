"""Tags of runs: why one failed, in words that fit into a list."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import CorruptResult, InvalidInput, JobFailed, QHybridError, Refused, Rejected
from qhybrid_pipelines.defs.run_tags import STATE_TAG, failure_tags


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Refused, "refused by policy or budget"),
        (Rejected, "rejected by the provider"),
        (CorruptResult, "the result contradicts its request"),
        (JobFailed, "a job failed"),
        (InvalidInput, "wrong input"),
        (QHybridError, "failed, see its log"),
        (ZeroDivisionError, "failed, see its log"),
    ],
)
def test_why_a_run_failed(kind, words):
    assert failure_tags(kind.__new__(kind)) == {STATE_TAG: words}
