"""Tables that the ledger exports when the warehouse is built."""

from __future__ import annotations

from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.storage.schemas.descriptions import (
    BACKEND,
    EXPERIMENT,
    F64,
    I32,
    I64,
    JOB_ID,
    TEXT,
    TIER,
    TIME,
    Table,
    column,
)

JOBS = Table(
    name="jobs",
    meaning="Every job of an experiment as the ledger knows it now, paid or free: its state and attempts; what it costs is in `costs`. A job that "
    "was retried or rerouted is here beside its successor; `qpu_submissions` says which job each sub-batch was "
    "first submitted as. Canaries are in `canary_jobs`",
    key=("job_id",),
    order=("experiment", "backend", "job_id"),
    columns=(
        JOB_ID,
        EXPERIMENT,
        column("backend", TEXT, "Backend that it runs on, as provider:backend"),
        column("requested_backend", TEXT, "Backend that was asked for; another one where the work was rerouted"),
        column("provider", TEXT, "Provider"),
        column("provider_job_id", TEXT, "The provider's id", nullable=True, measured=True),
        column("token", TEXT, "Idempotency key of the last attempt"),
        column("state", TEXT, "State in our life cycle", words=tuple(JobState)),
        column("attempt", I32, "Attempts to submit, from 1"),
        TIER,
        column("priority", I32, "0 is normal, higher goes first"),
        column("principal", TEXT, "Who asked for it", measured=True),
        column("approved_by", TEXT, "The person who agreed, where one had to", nullable=True, measured=True),
        column("environment", TEXT, "dev, test or prod", measured=True),
        column("data_class", TEXT, "How sensitive the data behind the circuits is, in the policy's words"),
        column("correlation_id", TEXT, "What all jobs and log lines of one execution share"),
        column("engine", TEXT, "Engine or device that ran it", nullable=True),
        column("payload_sha256", TEXT, "Hash of all that decides the result"),
        column("circuits", I64, "Bound circuits: points x repetitions"),
        column("shots", I64, "Shots over all points and repetitions", "shots"),
        column("result_sha256", TEXT, "SHA-256 of the raw result as received", nullable=True, measured=True),
        column("created_at", TIME, "When the intent was written", measured=True),
        column("updated_at", TIME, "Last change", measured=True),
        column("deadline_at", TIME, "When its result is no longer waited for", nullable=True, measured=True),
        column("rerouted_to", TEXT, "Job that took its work over on another backend", nullable=True),
        column("error", TEXT, "What went wrong, when something did", nullable=True),
    ),
)

JOB_EVENTS = Table(
    name="job_events",
    meaning="The life of every job in `jobs` and `canary_jobs`, one row per event; append-only and hash-chained in the ledger",
    key=("job_id", "sequence"),
    columns=(
        JOB_ID,
        column("sequence", I64, "Order of the events of one job, from 1", minimum=1),
        column(
            "event", TEXT, "JobPlanned, JobSubmitted, JobQueued, JobStarted, JobCompleted, JobFetched, JobFailed, ..."
        ),
        column("from_state", TEXT, "State before", nullable=True),
        column("to_state", TEXT, "State after"),
        column(
            "occurred_at", TIME, "The provider's timestamp where there is one, otherwise when we saw it", measured=True
        ),
        column("observed_at", TIME, "When we saw it", measured=True),
        column("clock", TEXT, "Whose clock `occurred_at` is", words=("vendor", "observed")),
        column("raw_status", TEXT, "The provider's own word", nullable=True),
        column("detail", TEXT, "Further facts as JSON", nullable=True, measured=True),
    ),
)

LATENCY = Table(
    name="latency",
    meaning="Where the time of each job in `jobs` went: the five components, from event timestamps",
    key=("job_id",),
    columns=(
        JOB_ID,
        column(
            "network_seconds",
            F64,
            "Client to orchestrator: request seen until the intent was written, without compilation",
            "s",
            nullable=True,
            measured=True,
        ),
        column(
            "orchestration_seconds",
            F64,
            "Intent written until handed to the provider, without compilation",
            "s",
            nullable=True,
            measured=True,
        ),
        column(
            "compile_seconds",
            F64,
            "Compilation, before the hand-over or within the run",
            "s",
            nullable=True,
            measured=True,
        ),
        column("queue_seconds", F64, "Provider's queue", "s", nullable=True, measured=True),
        column("execute_seconds", F64, "On the device or simulator", "s", nullable=True, measured=True),
        column("fetch_seconds", F64, "Completion until the result was stored", "s", nullable=True, measured=True),
        column(
            "application_seconds",
            F64,
            "Our share: network, orchestration, compilation, fetch",
            "s",
            nullable=True,
            measured=True,
        ),
        column("provider_seconds", F64, "The provider's share: queue and execution", "s", nullable=True, measured=True),
    ),
)

COSTS = Table(
    name="costs",
    meaning="What each job in `jobs` was quoted, reported and reconciled at",
    key=("job_id",),
    columns=(
        JOB_ID,
        EXPERIMENT,
        BACKEND,
        column("quoted_usd", F64, "Highest quoted cost, before submission", "USD", minimum=0),
        column("reported_usd", F64, "Cost that the provider reported", "USD", nullable=True),
        column("reconciled_usd", F64, "Cost after reconciliation", "USD", nullable=True),
        column("budget_usd", F64, "What the experiment may spend", "USD"),
        column("price_source", TEXT, "Where the quote comes from"),
    ),
)

CANARY_JOBS = Table(
    name="canary_jobs",
    meaning="Every job that proves the bit order of a backend, with its cost and latency; these are in no other table but "
    "`job_events`",
    key=("job_id",),
    order=("backend", "job_id"),
    columns=(
        *JOBS.columns,
        *(c for c in COSTS.columns if c.name in {"quoted_usd", "reported_usd", "reconciled_usd", "price_source"}),
        *LATENCY.columns[1:],
    ),
)

#: Tables that the ledger exports when the warehouse is built.
LEDGER_TABLES: tuple[Table, ...] = (JOBS, JOB_EVENTS, LATENCY, COSTS, CANARY_JOBS)
