"""A batch that cannot fit is refused before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qhybrid_pipelines.control.jobs.limits import check_budget, check_limits, limit_problems
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import Transition
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, DurableVendor, make_batch
from qhybrid_pipelines_tests.support.ledger_plans import NOW, SUBMIT_EVENTS, plan
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger


def test_a_batch_within_all_limits_passes_also_exactly_at_them(tmp_path: Path) -> None:
    capabilities = DurableVendor(tmp_path, max_qubits=3).capabilities(BACKEND)
    check_limits(make_batch(points=50, shots=1000), capabilities)


@pytest.mark.parametrize(
    ("batch", "max_qubits", "words"),
    [
        (make_batch(), 2, ("3 qubits", "at most 2", "reduce.max_qubits")),
        (make_batch(shots=1001), 20, ("1001 shots per circuit", "at most 1000", "Lower shots")),
        (make_batch(points=51), 20, ("102 circuits", "at most 100", "sweep.points")),
    ],
)
def test_a_refusal_names_experiment_backend_limit_and_remedy(tmp_path: Path, batch, max_qubits, words) -> None:
    with pytest.raises(Refused) as refusal:
        check_limits(batch, DurableVendor(tmp_path, max_qubits=max_qubits).capabilities(BACKEND))
    for word in (*words, batch.experiment, BACKEND):
        assert word in str(refusal.value)


def test_too_few_shots_are_refused(tmp_path: Path) -> None:
    capabilities = replace(DurableVendor(tmp_path).capabilities(BACKEND), min_shots=500)
    check_limits(make_batch(shots=500), capabilities)
    with pytest.raises(
        Refused, match=r"wants 499 shots per circuit, and 'vendor:device' takes at least 500\. Raise shots"
    ):
        check_limits(make_batch(shots=499), capabilities)


def test_every_limit_is_named_and_the_circuits_of_a_job_only_for_a_part(tmp_path: Path) -> None:
    capabilities = DurableVendor(tmp_path, max_qubits=2).capabilities(BACKEND)
    batch = make_batch(points=51, shots=1001)
    assert [sentence.split(" needs ")[1].split(",")[0] for sentence in limit_problems(batch, capabilities)] == [
        "3 qubits",
        "1001 shots per circuit",
        "102 circuits",
    ]
    assert len(list(limit_problems(batch, capabilities, whole=True))) == 2


def test_the_budget_is_checked_too_for_a_job_that_somebody_ended_since_it_was_read() -> None:
    ledger = MemoryLedger()
    job = ledger.plan(plan(quote=2.0, budget=3.0, events=SUBMIT_EVENTS[:2]))
    ledger.advance(Transition.single(job, Event.CANCEL, NOW))
    account = ledger.account(job.experiment)
    assert account is not None
    assert account.reserved_usd == 0.0
    check_budget(ledger, job, 3.0, backend="vendor:other", limits=(), now=NOW)
    with pytest.raises(Refused, match=r"quotes \$3.10"):
        check_budget(ledger, job, 3.1, backend="vendor:other", limits=(), now=NOW)
