"""What the adapter says about Amazon Braket's gate devices without asking."""

from __future__ import annotations

from datetime import date

from qhybrid_pipelines.core.jobs.backend_declaration import Declaration
from qhybrid_pipelines.core.jobs.job_states import JobState

DEVICES = Declaration(
    backends="braket:*",
    vendor="Amazon Braket (AQT, IonQ, IQM, Rigetti)",
    plane="gate",
    price_model="per task and per shot; a program set of many circuits is one task",
    price_source="per shot as the device states it, per task as published or as BRAKET_USD_PER_TASK says",
    dedupe="token",
    states=(
        JobState.SUBMITTED,
        JobState.QUEUED,
        JobState.RUNNING,
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.CANCELLED,
    ),
    times=("submitted", "completed"),
    queue_figures=("queued_jobs",),
    queue="shared by all users; the service states a task's position, and a device that pauses says why",
    limits="the device's capabilities: qubits, shots, gates, circuits and shots of a program set, times at which it runs tasks",
    calibration="what the device publishes about its qubits and gates, with its date",
    credential="AWS credentials sign each request and are never sent",
    transport="HTTPS, plain HTTP to this machine only",
    region="the region in the device's ARN",
    sdks="amazon-braket-sdk, boto3, PennyLane, qiskit-braket-provider",
    observability="status, position in the queue, times of submission and end, reason of a failure, of each circuit too; no cost",
    integration="an AWS account with Braket enabled, AMZN_BRAKET_OUT_S3_BUCKET, the extra `braket`",
    evidence="conformance suite against the emulated cloud, on which Amazon's own client runs; never against the live service",
    evidence_on=date(2026, 11, 30),
)
