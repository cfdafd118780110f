"""IBM's face of the emulator as what is fought over: every job is one circuit with its values, told apart by its number of shots."""

from __future__ import annotations

import json
import random
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from qhybrid_pipelines.emulator.process import Emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.compile_cache import LEVEL, SEED
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines_tests.support.paid_once.provider_setups import (
    DECLARED_LAG_SECONDS,
    EMULATOR_LAG_SECONDS,
    EXPERIMENT,
    KNOWN_EXPERIMENT,
    KNOWN_SHOTS,
    EmulatorSetup,
    make_requests,
    run_face,
    submission_faults,
)

BACKEND = "ibm:ibm_manila"
IBM_FAULTS: list[dict[str, Any]] = [
    *submission_faults("POST /ibm/jobs"),
    {"route": "GET /ibm/jobs", "probability": 0.03, "fault": "reset"},
    {"route": "GET /ibm/jobs", "probability": 0.03, "fault": "html_200"},
    {"route": "GET /ibm/jobs/{id}", "probability": 0.03, "fault": "html_200"},
    {"route": "GET /ibm/jobs/{id}/results", "probability": 0.05, "fault": "truncated_json"},
    {"route": "GET /ibm/jobs/{id}/results", "probability": 0.03, "fault": "reset"},
    {"route": "GET /ibm/jobs/{id}/metrics", "probability": 0.03, "fault": "before_accept", "params": {"status": 503}},
    {"route": "POST /ibm/token", "probability": 0.02, "fault": "before_accept", "params": {"status": 503}},
    {"route": "POST /ibm/jobs", "fault": "result_missing", "probability": 0.1, "params": {"n": 1}},
    {"fault": "listing_lag", "params": {"seconds": EMULATOR_LAG_SECONDS}},
]


class IbmSetup(EmulatorSetup):
    """A setup around IBM's face, reached over HTTP through the adapter of `ibm`."""

    def __init__(self, home: Path, emulator: Emulator, rng: random.Random, *, length: int) -> None:
        self.home, self._emulator = home, emulator
        batch, _ = canary_batch("batch", width=4, qubit=1, backend=BACKEND)
        first = IbmProvider(home / "ibm")
        first.prepare(batch.template, BACKEND, level=LEVEL, seed=SEED)
        # Remembered for minutes by a process, and long to read: without it most kills would meet a process that reads.
        self._described = first.service._devices
        self.requests = make_requests(rng, length, replace(batch, experiment=EXPERIMENT))
        self.known_batch = replace(batch, experiment=KNOWN_EXPERIMENT, shots=KNOWN_SHOTS)
        # From here on; before, the device was described and the circuit compiled.
        httpx.put(f"{emulator.admin_url}/faults", content=json.dumps(IBM_FAULTS)).raise_for_status()

    def provider(self) -> IbmProvider:
        provider = IbmProvider(self.home / "ibm")
        provider.service._devices = self._described
        return provider


def run_ibm(folder: Path, seed: int) -> AbstractContextManager[Emulator]:
    """Run an emulator, and lead this process and its children to its face of IBM; its device has one calibration."""
    own = {"QISKIT_IBM_LISTING_LAG_SECONDS": str(DECLARED_LAG_SECONDS), "QISKIT_IBM_USD_PER_SECOND": "0.01"}
    return run_face(folder, seed, lambda emulator: emulator.ibm_environment | own, drift_hours=1e6)
