"""Tables about backends, without partitions."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.storage.schemas.descriptions import BACKEND, BOOL, F64, I32, I64, TEXT, TIME, Table, column

BACKEND_CAPABILITIES = Table(
    name="backend_capabilities",
    meaning="What each backend can do, declared by its adapter and read from its provider: the matrix to choose backends by",
    key=("backend",),
    columns=(
        BACKEND,
        column("provider", TEXT, "Provider"),
        column("vendor", TEXT, "Whose backend it is", nullable=True),
        column("plane", TEXT, "Which kind of work it takes", nullable=True),
        column("reachable", BOOL, "The provider answered; if not, most of this row is null", measured=True),
        column("problem", TEXT, "Why it could not be reached", nullable=True, measured=True),
        column(
            "mode",
            TEXT,
            "What is behind the name",
            nullable=True,
            words=("hardware", "simulator", "local-testing", "emulator"),
        ),
        column("simulator", BOOL, "A simulator, not a device", nullable=True),
        column("noisy", BOOL, "Results carry noise", nullable=True),
        column(
            "immediate", BOOL, "A job is done when it is acknowledged; otherwise it is collected later", nullable=True
        ),
        column("max_qubits", I32, "Widest circuit", "qubits", nullable=True),
        column("min_shots", I64, "Fewest shots per point and repetition", "shots", nullable=True),
        column("max_shots", I64, "Most shots per point and repetition", "shots", nullable=True),
        column("max_circuits_per_job", I32, "Most bound circuits in one job", nullable=True),
        column("max_gates_per_job", I64, "Most gates of all circuits of one job together, if limited", nullable=True),
        column(
            "max_executions_per_job", I64, "Most circuits x shots in one job; null without such a limit", nullable=True
        ),
        column("min_executions_per_job", I64, "Fewest circuits x shots in a job of several circuits", nullable=True),
        column("estimations", pa.list_(TEXT), "What `mitigation.estimation` may ask of it", nullable=True),
        column("suppression", pa.list_(TEXT), "Switches of `mitigation.suppression` that it has", nullable=True),
        column("native_gates", pa.list_(TEXT), "Gates that need no decomposition", nullable=True),
        column("parametric", BOOL, "Takes a template and bindings; otherwise every circuit in full", nullable=True),
        column(
            "dedupe",
            TEXT,
            "How a repeated submission is recognised",
            nullable=True,
            words=("token", "tag_lookup", "none"),
        ),
        column(
            "listing_lag_seconds", F64, "How late an accepted job may appear in the provider's list", "s", nullable=True
        ),
        column("states", pa.list_(TEXT), "States of our life cycle that it reports", nullable=True),
        column("engines", pa.list_(TEXT), "Engines behind it, in order of preference", nullable=True),
        column("sdks", TEXT, "Ways to reach it", nullable=True),
        column("queue", TEXT, "How its queue behaves", nullable=True),
        column("queue_figures", pa.list_(TEXT), "Which of the figures about its queue it tells", nullable=True),
        column("observability", TEXT, "What it tells about a job's life", nullable=True),
        column("times", pa.list_(TEXT), "Timestamps of a job's life that it reports", nullable=True),
        column("price_model", TEXT, "What it bills", nullable=True),
        column("price_source", TEXT, "Where a quote comes from", nullable=True),
        column("limits", TEXT, "Where its limits come from", nullable=True),
        column("calibration", TEXT, "What is known about the quality of the device", nullable=True),
        column("calibrated_at", TIME, "Date of its newest calibration in the ledger", nullable=True, measured=True),
        column("security", TEXT, "How callers are authenticated, and how requests travel", nullable=True),
        column("credential", TEXT, "What a caller needs to be let in", nullable=True),
        column("transport", TEXT, "How requests travel", nullable=True),
        column("region", TEXT, "Where jobs are processed, if it is known", nullable=True, measured=True),
        column("region_source", TEXT, "How that place is known", nullable=True),
        column(
            "data_classes",
            pa.list_(TEXT),
            "Classes of data that the policy lets go there, for whoever published this table",
            nullable=True,
            measured=True,
        ),
        column("integration", TEXT, "What it takes to use it", nullable=True),
        column("evidence", TEXT, "What the adapter was run against, and what not", nullable=True),
        column("evidence_on", TEXT, "Day on which that was done last", nullable=True),
        column("online", BOOL, "It took jobs when it was asked", nullable=True, measured=True),
        column("queued_jobs", I64, "Jobs that waited then, where it says so", nullable=True, measured=True),
        column("queue_seconds", F64, "How long a new job would have waited then", "s", nullable=True, measured=True),
    ),
)

BACKEND_CALIBRATIONS = Table(
    name="backend_calibrations",
    meaning="Every calibration that was seen, one row each: how good a device was, and when",
    key=("backend", "calibration_id"),
    order=("backend", "measured_at", "calibration_id"),
    columns=(
        BACKEND,
        column("calibration_id", TEXT, "The provider's id of it, or one made of its content"),
        column(
            "measured_at",
            TIME,
            "When the device was measured; null where its provider does not say",
            nullable=True,
            measured=True,
        ),
        column("fetched_at", TIME, "When we first saw it", measured=True),
        column("qubits", I32, "Qubits of the device that it describes", "qubits", nullable=True),
        column("t1_us", F64, "Median relaxation time T1", "us", nullable=True, measured=True),
        column("t2_us", F64, "Median dephasing time T2", "us", nullable=True, measured=True),
        column("one_qubit_error", F64, "Median error of one-qubit gates", nullable=True, measured=True),
        column("two_qubit_error", F64, "Median error of two-qubit gates", nullable=True, measured=True),
        column("readout_error", F64, "Median error of preparing and reading a qubit", nullable=True, measured=True),
        column("payload", TEXT, "All that the provider says about it, as JSON", measured=True),
    ),
)
