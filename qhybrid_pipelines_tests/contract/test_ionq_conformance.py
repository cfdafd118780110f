"""IonQ's adapter passes the contract suite on every backend of the emulator, whose listing lags, in both published forms."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx
import pytest

from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.execution.conformance import CHECKS, ProviderUnderTest
from qhybrid_pipelines.execution.http.credentials import CredentialSource
from qhybrid_pipelines.execution.ionq.client import IonQClient
from qhybrid_pipelines.execution.providers.ionq import IonQProvider

LAG_SECONDS = 0.1
STRANGER = CredentialSource(variable="IONQ_STRANGER_KEY", file_variable="IONQ_STRANGER_KEY_FILE")


#: What the interface of October 2026 publishes about a job; April's form of the emulator states its own limits.
PUBLISHED = {"max_circuits_per_job": 5_000, "max_gates_per_job": 150_000, "max_shots": 10_000}


@pytest.fixture(scope="module")
def emulators(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulator")
    faults = folder / "faults.json"
    faults.write_text(json.dumps([{"fault": "listing_lag", "params": {"seconds": LAG_SECONDS}}]))
    running = {
        form: start_emulator(folder / form, speed=4000.0, seed=7, faults=faults, interface=form)
        for form in ("2026-04", "2026-10")
    }
    yield running
    for emulator in running.values():
        emulator.stop()


class Speaking(IonQClient):
    """Hears another word for every status."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word

    def get(self, *path, **options):
        content, parsed = super().get(*path, **options)
        if not isinstance(parsed, dict):
            return content, parsed
        for job in parsed.get("jobs", [parsed]):
            if "status" in job:
                job["status"] = self._word
        return content, parsed


def answers(change: Callable[[dict, list, dict], None]) -> Callable[[bytes], bytes]:
    """A forgery: the job, the entries of its circuits and their probabilities are changed."""

    def mutate(content: bytes) -> bytes:
        texts = json.loads(content)
        job, results = json.loads(texts["job"]), json.loads(texts["results"])
        pages = [json.loads(text) for text in texts["children"]]
        change(job, [child for page in pages for child in page["jobs"]], results)
        texts |= {
            "job": json.dumps(job),
            "children": [json.dumps(page) for page in pages],
            "results": json.dumps(results),
        }
        return json.dumps(texts).encode()

    return mutate


def first_result(change: Callable[[dict], None]) -> Callable[[bytes], bytes]:
    return answers(lambda job, children, results: change(results[job["child_job_ids"][0]]))


def scaled(factor: float) -> Callable[[dict], None]:
    def change(outcomes: dict) -> None:
        top = max(outcomes, key=outcomes.get)
        outcomes[top] *= factor

    return change


def swapped_names(job, children, results) -> None:
    children[0]["name"], children[1]["name"] = children[1]["name"], children[0]["name"]


IONQ_MUTATIONS = {
    "one count short": first_result(
        lambda outcomes: outcomes.update({max(outcomes): outcomes[max(outcomes)] - 1 / 64})
    ),
    "one count too many": first_result(lambda outcomes: outcomes.update({"77": outcomes.get("77", 0.0) + 1 / 64})),
    "half of the probability": first_result(scaled(0.5)),
    "NaN": first_result(scaled(float("nan"))),
    "infinity": first_result(scaled(float("inf"))),
    "a negative probability": first_result(lambda outcomes: outcomes.update({"77": -1 / 64, "78": 1 / 64})),
    "an outcome wider than the circuit": first_result(lambda outcomes: outcomes.update({str(1 << 40): 1 / 64})),
    "an outcome that is not a number": first_result(lambda outcomes: outcomes.update({"0b1": 0.0})),
    "an outcome in two spellings": first_result(lambda outcomes: outcomes.update({"0077": 0.0, "77": 0.0})),
    "no outcome": first_result(dict.clear),
    "a missing circuit": answers(lambda job, children, results: results.pop(job["child_job_ids"][0])),
    "a circuit too many": answers(lambda job, children, results: results.update({"another": {"0": 1.0}})),
    "circuits in another order": answers(lambda job, children, results: job["child_job_ids"].reverse()),
    "names of circuits swapped": answers(swapped_names),
    "another job": answers(lambda job, children, results: job.update(id="another")),
    "circuits of another job": answers(lambda job, children, results: children[0].update(parent_job_id="another")),
    "another backend": answers(lambda job, children, results: job.update(backend="qpu.harmony")),
    "other shots": answers(lambda job, children, results: job.update(shots=63)),
    "other shots of a circuit": answers(lambda job, children, results: children[1].update(shots=63)),
    "a wider register": answers(lambda job, children, results: job["stats"].update(qubits=13)),
    "a narrower circuit": answers(lambda job, children, results: children[0]["stats"].update(qubits=11)),
    "a job that failed": answers(lambda job, children, results: job.update(status="failed")),
    "results cut off": lambda content: json.dumps(
        {**json.loads(content), "results": json.loads(content)["results"][:-9]}
    ).encode(),
    "no JSON": lambda _: b"<html>",
}


@pytest.mark.parametrize(
    ("backend", "form"),
    [
        ("simulator", "2026-04"),
        ("qpu.aria-1", "2026-04"),
        ("qpu.forte-1", "2026-04"),
        ("simulator", "2026-10"),
        ("qpu.forte-1", "2026-10"),
    ],
)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_ionq(check, backend, form, emulators, *, tmp_path, monkeypatch):
    emulator = emulators[form]
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(STRANGER.variable, "a-key-of-nobody")
    monkeypatch.setenv("IONQ_LISTING_LAG_SECONDS", str(LAG_SECONDS))
    stated = httpx.get(f"{emulator.url}/backends/{backend}", timeout=5).json()
    if form == "2026-04":
        limits = {name: stated["limits"][name] for name in ("min_shots", "max_shots", "max_circuits_per_job")}
    else:
        limits = PUBLISHED if backend != "simulator" else {}
    check(
        ProviderUnderTest(
            connect=lambda: IonQProvider(tmp_path / "ionq"),
            backend=f"ionq:{backend}",
            wait_between_polls=lambda: time.sleep(0.01),
            wait_until_listed=lambda: time.sleep(1.5 * LAG_SECONDS),
            with_status_word=lambda word: IonQProvider(tmp_path / "ionq", Speaking(word)),
            with_wrong_key=lambda: IonQProvider(tmp_path / "ionq", IonQClient(credentials=STRANGER)),
            mutations=IONQ_MUTATIONS,
            is_noiseless=backend == "simulator",
            limits={**limits, "max_qubits": stated["qubits"]},
        )
    )
