"""IBM's face of the emulator, reached through QRMI, as what is fought over: nobody but a person can tell what became of an unclear answer."""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import httpx

from qhybrid_pipelines.emulator.process import IBM_INSTANCE, Emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.compile_cache import LEVEL, SEED
from qhybrid_pipelines.execution.providers.qrmi import QrmiProvider
from qhybrid_pipelines_tests.support.paid_once.ibm_setup import IBM_FAULTS
from qhybrid_pipelines_tests.support.paid_once.provider_setups import (
    EXPERIMENT,
    KNOWN_EXPERIMENT,
    KNOWN_SHOTS,
    EmulatorSetup,
    make_requests,
    run_face,
)

NAME = "ibm_manila"
BACKEND = f"qrmi:{NAME}"


class QrmiSetup(EmulatorSetup):
    """A setup around IBM's face, reached by the library QRMI through the adapter of `qrmi`."""

    dedupe = "none"

    def __init__(self, home: Path, emulator: Emulator, rng: random.Random, *, length: int) -> None:
        self.home, self._emulator = home, emulator
        batch, _ = canary_batch("batch", width=4, qubit=1, backend=BACKEND)
        first = QrmiProvider(home / "qrmi")
        first.prepare(batch.template, BACKEND, level=LEVEL, seed=SEED)
        self._described = first._devices  # remembered for minutes by a process, and long to read
        self.requests = make_requests(rng, length, replace(batch, experiment=EXPERIMENT))
        self.known_batch = replace(batch, experiment=KNOWN_EXPERIMENT, shots=KNOWN_SHOTS)
        httpx.put(f"{emulator.admin_url}/faults", content=json.dumps(IBM_FAULTS)).raise_for_status()

    def provider(self) -> QrmiProvider:
        provider = QrmiProvider(self.home / "qrmi")
        provider._devices = self._described
        return provider

    def count_unresolved_resubmissions(self) -> int:
        """Count submissions that followed another one of the same job, by what the service was sent; each is a guess here."""
        sent = httpx.get(f"{self._emulator.admin_url}/bodies", timeout=30).json()["bodies"]
        shots = Counter(
            json.loads(one["body"])["params"]["pubs"][0][2] for one in sent if one["route"] == "POST /ibm/jobs"
        )
        return sum(count - 1 for number, count in shots.items() if number != KNOWN_SHOTS)


def run_qrmi(folder: Path, seed: int) -> AbstractContextManager[Emulator]:
    """Run an emulator, and lead QRMI in the children of this process to its face of IBM; its device has one calibration."""

    def settings(emulator: Emulator) -> dict[str, str]:
        own = {
            "ENDPOINT": emulator.ibm_environment["QISKIT_IBM_URL"],
            "IAM_ENDPOINT": emulator.ibm_environment["QISKIT_IBM_IAM_URL"],
            "IAM_APIKEY": emulator.key,
            "SERVICE_CRN": IBM_INSTANCE,
        }
        configured = {f"{NAME}_QRMI_IBM_QCS_{name}": value for name, value in own.items()}
        return configured | {"QHYBRID_QRMI_BACKENDS": NAME, "QISKIT_IBM_USD_PER_SECOND": "0.01"}

    return run_face(folder, seed, settings, drift_hours=1e6)
