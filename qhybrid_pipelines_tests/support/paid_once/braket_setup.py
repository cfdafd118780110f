"""Braket's face of the emulator as what is fought over: every job is one task, told apart by its number of shots."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.jobs.sub_batches import make_sub_batch
from qhybrid_pipelines.emulator.braket.devices import DEVICES
from qhybrid_pipelines.emulator.braket.task_cloud import ACCOUNT
from qhybrid_pipelines.emulator.process import Emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.braket import BraketProvider
from qhybrid_pipelines_tests.support.paid_once.provider_setups import (
    DECLARED_LAG_SECONDS,
    EMULATOR_LAG_SECONDS,
    EXPERIMENT,
    KNOWN_EXPERIMENT,
    KNOWN_SHOTS,
    Accepted,
    EmulatorSetup,
    make_requests,
    run_face,
    submission_faults,
)

DEVICE = "iqm.Garnet"
BRAKET_FAULTS: list[dict[str, Any]] = [
    *submission_faults("POST /quantum-task"),
    {"route": "POST /quantum-tasks", "probability": 0.03, "fault": "reset"},
    {"route": "GET /quantum-task/{id}", "probability": 0.03, "fault": "html_200"},
    {"route": "GET /s3/{object}", "probability": 0.05, "fault": "truncated_json"},
    {"route": "GET /s3/{object}", "probability": 0.03, "fault": "reset"},
    {"route": "GET /device/{backend}", "probability": 0.01, "fault": "before_accept", "params": {"status": 503}},
    {"route": "POST /quantum-task", "fault": "result_missing", "probability": 0.1, "params": {"n": 1}},
    {"fault": "listing_lag", "params": {"seconds": EMULATOR_LAG_SECONDS}},
]


class BraketSetup(EmulatorSetup):
    """A setup around Braket's face, reached over HTTP through the adapter of `braket`."""

    dedupe = "token"

    def __init__(self, home: Path, emulator: Emulator, rng: random.Random, *, length: int) -> None:
        self.home, self._emulator = home, emulator
        whole, _ = canary_batch("single", width=4, qubit=1, backend=f"braket:{DEVICE}")
        batch = make_sub_batch(whole, first_point=0, points=1, first_repetition=0, repetitions=1).batch
        self.requests = make_requests(rng, length, replace(batch, experiment=EXPERIMENT))
        self.known_batch = replace(batch, experiment=KNOWN_EXPERIMENT, shots=KNOWN_SHOTS)

    def provider(self) -> BraketProvider:
        return BraketProvider(self.home / "braket")

    def book(self) -> list[Accepted]:
        head = f"arn:aws:braket:{DEVICES[DEVICE].region}:{ACCOUNT}:quantum-task/"
        return [replace(line, provider_job_id=head + line.provider_job_id) for line in super().book()]


def run_braket(folder: Path, seed: int) -> AbstractContextManager[Emulator]:
    """Run an emulator with the fault plan of Braket's face, and lead this process and its children to it."""
    lag = {"BRAKET_LISTING_LAG_SECONDS": str(DECLARED_LAG_SECONDS)}
    return run_face(folder, seed, lambda emulator: emulator.braket_environment | lag, faults=BRAKET_FAULTS)
