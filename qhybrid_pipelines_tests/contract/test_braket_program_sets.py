"""Program sets behind the adapter of `braket`: the contract suite, one fee, results in many objects, circuits that fail one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import split
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.execution.conformance import CHECKS, fetch_when_completed
from qhybrid_pipelines.execution.conformance.provider_under_test import await_end
from qhybrid_pipelines_tests.support.braket_under_test import IONQ, IQM, book, fate_of_tasks, under_test


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    running = start_emulator(tmp_path_factory.mktemp("emulator") / "cloud", speed=4000.0, seed=7)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def settings(emulator, monkeypatch):
    for name, value in emulator.braket_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BRAKET_LISTING_LAG_SECONDS", "0")


@pytest.fixture
def with_fault(emulator):
    with fate_of_tasks(emulator) as put:
        yield put


#: What a task of many circuits does otherwise; the rest of the contract is that of tasks of one circuit.
ABOUT_RESULTS = ("counts_answer_the_batch", "wrong_results_are_refused", "parts_make_the_whole", "same_token_same_job")


def _check(check):
    name = check.__name__.removeprefix("check_")
    return pytest.param(check, id=name, marks=() if name in ABOUT_RESULTS else pytest.mark.long)


@pytest.mark.parametrize("check", [_check(check) for check in CHECKS])
def test_program_sets(check, tmp_path, emulator):
    check(under_test(tmp_path, sets=True))


@pytest.mark.parametrize("backend", [IQM, IONQ])
def test_a_program_set_pays_one_fee_and_its_results_may_be_many_objects(backend, tmp_path, emulator):
    subject = under_test(tmp_path, backend, sets=True)
    provider = subject.connect()
    whole, outcomes = subject.canary("batch", qubit=2)
    batch = replace(whole, seeds=np.tile(whole.seeds, 4))  # as many repetitions as make a tree of results
    circuits = batch.points * batch.repetitions
    assert 20 < circuits <= 100
    quote = provider.estimate(batch)
    counts = provider.decode(fetch_when_completed(subject, provider, provider.submit(batch, f"tree-{backend}")), batch)
    sums = counts.group_by(["point", "repetition"]).aggregate([("count", "sum")])
    assert sums.column("count_sum").to_pylist() == [batch.shots] * circuits
    for point, expected in enumerate(outcomes):
        rows = counts.filter(pc.equal(counts.column("point"), point)).to_pylist()
        assert max(rows, key=lambda row: row["count"])["bits"] == expected
    [booked] = [job for job in book(emulator) if job["name"] == f"tree-{backend}"]
    price = provider._devices.device(backend).price[0]
    assert quote.high_usd == pytest.approx(booked["charged_usd"], rel=0.01)
    assert booked["charged_usd"] == pytest.approx(0.30 + circuits * batch.shots * price)


def test_a_circuit_that_fails_keeps_the_others_and_is_named(tmp_path, emulator, with_fault):
    subject = under_test(tmp_path, sets=True)
    provider, batch = subject.connect(), replace(subject.batch(), seeds=np.arange(5, dtype=np.uint64)[None])
    with_fault(fault="executables_failed", route="POST /quantum-task", nth=1, params={"message": "The ions have left."})
    raw = fetch_when_completed(subject, provider, provider.submit(batch, "one-of-five"))
    counts = provider.decode(raw, batch)
    sums = counts.group_by(["point", "repetition"]).aggregate([("count", "sum")]).to_pylist()
    assert {row["count_sum"] for row in sums} == {batch.shots}
    [missing] = {*range(5)} - {row["repetition"] for row in sums}
    assert provider.details(raw)["failed_circuits"] == [f"circuit {missing}: The ions have left. (device)"]
    [booked] = [job for job in book(emulator) if job["name"] == "one-of-five"]
    assert booked["charged_usd"] == pytest.approx(0.30 + 4 * batch.shots * 0.00145)


def test_a_set_of_which_every_circuit_failed_has_failed(tmp_path, emulator, with_fault):
    subject = under_test(tmp_path, sets=True)
    provider = subject.connect()
    with_fault(fault="executables_failed", route="POST /quantum-task", nth=1, params={"n": 9, "message": "No ions."})
    end = await_end(subject, provider, provider.submit(subject.batch(), "none-of-two"))
    assert (end.state, end.message) == (JobState.FAILED, "No ions.")
    [booked] = [job for job in book(emulator) if job["name"] == "none-of-two"]
    assert booked["charged_usd"] == 0.0


def test_a_set_with_too_few_shots_goes_as_single_tasks(tmp_path, emulator):
    provider = under_test(tmp_path, IONQ, sets=True).connect()
    batch = under_test(tmp_path, IONQ, sets=True).batch(shots=40)
    limits = provider.capabilities(IONQ)
    assert (batch.repetitions, limits.min_executions_per_job) == (2, 100)
    assert len(split(batch, limits)) == 2
    assert provider.estimate(batch).high_usd == pytest.approx(2 * (0.30 + 40 * 0.08))
    assert len(split(replace(batch, shots=50), limits)) == 1
