"""What the adapter says about D-Wave's annealers and hybrid solvers without asking."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from qhybrid_pipelines.core.jobs.backend_declaration import Declaration
from qhybrid_pipelines.core.jobs.job_states import JobState

ANNEALERS = Declaration(
    backends="dwave:Advantage*",
    vendor="D-Wave",
    plane="annealing",
    price_model="per second of QPU access time (programming and sampling)",
    price_source="the published timing model x DWAVE_USD_PER_SECOND; D-Wave publishes no price, and without one nothing is submitted",
    dedupe="tag_lookup",
    states=(
        JobState.QUEUED,
        JobState.RUNNING,
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.CANCELLED,
    ),
    times=("submitted", "completed"),
    queue_figures=(),
    queue="shared by all users; its average load is told, not its length",
    limits="the solver's properties: qubits, couplers and their ranges, reads, annealing times, longest run",
    calibration="without a date: another set of working qubits and couplers has another graph_id, which is kept as the calibration's id",
    credential="API token in a header, read for each request",
    transport="HTTPS, plain HTTP to this machine only",
    region="the region in the address of DWAVE_API_ENDPOINT",
    sdks="Solver API 3, dwave-ocean-sdk",
    observability="status, times of submission and end, QPU access time; chains that broke",
    integration="an account and its API token, DWAVE_API_ENDPOINT and DWAVE_USD_PER_SECOND",
    evidence="conformance suite against the emulated cloud, on which the vendor's own client runs; never against the live service",
    evidence_on=date(2026, 11, 29),
)

HYBRID_SOLVERS = replace(
    ANNEALERS,
    backends="dwave:hybrid_*",
    plane="hybrid",
    price_model="per second of the hybrid solver's time, which is the time limit that is asked for",
    price_source="the time limit x DWAVE_HYBRID_USD_PER_SECOND; D-Wave publishes no price, and without one nothing is submitted",
    limits="the solver's properties: variables, shortest time limit by their number, longest time limit",
    calibration="none: the solver is classical except for a part that D-Wave does not disclose",
    observability="status, times of submission and end, time charged, QPU access time as the answer tells it",
    integration="an account and its API token, DWAVE_API_ENDPOINT and DWAVE_HYBRID_USD_PER_SECOND",
    evidence="conformance suite against the emulated cloud, which answers by simulated annealing and on which the vendor's own client runs; never against the live service",
    evidence_on=date(2026, 11, 30),
)
