"""What the adapter says about IonQ's backends without asking: the simulator, and the machines."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from qhybrid_pipelines.core.jobs.backend_declaration import Declaration
from qhybrid_pipelines.core.jobs.job_states import JobState

MACHINES = Declaration(
    backends="ionq:qpu.*",
    vendor="IonQ",
    plane="gate",
    price_model="per gate and shot, with a minimum per job",
    price_source="the service's own estimate at that moment; without one nothing is submitted",
    dedupe="tag_lookup",
    states=(
        JobState.SUBMITTED,
        JobState.QUEUED,
        JobState.RUNNING,
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.CANCELLED,
    ),
    times=("submitted", "started", "completed"),
    queue_figures=("queue_seconds",),
    queue="first come, first served; the average wait is published per backend",
    limits="what the backend states, else what the vendor publishes: 5,000 circuits and 150,000 gates per job",
    calibration="dated characterizations with an id",
    credential="API key in a header, read for each request",
    transport="HTTPS, plain HTTP to this machine only",
    region="IONQ_REGION, as the operator knows it from the contract; the interface does not say",
    sdks="REST interface v0.4, qiskit-ionq, Cirq, PennyLane, Amazon Braket, Azure Quantum",
    observability="status, timestamps of submission, start and end, cost, dated characterizations",
    integration="an account and its API key",
    evidence="conformance suite against the emulated cloud, in both published forms; never against the live service",
    evidence_on=date(2026, 11, 29),
)

SIMULATOR_DECLARATION = replace(
    MACHINES,
    backends="ionq:simulator",
    price_model="free",
    calibration="none: it is ideal",
    limits="what the backend states, else 1,000,000 shots; at most 100 circuits per job",
)
