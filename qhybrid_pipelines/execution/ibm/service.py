"""IBM's real devices through the runtime REST interface, with the vendor's codecs for circuits and devices.

One job is one PUB: a compiled circuit, an array of bindings of shape (points, repetitions), and the shots. What leaves is
that, the batch's hash as the circuit's metadata, and three tags: the token, the program's name, and the home's id.

Written from the published interface and tested against the emulated cloud, on which the vendor's own client runs. No request of
it has gone to the live service yet: the form of its answers, the lag of its list and the billing are as published.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.errors import ProviderError, Rejected, Throttled, Unavailable, UnknownProviderStatus
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.compile_cache import LEVEL, SEED, CompileCache
from qhybrid_pipelines.execution.engines.engine import check_well_formed
from qhybrid_pipelines.execution.http.authorised_client import Params
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound
from qhybrid_pipelines.execution.ibm import job_listing
from qhybrid_pipelines.execution.ibm.allocations import allocated_devices
from qhybrid_pipelines.execution.ibm.client import CREDENTIALS, NAME, RuntimeClient
from qhybrid_pipelines.execution.ibm.compilation import compile_template
from qhybrid_pipelines.execution.ibm.declarations import SERVICE
from qhybrid_pipelines.execution.ibm.described_devices import (
    DescribedDevices,
    described_calibration,
    device_capabilities,
)
from qhybrid_pipelines.execution.ibm.devices import Device
from qhybrid_pipelines.execution.ibm.job_bodies import check_size, job_body
from qhybrid_pipelines.execution.ibm.job_listing import HOME_TAG, OWN_TAG
from qhybrid_pipelines.execution.ibm.prices import cost_usd, estimate
from qhybrid_pipelines.execution.ibm.results import decode_result
from qhybrid_pipelines.execution.poll_one_by_one import poll_each
from qhybrid_pipelines.execution.port import before_sending
from qhybrid_pipelines.execution.settings import seconds_setting
from qhybrid_pipelines.execution.time_limits import failed_by_time_limit, says_time_limit

BACKENDS_VARIABLE = "QISKIT_IBM_BACKENDS"
#: How late a new job may appear in the list of jobs, and how late one that was sent may be accepted; what they really are, nobody publishes.
LAG_VARIABLE, LAG_SECONDS = "QISKIT_IBM_LISTING_LAG_SECONDS", 10.0
ACCEPTANCE_VARIABLE, ACCEPTANCE_SECONDS = "QISKIT_IBM_ACCEPTANCE_SECONDS", 600.0
#: Cancelled by the service because it ran too long.
TIME_LIMIT_REASON = 1305

STATES = {
    "queued": JobState.QUEUED,
    "running": JobState.RUNNING,
    "completed": JobState.COMPLETED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
    "cancelled - ran too long": JobState.FAILED,
}
ENDED = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


class Service:
    """The backends that QISKIT_IBM_BACKENDS names, or a cluster's allocation, where there is a key."""

    name = NAME
    abilities: frozenset[Ability] = frozenset()

    def __init__(self, folder: Path, client: RuntimeClient | None = None) -> None:
        self.client = client or RuntimeClient()
        self.cache = CompileCache(folder / "compiled")
        self._devices = DescribedDevices()
        self.home_id = ""

    @staticmethod
    def backends() -> tuple[str, ...]:
        """Return the full names of the backends, without asking; none without a key."""
        return _configured_backends() if CREDENTIALS.is_configured() else ()

    def capabilities(self, backend: str) -> circuit_jobs.Capabilities:
        """Return limits as the device's configuration states them."""
        stated = device_capabilities(
            backend,
            self._device(backend),
            SERVICE,
            on_this_machine=self.client.on_this_machine,
            region=self.client.region,
        )
        return replace(
            stated,
            listing_lag_seconds=seconds_setting(LAG_VARIABLE, LAG_SECONDS),
            acceptance_seconds=seconds_setting(ACCEPTANCE_VARIABLE, ACCEPTANCE_SECONDS),
        )

    def calibration(self, backend: str) -> circuit_jobs.Calibration:
        """Return the device's calibration as it is now."""
        name = self._name(backend)
        _, properties = self._get("backends", name, "properties")
        return described_calibration(name, properties, backend=backend)

    def status(self, backend: str) -> circuit_jobs.BackendStatus:
        """Return whether the device takes jobs, and how many wait."""
        _, reported = self._get("backends", self._name(backend), "status")
        online = bool(reported.get("state")) and reported.get("status", "active") == "active"
        queued = reported.get("length_queue")
        return circuit_jobs.BackendStatus(online=online, queued_jobs=queued if isinstance(queued, int) else None)

    def prepare(self, template: circuit_jobs.Template, backend: str, *, level: int, seed: int) -> circuit_jobs.Compiled:
        """Return a template compiled for the device as it is calibrated now."""
        device = self._device(backend)
        return compile_template(
            self.cache, template, device, backend=backend, max_qubits=device.n_qubits, level=level, seed=seed
        )

    def estimate(self, batch: circuit_jobs.CircuitBatch) -> circuit_jobs.Estimate:
        """Return the price of the seconds that the device will be held, see `prices.estimate`."""
        return estimate(batch, self._device(batch.backend).seconds_per_shot)

    def submit(self, batch: circuit_jobs.CircuitBatch, token: str) -> circuit_jobs.JobRef:
        """Submit a batch with one request. The service does not merge tokens: look a token up before sending again."""
        with before_sending():
            check_well_formed(batch)
            try:
                body = self._make_body(batch, token)
            except Unavailable as error:  # the device could not be described, and no job was sent yet
                raise Throttled(error.message) from None
        return circuit_jobs.JobRef(
            provider=NAME, backend=batch.backend, provider_job_id=self.client.submit_request(body)
        )

    def _make_body(self, batch: circuit_jobs.CircuitBatch, token: str) -> bytes:
        device = self._device(batch.backend)
        check_size(batch, device)
        circuit = self.prepare(batch.template, batch.backend, level=LEVEL, seed=SEED).native
        tags = [token, OWN_TAG, *([f"{HOME_TAG}{self.home_id}"] if self.home_id else [])]
        return job_body(batch, circuit, name=self._name(batch.backend), tags=tags)

    def find(self, backend: str, token: str) -> circuit_jobs.JobRef | None:
        """Return the job that carries a token, the oldest if there are several, or None.

        None is certain only for jobs older than the listing's lag.
        """
        return job_listing.find(self._ask_list, backend, token)

    def list_tokens(
        self, backend: str, tokens: Sequence[str], *, known_jobs: Sequence[str] = ()
    ) -> circuit_jobs.TokenListing:
        """Return the listed jobs that carry some tokens: one request per 200 of our jobs on the backend, for all tokens together.

        Raises:
            Unavailable: the list has a different form from the published one.
        """
        return job_listing.list_tokens(self._ask_list, backend, tokens, known_jobs=known_jobs)

    def _ask_list(self, params: Params) -> dict[str, Any]:
        return self._get("jobs", params=params)[1]

    def poll(self, refs: Sequence[circuit_jobs.JobRef]) -> list[circuit_jobs.Snapshot]:
        """Poll some jobs once, with one request, and one more for times and use once a job has ended.

        Raises:
            ProviderError: a poll failed; ``seen`` holds the snapshots of the jobs before it.
        """
        return poll_each(refs, self._poll_job)

    def _poll_job(self, ref: circuit_jobs.JobRef) -> circuit_jobs.Snapshot:
        job = self._job(ref)
        state, raw_status, reason = _state(job, ref)
        metrics = self._metrics(ref) if state in ENDED else {}
        times, usage = (_object(metrics.get(name)) for name in ("timestamps", "usage"))
        return circuit_jobs.Snapshot(
            ref=ref,
            state=state,
            raw_status=raw_status,
            submitted_at=_parse_timestamp(times.get("created") or job.get("created")),
            started_at=_parse_timestamp(times.get("running")),
            completed_at=_parse_timestamp(times.get("finished")),
            cost_usd=cost_usd(_amount(usage.get("quantum_seconds"))),
            message=reason,
        )

    def _metrics(self, ref: circuit_jobs.JobRef) -> dict[str, Any]:
        """Return times and use of a job; they are worth knowing, and that it ended counts without them too."""
        try:
            return self._get("jobs", ref.provider_job_id, "metrics")[1]
        except Throttled:
            raise
        except ProviderError:
            return {}

    def fetch(self, ref: circuit_jobs.JobRef) -> circuit_jobs.RawResult:
        """Return a finished job's result as it was sent."""
        state, raw_status, _ = _state(self._job(ref), ref)
        if state is not JobState.COMPLETED:
            raise Unavailable(f"job {ref.provider_job_id} is {raw_status}")
        content, _ = self.client.get("jobs", ref.provider_job_id, "results")
        return circuit_jobs.RawResult(ref=ref, content=content, content_type="application/json")

    def decode(self, raw: circuit_jobs.RawResult, batch: circuit_jobs.CircuitBatch) -> pa.Table:
        """Return counts in `COUNTS_SCHEMA`. Raises `CorruptResult` for a result that is not the batch's."""
        return decode_result(raw.content, batch)

    def details(self, raw: circuit_jobs.RawResult) -> dict[str, Any]:
        """Return which device it was: the result says no more about its making."""
        return {"engine": raw.ref.backend.removeprefix(f"{NAME}:")}

    def cancel(self, ref: circuit_jobs.JobRef) -> circuit_jobs.CancelOutcome:
        """Ask for a job to be cancelled, then see what came of it."""
        try:
            in_time = self.client.cancel(ref.provider_job_id)
        except ResourceNotFound:
            raise _unknown_job_error(ref) from None
        state, _, _ = _state(self._job(ref), ref)
        if state is JobState.CANCELLED:
            return circuit_jobs.CancelOutcome.CANCELLED
        return (
            circuit_jobs.CancelOutcome.REQUESTED
            if in_time and state not in ENDED
            else circuit_jobs.CancelOutcome.TOO_LATE
        )

    def _job(self, ref: circuit_jobs.JobRef) -> dict[str, Any]:
        try:
            _, job = self._get("jobs", ref.provider_job_id, params=[("exclude_params", "true")])
        except ResourceNotFound:
            raise _unknown_job_error(ref) from None
        return job

    def _get(self, *path: str, params: list[tuple[str, str]] | None = None) -> tuple[bytes, dict[str, Any]]:
        content, reported = self.client.get(*path, params=params)
        if not isinstance(reported, dict):
            raise Unavailable("the answer has a different form from the published one")
        return content, reported

    def _name(self, backend: str) -> str:
        named = _configured_backends()
        if backend not in named:
            problem = f"no backend {backend!r}; {BACKENDS_VARIABLE} names {', '.join(named) or 'none'}"
            raise Rejected(problem)
        if not CREDENTIALS.is_configured():
            raise Unavailable(f"there is no key. {CREDENTIALS.remedy}")
        return backend.removeprefix(f"{NAME}:")

    def _device(self, backend: str) -> Device:
        name = self._name(backend)
        return self._devices.device(name, name, lambda: self._description(name), backend=backend)

    def _description(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return configuration and properties of a device."""
        _, configuration = self._get("backends", name, "configuration")
        _, properties = self._get("backends", name, "properties")
        return configuration, properties


def _state(job: dict[str, Any], ref: circuit_jobs.JobRef) -> tuple[JobState, str, str | None]:
    """Return our state, the vendor's word and the vendor's reason."""
    reported = _object(job.get("state"))
    word = reported.get("status") or job.get("status")
    reason = _words(reported.get("reason"))
    state = STATES.get(str(word).lower())
    if state is None and str(word).lower().startswith("cancel") and says_time_limit(str(word)):
        state = JobState.FAILED
    if state is None:
        raise UnknownProviderStatus(f"job {ref.provider_job_id} has status {word!r}, which no table contains")
    codes = (str(reported.get("reason_code")), str(reported.get("reasonCode")))
    if state is JobState.CANCELLED and str(TIME_LIMIT_REASON) in codes:
        state = JobState.FAILED
    state = failed_by_time_limit(state, reason, _words(reported.get("reason_solution")))
    return state, str(word), reason or (str(word) if says_time_limit(str(word)) else None)


def _words(reported: Any) -> str | None:
    return str(reported) if reported else None


def _object(reported: Any) -> dict[str, Any]:
    """Return what should be an object, and an empty one where it is anything else."""
    return reported if isinstance(reported, dict) else {}


def _unknown_job_error(ref: circuit_jobs.JobRef) -> Rejected:
    return Rejected(f"no job {ref.provider_job_id}")


def _configured_backends() -> tuple[str, ...]:
    """Return the full names of the backends that the environment names, or that a cluster has given to this job."""
    named = (name.strip() for name in os.environ.get(BACKENDS_VARIABLE, "").split(","))
    names = dict.fromkeys((*filter(None, named), *allocated_devices()))
    return tuple(f"{NAME}:{name}" for name in names)


def _amount(reported: Any) -> float | None:
    """Return an amount, None where there is no number, or one that no amount has."""
    if isinstance(reported, bool) or not isinstance(reported, int | float) or not 0 <= reported < float("inf"):
        return None
    return float(reported)


def _parse_timestamp(reported: Any) -> datetime | None:
    """Return a vendor's time, None for one that cannot be read."""
    try:
        return datetime.fromisoformat(reported).astimezone(UTC) if reported else None
    except (TypeError, ValueError, OverflowError):
        return None
