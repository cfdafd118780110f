"""What the adapter says about IBM's backends without asking: fake devices, and devices of the service."""

from __future__ import annotations

from datetime import date

from qhybrid_pipelines.core.jobs.backend_declaration import Declaration
from qhybrid_pipelines.core.jobs.job_states import JobState

FAKE_DEVICES = Declaration(
    backends="ibm:fake_*",
    vendor="IBM",
    plane="gate",
    price_model="free",
    price_source="nothing is billed: it runs on this machine",
    dedupe="token",
    states=(JobState.COMPLETED, JobState.FAILED),
    times=("submitted", "started", "completed"),
    queue_figures=(),
    queue="none: it runs in the caller's process, and its timestamps are this machine's",
    limits="the device's configuration; at most 16 qubits are simulated, 20 after placement",
    calibration="the snapshot that the vendor's client brings along, with the vendor's date; it never changes",
    credential="none needed",
    transport="nothing leaves this machine",
    region="this machine",
    sdks="trajectories of this package; Qiskit Aer for what measures in between",
    observability="calibration with a date for every figure; circuit depth and gates; times of this machine only",
    integration="none: the vendor's client brings the devices along",
    evidence="conformance suite; simulated devices, of which no result has been compared with the real one",
    evidence_on=date(2026, 11, 29),
)

SERVICE = Declaration(
    backends="ibm:*",
    vendor="IBM",
    plane="gate",
    price_model="per second of use",
    price_source="QISKIT_IBM_USD_PER_SECOND, else an assumed price that is named as such",
    dedupe="tag_lookup",
    states=(JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED),
    times=("submitted", "started", "completed"),
    queue_figures=("queued_jobs",),
    queue="shared by all users, fair share per instance; its length is published",
    limits="the device's configuration, asked for every five minutes at most",
    calibration="the device's properties, with a date for every figure",
    credential="API key exchanged for an access token of an hour; bound to a service instance",
    transport="HTTPS, plain HTTP to this machine only",
    region="the region in the instance's CRN",
    sdks="REST, qiskit-ibm-runtime",
    observability="vendor's times of creation, start and end; seconds of use; calibration with dates",
    integration="QISKIT_IBM_TOKEN, QISKIT_IBM_INSTANCE and QISKIT_IBM_BACKENDS",
    evidence="conformance suite against the emulated cloud, on which IBM's own client and QRMI run; never against the live service",
    evidence_on=date(2026, 11, 30),
)
