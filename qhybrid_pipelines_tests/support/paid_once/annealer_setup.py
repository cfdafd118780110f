"""The annealing face of the emulator as what is fought over: every job is one problem, told apart by its number of reads, or its time limit."""

from __future__ import annotations

import json
import random
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import Unavailable
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.jobs.sub_batches import make_sub_batch
from qhybrid_pipelines.emulator.process import Emulator
from qhybrid_pipelines.emulator.sapi.hybrid import HYBRID_SECOND_USD
from qhybrid_pipelines.execution.canary_anneals import canary_anneal, canary_hybrid, canary_model
from qhybrid_pipelines.execution.conformance.provider_under_test import HYBRID_SECONDS
from qhybrid_pipelines.execution.providers.dwave import DWaveProvider
from qhybrid_pipelines_tests.support.paid_once.provider_setups import (
    DECLARED_LAG_SECONDS,
    EMULATOR_LAG_SECONDS,
    EXPERIMENT,
    KNOWN_EXPERIMENT,
    KNOWN_SHOTS,
    Accepted,
    EmulatorSetup,
    make_requests,
    numbered,
    run_face,
    submission_faults,
)
from qhybrid_pipelines_tests.support.sapi_client import SMALL

BACKEND = f"dwave:{SMALL}"
MOST_DESCRIPTIONS = 20
SAPI_FAULTS: list[dict[str, Any]] = [
    *submission_faults("POST /problems"),
    {"route": "GET /problems", "probability": 0.03, "fault": "reset"},
    {"route": "GET /problems/{id}/answer", "probability": 0.05, "fault": "truncated_json"},
    {"route": "GET /problems/{id}/info", "probability": 0.05, "fault": "html_200"},
    {"route": "GET /solvers/{backend}", "probability": 0.01, "fault": "before_accept", "params": {"status": 503}},
    {"route": "POST /problems", "fault": "result_missing", "probability": 0.1, "params": {"n": 1}},
    {"fault": "listing_lag", "params": {"seconds": EMULATOR_LAG_SECONDS}},
]
HYBRID_BACKEND = "dwave:hybrid_binary_quadratic_model_version2"
HYBRID_FAULTS: list[dict[str, Any]] = [
    {"route": "POST /bqm/multipart", "probability": 0.03, "fault": "reset"},
    {
        "route": "PUT /bqm/multipart/{id}/part/{id}",
        "probability": 0.03,
        "fault": "before_accept",
        "params": {"drop": True},
    },
    {
        "route": "POST /bqm/multipart/{id}/combine",
        "probability": 0.03,
        "fault": "after_accept",
        "params": {"status": 504},
    },
    *SAPI_FAULTS,
]


class AnnealerSetup(EmulatorSetup):
    """A setup around the annealing face, reached over HTTP through the adapter of `dwave`."""

    def __init__(self, home: Path, emulator: Emulator, rng: random.Random, *, length: int) -> None:
        self.home, self._emulator = home, emulator
        model = canary_model(width=4, variable=1)
        embedding = self._embed(model)
        whole = canary_anneal(model, embedding, backend=BACKEND, shots=100, repetitions=1)
        batch = make_sub_batch(whole, first_point=0, points=1, first_repetition=0, repetitions=1).batch
        self.requests = make_requests(rng, length, replace(batch, experiment=EXPERIMENT))
        self.known_batch = replace(batch, experiment=KNOWN_EXPERIMENT, shots=KNOWN_SHOTS)

    def _embed(self, model: IsingModel) -> Embedding:
        """Embed a model, also where a machine with much other work takes long to describe the qubits."""
        for _ in range(MOST_DESCRIPTIONS):
            with suppress(Unavailable):
                return self.provider().embed(model, BACKEND, seed=7)
        return self.provider().embed(model, BACKEND, seed=7)

    def provider(self) -> DWaveProvider:
        return DWaveProvider(self.home / "dwave")


class HybridSetup(EmulatorSetup):
    """A setup around the hybrid solver of the annealing face; its book tells problems apart by what they were charged."""

    def __init__(self, home: Path, emulator: Emulator, rng: random.Random, *, length: int) -> None:
        self.home, self._emulator = home, emulator
        model = canary_model(width=4, variable=1)
        batch = canary_hybrid(model, backend=HYBRID_BACKEND, time_limit=HYBRID_SECONDS, repetitions=1)
        self.requests = make_requests(rng, length, replace(batch, experiment=EXPERIMENT))
        self.known_batch = replace(numbered(batch, KNOWN_SHOTS), experiment=KNOWN_EXPERIMENT)

    def provider(self) -> DWaveProvider:
        return DWaveProvider(self.home / "dwave")

    def book(self) -> list[Accepted]:
        jobs = httpx.get(f"{self._emulator.admin_url}/jobs", timeout=30).json()["jobs"]
        return [
            Accepted(
                provider_job_id=job["id"],
                number=round((job["estimated_usd"] / HYBRID_SECOND_USD - HYBRID_SECONDS) * 100),
            )
            for job in jobs
        ]


def run_annealer(folder: Path, seed: int) -> AbstractContextManager[Emulator]:
    """Run an emulator, and lead this process and its children to its annealing face."""
    return run_face(
        folder,
        seed,
        lambda emulator: {
            "DWAVE_API_ENDPOINT": emulator.sapi_url,
            "DWAVE_API_TOKEN": emulator.key,
            "DWAVE_USD_PER_SECOND": "0.55",
            "DWAVE_HYBRID_USD_PER_SECOND": str(HYBRID_SECOND_USD),
            "DWAVE_LISTING_LAG_SECONDS": str(DECLARED_LAG_SECONDS),
            "DWAVE_ACCEPTANCE_SECONDS": "0",
        },
    )


def plan_faults(emulator: Emulator, faults: list[dict[str, Any]]) -> None:
    """Let the faults begin; before, the models are embedded."""
    httpx.put(f"{emulator.admin_url}/faults", content=json.dumps(faults)).raise_for_status()
