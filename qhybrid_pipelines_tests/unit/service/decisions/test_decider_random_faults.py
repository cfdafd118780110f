"""A share of the decisions under random faults that `benchmarks/decisions.py` makes ten thousand of."""

from __future__ import annotations

from qhybrid_pipelines_tests.support.decision_faults import FaultRun


def test_no_fault_breaks_a_promise(tmp_path):
    tally = FaultRun(tmp_path, seed=11, kill_every=100).run(250)
    assert tally.broken == []
    assert tally.decisions >= 240
    assert tally.upgrades >= 20
    assert len(tally.faults) >= 13
    assert {"upgraded", "late", "infeasible", "not_better", "error", "already_used"} <= set(tally.outcomes)
