"""D-Wave's adapter passes the contract suite on the emulated annealer, whose listing lags, and reads odd answers as they are meant."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace

import httpx
import numpy as np
import pytest

from qhybrid_pipelines.core.errors import Ambiguous, CorruptResult, InvalidInput, ProviderError, Rejected, Throttled
from qhybrid_pipelines.core.jobs.circuit_jobs import CancelOutcome
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.execution.conformance import CHECKS, ProviderUnderTest, fetch_when_completed
from qhybrid_pipelines.execution.dwave.client import SapiClient
from qhybrid_pipelines.execution.providers.dwave import DWaveProvider
from qhybrid_pipelines_tests.support.sapi_client import SMALL

LAG_SECONDS = 0.1
BACKEND = f"dwave:{SMALL}"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulator")
    faults = folder / "faults.json"
    faults.write_text(json.dumps([{"fault": "listing_lag", "params": {"seconds": LAG_SECONDS}}]))
    running = start_emulator(folder / "cloud", speed=4000.0, seed=7, faults=faults)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def settings(request, monkeypatch):
    if "emulator" not in request.fixturenames:
        return
    emulator = request.getfixturevalue("emulator")
    monkeypatch.setenv("DWAVE_API_ENDPOINT", emulator.sapi_url)
    monkeypatch.setenv("DWAVE_API_TOKEN", emulator.key)
    monkeypatch.setenv("DWAVE_USD_PER_SECOND", "0.55")
    monkeypatch.setenv("DWAVE_LISTING_LAG_SECONDS", str(LAG_SECONDS))
    monkeypatch.setenv("DWAVE_ACCEPTANCE_SECONDS", "0")


class Speaking(SapiClient):
    """Hears another word for every status."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word

    def get(self, kind, *path, **options):
        content, parsed = super().get(kind, *path, **options)
        for entry in parsed if isinstance(parsed, list) else [parsed]:
            if isinstance(entry, dict) and "submitted_on" in entry:
                entry["status"] = self._word
        return content, parsed


def answers(change: Callable[[dict, dict], object]) -> Callable[[bytes], bytes]:
    """A forgery: what was asked, and the answer, are changed."""

    def mutate(content: bytes) -> bytes:
        texts = json.loads(content)
        info, answer = json.loads(texts["info"]), json.loads(texts["answer"])
        change(info, answer["answer"])
        return json.dumps({"info": json.dumps(info), "answer": json.dumps(answer)}).encode()

    return mutate


def packed(name: str, change: Callable[[np.ndarray], np.ndarray], kind: str = "<i4") -> Callable[[bytes], bytes]:
    def mutate(_, answer: dict) -> None:
        values = np.frombuffer(base64.b64decode(answer[name]), dtype=kind)
        answer[name] = base64.b64encode(change(values.copy()).astype(kind).tobytes()).decode()

    return answers(mutate)


MUTATIONS = {
    "a read too many": packed("num_occurrences", lambda counts: counts + np.eye(1, len(counts), dtype=np.int32)[0]),
    "a row that never came": packed("num_occurrences", lambda counts: counts * 0),
    "other qubits": packed("active_variables", lambda qubits: qubits + 1),
    "a qubit too few": packed("active_variables", lambda qubits: qubits[:-1]),
    "rows cut off": packed("solutions", lambda rows: rows[:-1], "u1"),
    "a row too many": packed("solutions", lambda rows: np.concatenate([rows, rows[:2]]), "u1"),
    "no base64": answers(lambda _, answer: answer.update(solutions="?")),
    "another format": answers(lambda _, answer: answer.update(format="bq")),
    "another problem": answers(lambda info, _: info.update(id="another")),
    "another label": answers(lambda info, _: info["metadata"].update(label="token//0123456789abcdef")),
    "no label": answers(lambda info, _: info["metadata"].update(label=None)),
    "other reads": answers(lambda info, _: info["params"].update(num_reads=63)),
    "a problem that failed": answers(lambda info, _: info["metadata"].update(status="FAILED")),
    "another type": answers(lambda info, _: info["metadata"].update(type="qubo")),
    "no JSON": lambda _: b"<html>",
}


def under_test(folder) -> ProviderUnderTest:
    return ProviderUnderTest(
        connect=lambda: DWaveProvider(folder / "dwave"),
        backend=BACKEND,
        plane="annealing",
        shapes=("single",),
        wait_between_polls=lambda: time.sleep(0.01),
        wait_until_listed=lambda: time.sleep(1.5 * LAG_SECONDS),
        with_status_word=lambda word: DWaveProvider(folder / "speaking", Speaking(word)),
        is_noiseless=False,
        mutations=MUTATIONS,
        limits={"max_qubits": 1202, "max_shots": 10_000},
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_dwave(check, tmp_path, emulator):
    check(under_test(tmp_path))


def test_what_a_problem_costs_is_what_was_quoted_and_what_the_book_says(tmp_path, emulator):
    subject = under_test(tmp_path)
    provider, batch = subject.connect(), subject.batch()
    quote = provider.estimate(batch)
    ref = provider.submit(batch, "token-money")
    fetch_when_completed(subject, provider, ref)
    [seen] = provider.poll([ref])
    [booked] = [
        job for job in httpx.get(f"{emulator.admin_url}/jobs").json()["jobs"] if job["id"] == ref.provider_job_id
    ]
    assert seen.cost_usd == pytest.approx(quote.high_usd, rel=1e-6)
    assert seen.cost_usd == pytest.approx(booked["charged_usd"], rel=1e-6)


def test_without_a_price_nothing_is_quoted(tmp_path, emulator, monkeypatch):
    subject = under_test(tmp_path)
    batch = subject.batch()
    monkeypatch.delenv("DWAVE_USD_PER_SECOND")
    with pytest.raises(InvalidInput, match="D-Wave publishes no price"):
        subject.connect().estimate(batch)


def test_a_run_that_takes_too_long_is_refused_before_it_has_a_price(tmp_path, emulator):
    subject = under_test(tmp_path)
    batch = replace(subject.batch(), shots=10_000, annealing_times=np.array([200.0]))
    with pytest.raises(InvalidInput, match="may take 1 s"):
        subject.connect().estimate(batch)


def test_a_changed_qubit_graph_is_noticed_before_anything_is_sent(tmp_path, emulator):
    subject = under_test(tmp_path)
    provider, batch = subject.connect(), subject.batch()
    backends = f"{emulator.admin_url}/backends/{SMALL}"
    before = len(httpx.get(f"{emulator.admin_url}/jobs").json()["jobs"])
    assert httpx.put(backends, json={"graph_version": 1}).status_code == 200
    try:
        with pytest.raises(Rejected, match="the embedding is for the qubit graph") as refused:
            provider.submit(batch, "token-graph")
        assert not refused.value.request_sent
        anew = provider.embed(batch.model, BACKEND, seed=7)
        assert anew.graph_id != batch.embedding.graph_id
    finally:
        httpx.put(backends, json={"graph_version": 0})
    assert len(httpx.get(f"{emulator.admin_url}/jobs").json()["jobs"]) == before


def test_another_qubit_graph_is_another_calibration_without_a_date(tmp_path, emulator):
    provider = under_test(tmp_path).connect()
    before = provider.calibration(BACKEND)
    assert (before.calibration_id, before.measured_at) == (provider.capabilities(BACKEND).graph_id, None)
    assert before.payload["qubits"] == 1202
    httpx.put(f"{emulator.admin_url}/backends/{SMALL}", json={"graph_version": 1})
    try:
        after = under_test(tmp_path).connect().calibration(BACKEND)
    finally:
        httpx.put(f"{emulator.admin_url}/backends/{SMALL}", json={"graph_version": 0})
    assert after.calibration_id != before.calibration_id
    assert provider.calibration("dwave:Advantage_system999") is None
    assert provider.calibration("dwave:hybrid_binary_quadratic_model_version2") is None


def test_one_unknown_problem_among_many_hides_no_other(tmp_path, emulator):
    subject = under_test(tmp_path)
    provider = subject.connect()
    known = [provider.submit(subject.batch(), f"token-many-{number}") for number in range(3)]
    stranger = replace(known[0], provider_job_id="no-such-problem")
    seen = provider.poll([known[0], stranger, *known[1:]])
    assert [one.ref for one in seen] == [known[0], stranger, *known[1:]]
    assert seen[1].state is JobState.FAILED
    with pytest.raises(ProviderError, match="another account"):
        provider.poll([stranger])


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        ([{"error_code": 400, "error_msg": "lin"}], 200, Rejected),
        ([{"error_code": 429, "error_msg": "busy"}], 200, Throttled),
        ([{"error_code": 500, "error_msg": "oh"}], 200, Ambiguous),
        ([{"status": "PENDING"}], 200, Ambiguous),
        ([], 200, Ambiguous),
        ([{"id": "a"}, {"id": "b"}], 200, Ambiguous),
        ({"error_code": 403, "error_msg": "token"}, 403, Throttled),
        ({"error_code": 400, "error_msg": "body"}, 400, Rejected),
    ],
)
def test_a_list_is_refused_entry_by_entry_within_a_good_answer(answer, status, error, monkeypatch):
    from qhybrid_pipelines.execution.http import authorised_client
    from qhybrid_pipelines.execution.http.transport import HttpResponse

    monkeypatch.setenv("DWAVE_API_TOKEN", "k")
    body = json.dumps(answer).encode()
    monkeypatch.setattr(authorised_client, "send", lambda *_, **__: HttpResponse(status=status, headers={}, body=body))
    with pytest.raises(error):
        SapiClient().submit_request(b"[]")


@pytest.mark.long
def test_cancelling_what_runs_either_is_in_time_or_completes(tmp_path, emulator_slow):
    subject = under_test(tmp_path)
    provider = subject.connect()
    outcomes = set()
    for number in range(8):
        batch = subject.batch(shots=5_000)
        ref = provider.submit(batch, f"token-202-{number}")
        emulator_slow.advance_until_running(provider, ref)
        outcome = provider.cancel(ref)
        outcomes.add(outcome)
        emulator_slow.advance(60)
        [end] = provider.poll([ref])
        assert (outcome is CancelOutcome.CANCELLED) == (end.state is JobState.CANCELLED)
        if end.state is JobState.COMPLETED:
            assert outcome is CancelOutcome.REQUESTED
            assert end.cost_usd == pytest.approx(provider.estimate(batch).high_usd)
        else:
            assert end.cost_usd == 0.0
    assert outcomes == {CancelOutcome.CANCELLED, CancelOutcome.REQUESTED}


def test_an_answer_that_is_not_kept_any_longer_is_refused_and_not_waited_for(tmp_path, emulator_slow):
    subject = under_test(tmp_path)
    provider = subject.connect()
    ref = provider.submit(subject.batch(), "token-410")
    emulator_slow.advance(60)
    provider.fetch(ref)
    emulator_slow.advance(31 * 86_400)
    with pytest.raises(Rejected, match="not keep this any longer"):
        provider.fetch(ref)


class SlowCloud:
    """An emulator whose clock only an administrator moves."""

    def __init__(self, running) -> None:
        self.running = running

    def advance(self, seconds: float) -> None:
        assert httpx.put(f"{self.running.admin_url}/clock", json={"advance_seconds": seconds}).status_code == 200

    def advance_until_running(self, provider, ref) -> None:
        for _ in range(2000):
            if provider.poll([ref])[0].state is JobState.RUNNING:
                return
            self.advance(0.15)
        raise AssertionError("the problem never ran")


@pytest.fixture
def emulator_slow(tmp_path, monkeypatch):
    running = start_emulator(tmp_path / "slow", speed=0.001, seed=7)
    for name, value in (("ENDPOINT", running.sapi_url), ("TOKEN", running.key)):
        monkeypatch.setenv(f"DWAVE_API_{name}", value)
    monkeypatch.setenv("DWAVE_USD_PER_SECOND", "0.55")
    yield SlowCloud(running)
    running.stop()


def test_a_result_of_a_broken_chain_is_told_apart(tmp_path, emulator):
    subject = under_test(tmp_path)
    provider, batch = subject.connect(), subject.batch()
    raw = fetch_when_completed(subject, provider, provider.submit(batch, "token-chains"))
    broken = provider.chain_breaks(raw, batch)
    assert broken.shape == (batch.width,)
    assert ((broken >= 0) & (broken <= 1)).all()
    with pytest.raises(CorruptResult):
        provider.chain_breaks(raw, replace(batch, shots=batch.shots + 1))
