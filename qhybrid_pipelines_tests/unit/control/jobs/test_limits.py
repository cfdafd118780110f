"""A batch that cannot fit is refused before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qhybrid_pipelines.control.jobs.limits import check_budget, check_limits, limit_problems
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import Transition
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.circuit_jobs import Capabilities
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.execution.dwave.declarations import ANNEALERS
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


MODEL = IsingModel(
    linear=np.array([0.5, -1.0]), pairs=np.array([[0, 1]], dtype=np.int32), couplings=np.array([1.0]), offset=0.0
)
EXPERIMENT = "maxcut-small-00000000"
BATCHES = {
    "gate": make_batch(),
    "annealing": AnnealBatch(
        experiment=EXPERIMENT,
        backend=BACKEND,
        model=MODEL,
        embedding=Embedding(chains=((4, 7), (9,)), graph_id="01ab"),
        annealing_times=np.array([20.0, 40.0]),
        chain_strengths=np.array([0.5, 1.0]),
        gauges=np.arange(2),
        gauge_seed=5,
        shots=100,
        seeds=np.arange(6, dtype=np.uint64).reshape(2, 3),
    ),
    "hybrid": HybridBatch(
        experiment=EXPERIMENT,
        backend=BACKEND,
        model=MODEL,
        time_limit=3.0,
        seeds=np.arange(3, dtype=np.uint64).reshape(1, 3),
    ),
}
ASKED = {"gate": "runs circuits", "annealing": "anneals a model", "hybrid": "gives a model to a hybrid solver"}
OFFERED = {
    "gate": "runs circuits. Leave `annealing` out",
    "annealing": "anneals models. Say `annealing` with reads in the specification",
    "hybrid": "is a hybrid solver. Say `annealing: {time_limit_seconds: 5}`",
}


def of_plane(folder: Path, plane: str, **facts) -> Capabilities:
    capabilities = DurableVendor(folder).capabilities(BACKEND)
    return replace(capabilities, declared=replace(ANNEALERS, plane=plane), **facts)


@pytest.mark.parametrize("offered", OFFERED)
@pytest.mark.parametrize("asked", ASKED)
def test_work_of_another_kind_is_told_what_would_make_it_fit(tmp_path: Path, asked, offered) -> None:
    capabilities = of_plane(tmp_path, offered, graph_id="01ab", max_qubits=0, max_shots=0)
    found = list(limit_problems(BATCHES[asked], capabilities))
    if asked == offered:
        assert found, "no qubits and no shots are too few for all of them"
        assert not any("name another backend" in problem for problem in found)
        return
    assert found == [
        f"experiment '{EXPERIMENT}' {ASKED[asked]}, and '{BACKEND}' {OFFERED[offered]}, or name another backend."
    ]


def test_an_embedding_is_good_for_the_graph_that_it_was_made_for(tmp_path: Path) -> None:
    [problem] = limit_problems(BATCHES["annealing"], of_plane(tmp_path, "annealing", graph_id="02cd", max_qubits=0))
    assert problem == (
        f"experiment '{EXPERIMENT}' was embedded in the qubit graph 01ab, and '{BACKEND}' has 02cd now. Nothing is sent with "
        "it. Run it again: where no job of it was sent yet, it is embedded anew; otherwise give it another seed."
    )


@pytest.mark.parametrize(
    ("switches", "known", "refused"),
    [
        ((), (), []),
        (("xy4:mid",), ("xy4",), []),
        (("xy4:mid", "twirl"), ("twirl",), ["xy4 mid"]),
        (("a", "b"), (), ["a", "b"]),
    ],
)
def test_no_switch_against_errors_is_left_out_in_silence(tmp_path: Path, switches, known, refused) -> None:
    capabilities = replace(DurableVendor(tmp_path).capabilities(BACKEND), suppression=known)
    assert list(limit_problems(replace(make_batch(), suppression=switches), capabilities)) == [
        f"experiment '{EXPERIMENT}' asks for {switch}, and the adapter for '{BACKEND}' sets no such switch. Leave "
        "mitigation.suppression out, or name another backend."
        for switch in refused
    ]


def test_a_limit_of_the_policy_has_to_hold_a_quote_elsewhere_too_without_the_job_s_own() -> None:
    ledger = MemoryLedger()
    job = ledger.plan(plan(quote=2.0, budget=30.0, events=SUBMIT_EVENTS[:2]))
    ledger.plan(plan("b", quote=1.0, budget=30.0, events=SUBMIT_EVENTS[:2]))
    limits = (SpendingLimit(limit_usd=4.0),)
    check_budget(ledger, job, 3.0, backend="other:device", limits=limits, now=NOW)
    with pytest.raises(Refused, match=r"'other:device' quotes \$3\.01.*Raise it to \$4\.01"):
        check_budget(ledger, job, 3.01, backend="other:device", limits=limits, now=NOW)
    check_budget(ledger, job, 3.01, backend="other:device", limits=(), now=NOW)


def test_a_job_that_was_charged_already_frees_nothing() -> None:
    ledger = MemoryLedger()
    job = ledger.plan(plan(quote=2.0, budget=3.0, events=SUBMIT_EVENTS[:2]))
    settled = replace(job, cost_settled_usd=0.0)
    check_budget(ledger, job, 3.0, backend="other:device", limits=(), now=NOW)
    check_budget(ledger, settled, 1.0, backend="other:device", limits=(), now=NOW)
    with pytest.raises(Refused):
        check_budget(ledger, settled, 1.01, backend="other:device", limits=(), now=NOW)
    nobody = replace(job, experiment="nobody-00000000")
    check_budget(ledger, nobody, 100.0, backend="other:device", limits=(), now=NOW)
