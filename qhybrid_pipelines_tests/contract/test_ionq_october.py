"""The adapter against the interface that IonQ published in October 2026, and against prices in credits.

The emulated cloud's book and arithmetic of our own are the judges; that the emulator's answers have October's form is shown by
the vendor's own client, see `test_vendor_clients`.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput, Refused, Rejected
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import split
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.circuit_checks import check_batch
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines_tests.support.emulator_client import Client


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    running = start_emulator(tmp_path_factory.mktemp("cloud"), speed=4000.0, seed=7, interface="2026-10")
    yield running
    running.stop()


@pytest.fixture
def provider(emulator, tmp_path, monkeypatch):
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    return IonQProvider(tmp_path / "ionq")


def batch(backend: str, *, shots: int = 200, repetitions: int = 1):
    return canary_batch("batch", width=4, qubit=1, backend=f"ionq:{backend}", shots=shots, repetitions=repetitions)[0]


def run_to_end(provider, job_batch, token: str):
    ref = provider.submit(job_batch, token)
    for _ in range(500):
        if provider.poll([ref])[0].state is JobState.COMPLETED:
            break
        time.sleep(0.02)
    return ref, provider.fetch(ref), provider.poll([ref])[0]


def test_backends_are_those_that_the_service_lists(provider, emulator, tmp_path):
    assert provider.backends() == ("ionq:simulator", "ionq:qpu.aria-1", "ionq:qpu.forte-1")  # before anybody asked
    assert provider.capabilities("ionq:qpu.forte-enterprise-1").max_qubits == 36
    listed = ("ionq:simulator", "ionq:qpu.forte-1", "ionq:qpu.forte-enterprise-1")
    assert provider.backends() == listed
    again = IonQProvider(tmp_path / "ionq")
    assert again.backends() == listed, "another process remembers it"
    assert again.requests == 0
    with pytest.raises(
        Rejected, match=r"no backend qpu\.aria-1; it has ionq:simulator, ionq:qpu.forte-1, ionq:qpu.forte-enterprise-1"
    ):
        provider.capabilities("ionq:qpu.aria-1")


def test_a_machine_of_which_no_line_of_code_knows_runs_a_job_and_charges_its_price(provider, emulator):
    job_batch = batch("qpu.forte-enterprise-1")
    estimate = provider.estimate(job_batch)
    ones = job_batch.points * 4  # four turns in each circuit
    assert estimate.high_usd == pytest.approx(max(25.7899, 200 * ones * 0.0001645))
    ref, raw, seen = run_to_end(provider, job_batch, "token-enterprise")
    assert provider.decode(raw, job_batch).num_rows > 0
    own = Client(emulator)
    [charged] = [job["charged_usd"] for job in own.book() if job["id"] == ref.provider_job_id]
    own.close()
    assert seen.cost_usd == charged


def test_the_ideal_simulator_states_no_shots_and_exact_probabilities_are_drawn(provider):
    """A fair coin in exact numbers is 100 of 200 shots; what is drawn is 100 plus or minus 7."""
    job_batch, _ = canary_batch("batch", width=4, qubit=1, backend="ionq:simulator", shots=200, repetitions=8)
    job_batch = replace(job_batch, bindings=np.where(job_batch.bindings > 0, np.pi / 2, 0.0))
    _, raw, seen = run_to_end(provider, job_batch, "token-ideal")
    assert b'\\"shots\\"' not in raw.content
    counts = provider.decode(raw, job_batch)
    assert counts.equals(provider.decode(raw, job_batch))
    ones = [row["count"] for row in counts.to_pylist() if row["bits"]]
    assert len(ones) == job_batch.points * 8
    assert len(set(ones)) > 1, "exact probabilities were taken for counts"
    assert abs(sum(ones) - 100 * len(ones)) < 5 * np.sqrt(50 * len(ones))
    assert seen.cost_usd is None  # what is free has no unit; the quote of nothing stands


def test_results_are_fetched_as_artifacts_and_by_the_older_path_where_there_are_none(provider, emulator):
    run_to_end(provider, batch("qpu.forte-1"), "token-artifact")
    own = Client(emulator)
    asked = own.admin("GET", "/requests")["requests"]
    own.close()
    assert asked["GET /jobs/{id}/artifacts/{id}"] >= 1


def test_a_batch_is_split_by_the_gates_of_its_circuits(provider):
    """150,000 gates: of circuits with four gates 5,000 fit into one job, of circuits with 1,000 gates 150 do."""
    capabilities = provider.capabilities("ionq:qpu.forte-1")
    small = batch("qpu.forte-1", repetitions=2000)
    assert [part.batch.seeds.size for part in split(small, capabilities, 4)] == [4000, 2000]
    parts = split(batch("qpu.forte-1", repetitions=100), capabilities, 1000)
    assert max(part.batch.seeds.size for part in parts) == 100
    assert sum(part.batch.seeds.size for part in parts) == 300
    compiled = provider.prepare(small.template, "ionq:qpu.forte-1", level=3, seed=7)
    assert compiled.gates == 4
    limited = replace(capabilities, max_gates_per_job=11)
    with pytest.raises(Rejected, match=r"3 circuits of 4 gates; ionq:qpu\.forte-1 takes 11 gates in one job"):
        check_batch(batch("qpu.forte-1"), limited, gates_per_circuit=4)
    with pytest.raises(Refused, match="12 gates in a circuit"):
        split(batch("qpu.forte-1"), limited, 12)


def test_more_than_the_service_takes_is_refused_by_the_service_too(provider, emulator):
    """The emulated service counts by itself: 5,001 circuits, and 150,001 gates."""
    own = Client(emulator)
    circuit = [{"gate": "x", "target": 0}]
    many = {"gateset": "qis", "qubits": 1, "circuits": [{"circuit": circuit}] * 5001}
    body = {"type": "ionq.multi-circuit.v1", "backend": "qpu.forte-1", "shots": 1, "input": many}
    assert "5001 circuits" in own.post(body).text
    many["circuits"] = [{"circuit": circuit * 1001}] * 150
    assert "150150 gates" in own.post(body).text
    own.close()


def test_credits_are_answered_with_what_to_do_and_converted_once_somebody_says_how(tmp_path, monkeypatch):
    for form in ("2026-04", "2026-10"):
        emulator = start_emulator(tmp_path / form, speed=4000.0, seed=7, interface=form, billing_unit="credit")
        try:
            for name, value in emulator.environment.items():
                monkeypatch.setenv(name, value)
            monkeypatch.delenv("IONQ_USD_PER_CREDIT", raising=False)
            provider = IonQProvider(tmp_path / f"ionq-{form}")
            job_batch = batch("qpu.forte-1")
            with pytest.raises(InvalidInput, match=r"in credits.*IONQ_USD_PER_CREDIT"):
                provider.estimate(job_batch)
            monkeypatch.setenv("IONQ_USD_PER_CREDIT", "a lot")
            with pytest.raises(InvalidInput, match="'a lot'"):
                provider.estimate(job_batch)
            monkeypatch.setenv("IONQ_USD_PER_CREDIT", "0.5")
            estimate = provider.estimate(job_batch)
            assert estimate.high_usd == pytest.approx(25.7899 / 2)
            assert "0.5 USD per credit" in estimate.assumptions
            _, _, seen = run_to_end(provider, job_batch, "token-credit")
            assert seen.cost_usd == pytest.approx(25.7899 / 2)
        finally:
            emulator.stop()
