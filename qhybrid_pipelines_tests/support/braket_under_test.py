"""Braket's adapter on emulated devices as the contract suite takes it, with answers that are forged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import contextmanager

import httpx

from qhybrid_pipelines.emulator.process import Emulator
from qhybrid_pipelines.execution.braket.client import BraketClient
from qhybrid_pipelines.execution.braket.devices import Devices
from qhybrid_pipelines.execution.conformance import ProviderUnderTest
from qhybrid_pipelines.execution.providers.braket import BraketProvider

LAG_SECONDS = 0.1
IONQ, IQM, RIGETTI, AQT = "braket:ionq.Forte-1", "braket:iqm.Garnet", "braket:rigetti.Ankaa-3", "braket:aqt.Ibex-Q1"


class Speaking(BraketClient):
    """Hears another word for every status."""

    word = ""

    def task(self, arn, **options):
        content, found = super().task(arn, **options)
        return content, found | {"status": self.word}


class SpeakingDevices(Devices):
    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def client(self, region):
        client = Speaking(region)
        client.word = self.word
        return client


class OfVendor(BraketProvider):
    """Has tokens of its own for each device, which share a region."""

    def submit(self, batch, token):
        return super().submit(batch, f"{token}-{batch.backend.partition('.')[2]}")


def answers(change: Callable[[dict, dict], object]) -> Callable[[bytes], bytes]:
    """A forgery: what is said of the task, and its result, are changed."""

    def mutate(content: bytes) -> bytes:
        texts = json.loads(content)
        task, result = json.loads(texts["task"]), json.loads(texts["result"])
        change(task, result)
        return json.dumps({"task": json.dumps(task), "result": json.dumps(result)}).encode()

    return mutate


MUTATIONS = {
    "another task": answers(lambda task, _: task.update(quantumTaskArn="arn:another")),
    "a task that failed": answers(lambda task, _: task.update(status="FAILED")),
    "another circuit": answers(lambda task, _: task["tags"].update(qhybrid_circuit="0" * 32)),
    "no tags": answers(lambda task, _: task.pop("tags")),
    "the result of another task": answers(lambda _, result: result["taskMetadata"].update(id="arn:another")),
    "another device": answers(lambda _, result: result["taskMetadata"].update(deviceId="arn:another")),
    "other shots": answers(lambda _, result: result["taskMetadata"].update(shots=63)),
    "another kind": answers(lambda _, result: result["braketSchemaHeader"].update(name="braket.another")),
    "a qubit too few": answers(lambda _, result: result["measuredQubits"].pop()),
    "a qubit twice": answers(lambda _, result: result["measuredQubits"].__setitem__(0, 1)),
    "no JSON": lambda _: b"<html>",
}
OF_MEASUREMENTS = {
    "a shot too few": answers(lambda _, result: result["measurements"].pop()),
    "rows of unequal length": answers(lambda _, result: result["measurements"][0].pop()),
    "a row of text": answers(lambda _, result: result["measurements"].__setitem__(0, "0" * 12)),
    "a two": answers(lambda _, result: result["measurements"][0].__setitem__(0, 2)),
    "no outcomes": answers(lambda _, result: result.pop("measurements")),
}


def _first_frequency(change: Callable[[float], object]) -> Callable[[bytes], bytes]:
    def alter(_, result: dict) -> None:
        frequencies = result["measurementProbabilities"]
        key = next(iter(frequencies))
        frequencies[key] = change(frequencies[key])

    return answers(alter)


OF_FREQUENCIES = {
    "a frequency of no shots": _first_frequency(lambda share: share + 0.3 / 64),
    "a shot too many": _first_frequency(lambda share: share + 1 / 64),
    "a negative frequency": _first_frequency(lambda _: -0.5),
    "a text": _first_frequency(lambda _: "much"),
    "a short outcome": answers(lambda _, result: result["measurementProbabilities"].update({"01": 0.0})),
    "no outcomes": answers(lambda _, result: result.pop("measurementProbabilities")),
}


def of_first(change: Callable[[dict], object]) -> Callable[[bytes], bytes]:
    """A forgery: the outcomes of the first circuit of a program set are changed."""
    return answers(lambda _, result: change(result["programResults"][0]["executableResults"][0]))


def of_set(change: Callable[[dict], object]) -> Callable[[bytes], bytes]:
    """A forgery: what the result of a program set says of its task is changed."""
    return answers(lambda _, result: change(result["taskMetadata"]))


OF_SETS = {
    "another task": MUTATIONS["another task"],
    "a task of which nothing ran": answers(lambda task, _: task.update(status="FAILED", numSuccessfulShots=0)),
    "a task that was cancelled": answers(lambda task, _: task.update(status="CANCELLED")),
    "another circuit": MUTATIONS["another circuit"],
    "no tags": MUTATIONS["no tags"],
    "another kind": MUTATIONS["another kind"],
    "no JSON": MUTATIONS["no JSON"],
    "the result of another task": of_set(lambda metadata: metadata.update(id="arn:another")),
    "another device": of_set(lambda metadata: metadata.update(deviceId="arn:another")),
    "other shots": of_set(lambda metadata: metadata.update(requestedShots=63)),
    "no metadata": answers(lambda _, result: result.pop("taskMetadata")),
    "an object that is not there": answers(lambda _, result: result["programResults"].__setitem__(0, "programs/0")),
    "a program too few": answers(lambda _, result: result["programResults"].pop()),
    "a program too many": answers(lambda _, result: result["programResults"].append(result["programResults"][0])),
    "other inputs": of_first(lambda outcomes: outcomes.update(inputsIndex=1)),
    "inputs of text": of_first(lambda outcomes: outcomes.update(inputsIndex="0")),
    "a qubit too few": of_first(lambda outcomes: outcomes["measuredQubits"].pop()),
    "a qubit twice": of_first(lambda outcomes: outcomes["measuredQubits"].__setitem__(0, 1)),
    "a shot too few": of_first(lambda outcomes: outcomes["measurements"].pop()),
    "a two": of_first(lambda outcomes: outcomes["measurements"][0].__setitem__(0, 2)),
    "no outcomes": of_first(lambda outcomes: outcomes.pop("measurements")),
}


def under_test(folder, backend: str = IQM, *, sets: bool = False) -> ProviderUnderTest:
    """Return a device; with ``sets`` its jobs are program sets, otherwise tasks of one circuit."""
    own = OF_FREQUENCIES if backend == IONQ else OF_MEASUREMENTS
    limits = {IONQ: (36, 10_000), IQM: (20, 10_000), RIGETTI: (82, 10_000), AQT: (12, 2_000)}[backend]
    circuits = 1 if backend == AQT else 100
    return ProviderUnderTest(
        connect=lambda: BraketProvider(folder / "braket"),
        backend=backend,
        one_circuit_per_job=not sets,
        wait_between_polls=lambda: time.sleep(0.01),
        wait_until_listed=lambda: time.sleep(1.5 * LAG_SECONDS),
        with_status_word=lambda word: BraketProvider(folder / "speaking", SpeakingDevices(word)),
        is_noiseless=False,
        mutations=OF_SETS if sets else {**MUTATIONS, **own},
        limits=dict(zip(("max_qubits", "max_shots"), limits, strict=True)) | {"max_circuits_per_job": circuits},
    )


def book(emulator: Emulator) -> list[dict]:
    """Return what the cloud accepted."""
    return httpx.get(f"{emulator.admin_url}/jobs").json()["jobs"]


@contextmanager
def fate_of_tasks(emulator: Emulator):
    """Yield what gives the next tasks a fate of their own; the plan in force comes back afterwards."""
    rules = httpx.get(f"{emulator.admin_url}/faults").json()["rules"]
    kept = [{k: v for k, v in one.items() if k not in ("seen", "fired") and v is not None} for one in rules]

    def put(**rule: object) -> None:
        httpx.put(f"{emulator.admin_url}/faults", json=[*kept, rule]).raise_for_status()

    yield put
    httpx.put(f"{emulator.admin_url}/faults", json=kept).raise_for_status()
