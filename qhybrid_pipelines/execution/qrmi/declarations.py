"""What the adapter says about devices behind QRMI without asking."""

from __future__ import annotations

from datetime import date

from qhybrid_pipelines.core.jobs.backend_declaration import Declaration
from qhybrid_pipelines.core.jobs.job_states import JobState

DEVICES = Declaration(
    backends="qrmi:*",
    vendor="IBM",
    plane="gate",
    price_model="per second of use",
    price_source="QISKIT_IBM_USD_PER_SECOND, else an assumed price that is named as such; what a job was billed, QRMI does not tell",
    dedupe="none",
    states=(JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED),
    times=(),
    queue_figures=("queued_jobs",),
    queue="shared by all users of the service; its length is told",
    limits="the device's configuration, asked for every five minutes at most",
    calibration="the device's properties, with a date for every figure",
    credential="as QRMI is configured, for example by a cluster's plug-in: API key and service instance",
    transport="by the library QRMI, in processes of their own; HTTPS, plain HTTP to this machine only",
    region="the region in the instance's CRN",
    sdks="QRMI; `ibm:*` for the same devices with a key of one's own, where tokens can be looked up",
    observability="status only: no times, no seconds of use, no reason of a failure",
    integration=(
        "the extra `qrmi`, QHYBRID_QRMI_BACKENDS and QRMI's own variables; after every unclear answer to a submission "
        "a person looks at the vendor's page, and prod refuses it"
    ),
    evidence="conformance suite and every fault of a submission against the emulated cloud, by QRMI 0.26; never against a centre or the live service",
    evidence_on=date(2026, 11, 30),
)
