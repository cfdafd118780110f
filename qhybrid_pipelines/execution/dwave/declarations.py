"""What the adapter says about D-Wave's annealers without asking."""

from __future__ import annotations

from datetime import date

from qhybrid_pipelines.core.backend_declaration import Declaration
from qhybrid_pipelines.core.job_states import JobState

ANNEALERS = Declaration(
    backends="dwave:*",
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
    calibration="none that is dated: another set of working qubits and couplers has another graph_id",
    credential="API token in a header, read for each request",
    transport="HTTPS, plain HTTP to this machine only",
    region="the region in the address of DWAVE_API_ENDPOINT",
    sdks="Solver API 3, dwave-ocean-sdk",
    observability="status, times of submission and end, QPU access time; chains that broke",
    integration="an account and its API token, DWAVE_API_ENDPOINT and DWAVE_USD_PER_SECOND",
    evidence="conformance suite against the emulated cloud, on which the vendor's own client runs; never against the live service",
    evidence_on=date(2026, 11, 29),
)
