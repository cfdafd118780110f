"""The rows of the ledger and of backends of the tiny lake by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT
from qhybrid_pipelines_tests.support.sample_experiments import (
    NOON,
    POINTS,
    REPETITIONS,
    SHOTS,
    Row,
    Rows,
    Sample,
    job_of,
)


def ledger_rows(sample: Sample, backend: str) -> Iterator[tuple[str, Row]]:
    job_id = job_of(sample, backend)
    head = {"job_id": job_id, "experiment": sample.key, "backend": backend}
    yield (
        "jobs",
        {
            **head,
            "requested_backend": backend,
            "provider": backend.split(":", maxsplit=1)[0],
            "provider_job_id": f"vendor-{job_id}",
            "token": f"token-{job_id}",
            "state": "VERIFIED",
            "attempt": 1,
            "tier": sample.spec.tier,
            "priority": 0,
            "principal": "ada",
            "approved_by": None,
            "environment": "dev",
            "data_class": "internal",
            "correlation_id": f"c{job_id}",
            "engine": "aer-exact",
            "payload_sha256": sha256_hex(job_id),
            "circuits": POINTS * REPETITIONS,
            "shots": POINTS * REPETITIONS * SHOTS,
            "result_sha256": sha256_hex(f"result of {job_id}"),
            "created_at": NOON,
            "updated_at": NOON + timedelta(seconds=5),
            "deadline_at": NOON + timedelta(days=1),
            "rerouted_to": None,
            "error": None,
        },
    )
    for sequence, (event, before, after) in enumerate(
        (
            ("JobPlanned", None, "PLANNED"),
            ("JobSubmitted", "SUBMITTING", "SUBMITTED"),
            ("JobCompleted", "RUNNING", "COMPLETED"),
            ("JobFetched", "COMPLETED", "FETCHED"),
        ),
        start=1,
    ):
        at = NOON + timedelta(seconds=sequence)
        yield (
            "job_events",
            {
                "job_id": job_id,
                "sequence": sequence,
                "event": event,
                "from_state": before,
                "to_state": after,
                "occurred_at": at,
                "observed_at": at,
                "clock": "observed",
                "raw_status": None,
                "detail": None,
            },
        )
    yield (
        "latency",
        {
            "job_id": job_id,
            "network_seconds": 0.5,
            "orchestration_seconds": 0.25,
            "compile_seconds": 0.75,
            "queue_seconds": 2.0,
            "execute_seconds": 1.0,
            "fetch_seconds": 0.5,
            "application_seconds": 2.0,
            "provider_seconds": 3.0,
        },
    )
    yield (
        "costs",
        {
            **head,
            "quoted_usd": 0.5,
            "reported_usd": 0.4,
            "reconciled_usd": None,
            "budget_usd": 1.0,
            "price_source": "the sample's price list",
        },
    )


def canary_rows(ledger: Rows) -> Iterator[tuple[str, Row]]:
    """A canary that waited and cost more than any job of an experiment."""
    job, latency = {**ledger["jobs"][0]}, {**ledger["latency"][0]}
    costs = {"quoted_usd": 0.5, "reconciled_usd": None, "price_source": "the sample's price list"}
    own = {"job_id": "jcanary", "experiment": CANARY_EXPERIMENT, "reported_usd": 7.0, "queue_seconds": 900.0}
    own |= {"provider_job_id": "vendor-jcanary", "payload_sha256": sha256_hex("jcanary")}
    yield "canary_jobs", {**job, **latency, **costs, **own}
    yield "job_events", {**ledger["job_events"][0], "job_id": "jcanary"}


def capabilities() -> Iterator[Row]:
    for backend in ("ibm:fake_sherbrooke", "local:auto"):
        device = not backend.startswith("local:")
        yield {
            "backend": backend,
            "provider": backend.split(":")[0],
            "reachable": True,
            "problem": None,
            "mode": "local-testing" if device else "simulator",
            "simulator": True,
            "noisy": device,
            "immediate": True,
            "max_qubits": 20,
            "min_shots": 1,
            "max_shots": 1_000_000,
            "max_circuits_per_job": 10_000,
            "max_gates_per_job": 150_000,
            "max_executions_per_job": None,
            "min_executions_per_job": 1,
            "estimations": ["none", "two_body"],
            "suppression": [],
            "native_gates": ["rx", "rzz"],
            "parametric": True,
            "dedupe": "token",
            "listing_lag_seconds": 0.0,
            "states": ["COMPLETED", "SUBMITTED"],
            "engines": ["aer-exact"],
            "sdks": "NumPy",
            "queue": "none",
            "observability": "timestamps",
            "security": "none",
            "integration": "none",
            "vendor": "IBM" if device else "this package",
            "plane": "gate",
            "price_model": "free",
            "price_source": "nothing is billed",
            "times": ["submitted", "completed"],
            "queue_figures": [],
            "limits": "memory",
            "calibration": "a snapshot" if device else "none: it is ideal",
            "calibrated_at": NOON - timedelta(hours=2) if device else None,
            "credential": "none",
            "transport": "none",
            "region": "this-machine",
            "region_source": "this machine",
            "data_classes": ["public", "internal", "confidential"],
            "evidence": "conformance suite",
            "evidence_on": "2026-11-29",
            "online": True,
            "queued_jobs": 0,
            "queue_seconds": 0.0,
        }


def calibrations() -> Iterator[Row]:
    """Two of one device; the newer one, in force at noon, is a quarter worse at reading."""
    for number, (hours, readout) in enumerate(((26, 0.02), (2, 0.025))):
        yield {
            "backend": "ibm:fake_sherbrooke",
            "calibration_id": f"calibration-{number}",
            "measured_at": NOON - timedelta(hours=hours),
            "fetched_at": NOON,
            "qubits": 127,
            "t1_us": 250.0,
            "t2_us": 180.0,
            "one_qubit_error": 0.0002,
            "two_qubit_error": 0.008,
            "readout_error": readout,
            "payload": "{}",
        }
