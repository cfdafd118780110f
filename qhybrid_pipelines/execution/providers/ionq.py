"""The provider `ionq`: the vendor's cloud, or an emulator of it, at the address in IONQ_API_URL."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.errors import ProviderError, Unavailable
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.batch_kinds import Batch, only_circuits
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.adapter_assumptions import Fact
from qhybrid_pipelines.execution.circuit_checks import check_batch
from qhybrid_pipelines.execution.compile_cache import LEVEL, SEED, CompileCache
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound
from qhybrid_pipelines.execution.ionq import NAME, assumptions, decoding, gates, job_queries, prices
from qhybrid_pipelines.execution.ionq.account_registry import AccountRegistry
from qhybrid_pipelines.execution.ionq.backends import Backends, device_name
from qhybrid_pipelines.execution.ionq.client import CREDENTIALS, URL_VARIABLE, IonQClient
from qhybrid_pipelines.execution.ionq.declarations import MACHINES, SIMULATOR_DECLARATION
from qhybrid_pipelines.execution.ionq.payload import job_body
from qhybrid_pipelines.execution.ionq.readout import readout_errors
from qhybrid_pipelines.execution.port import Provider, before_sending
from qhybrid_pipelines.execution.settings import seconds_setting

LAG_VARIABLE, LAG_SECONDS = "IONQ_LISTING_LAG_SECONDS", 10.0
ACCEPTANCE_VARIABLE, ACCEPTANCE_SECONDS = "IONQ_ACCEPTANCE_SECONDS", 600.0

DECLARED = (MACHINES, SIMULATOR_DECLARATION)


def build(folder: Path) -> Provider:
    """Return the provider; what it compiles and remembers lives in ``folder``."""
    return IonQProvider(folder)


class IonQProvider:
    """IonQ's backends behind the port. A batch is one job of many circuits, one per point and repetition."""

    name = NAME
    abilities = frozenset(Ability) - {Ability.EMBED, Ability.CHAIN_BREAKS}

    def __init__(self, folder: Path, client: IonQClient | None = None) -> None:
        self._client = client or IonQClient()
        self._backends = Backends(self._client, folder / "backends")
        self._cache = CompileCache(folder / "compiled")
        self._account_registry = AccountRegistry(folder / "accepted")
        self._home_id = ""

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._client.requests

    def backends(self) -> tuple[str, ...]:
        """Return the full names of the backends as the service listed them last, without asking."""
        return self._backends.names()

    def is_immediate(self, backend: str) -> bool:
        """Return that no job is done when it is acknowledged, without asking. Raises `Rejected` for an unknown backend."""
        device_name(backend)
        return False

    def missing_setting(self) -> str | None:
        """Return which setting is missing; None where there is a key, or an address of somebody's own."""
        ready = CREDENTIALS.is_configured() or os.environ.get(URL_VARIABLE)
        return None if ready else f"it is not configured. {CREDENTIALS.remedy}"

    def check_key(self) -> None:
        """Return if the service accepts the key: what it says of its backends, it says to everybody.

        Raises:
            ProviderError: it does not, there is none, or no answer came.
        """
        self._client.project()

    def capabilities(self, backend: str) -> circuit_jobs.Capabilities:
        """Return limits and abilities as the service states them; remembered for some minutes."""
        return replace(
            self._backends.capabilities(backend),
            listing_lag_seconds=seconds_setting(LAG_VARIABLE, LAG_SECONDS),
            acceptance_seconds=seconds_setting(ACCEPTANCE_VARIABLE, ACCEPTANCE_SECONDS),
        )

    def calibration(self, backend: str) -> circuit_jobs.Calibration | None:
        """Return the newest characterization of a machine, None for the simulator."""
        return self._backends.calibration(backend)

    def status(self, backend: str) -> circuit_jobs.BackendStatus:
        """Return whether a backend takes jobs now, and how long they wait."""
        return self._backends.status(backend)

    def prepare(self, template: circuit_jobs.Template, backend: str, *, level: int, seed: int) -> circuit_jobs.Compiled:
        """Compile a template to the vendor's gates; inputs stay free."""
        device_name(backend)
        compiled = gates.compile_template(self._cache, template, backend, level=level, seed=seed)
        return replace(compiled, gates=sum(gates.gate_counts(compiled.native)))

    def estimate(self, batch: Batch) -> circuit_jobs.Estimate:
        """Return the cost range of a batch by the service's own estimate."""
        return prices.estimate(self._client, only_circuits(batch), gates.gate_counts(self._circuit(batch)))

    def submit(self, batch: Batch, token: str) -> circuit_jobs.JobRef:
        """Submit a batch with one request. The service does not merge tokens: look a token up before sending again."""
        with before_sending():
            batch = only_circuits(batch)
            circuit = self._circuit(batch)
            check_batch(batch, self.capabilities(batch.backend), gates_per_circuit=sum(gates.gate_counts(circuit)))
            circuits = gates.bind(circuit, batch.template.parameters, batch.bindings)
            body = job_body(batch, circuits, token, home_id=self._home_id)
        url, project = self._client.url, self._project()
        if project is not None:
            self._account_registry.record_project(url, token, project)
        job_id = self._client.submit_request(body)
        self._account_registry.record_accepted(url, batch.backend, job_id)
        if project is not None:
            self._account_registry.record_project(url, job_id, project)
        return circuit_jobs.JobRef(provider=NAME, backend=batch.backend, provider_job_id=job_id)

    def find(self, backend: str, token: str) -> circuit_jobs.JobRef | None:
        """Return the job that carries a token, or None where the listing can be believed."""
        found = self.list_tokens(backend, [token]).jobs.get(token)
        return found[0].ref if found else None

    def list_tokens(
        self, backend: str, tokens: Sequence[str], *, known_jobs: Sequence[str] = ()
    ) -> circuit_jobs.TokenListing:
        """Return the listed jobs that carry some tokens: one request per 25 jobs of the backend, for all tokens together."""
        device_name(backend)
        return job_queries.list_tokens(self._client, backend, tokens, self._account_registry, known_jobs=known_jobs)

    def label_jobs(self, home_id: str) -> None:
        """Name a home in the metadata of every job that is submitted from now on."""
        self._home_id = home_id

    def poll(self, refs: Sequence[circuit_jobs.JobRef]) -> list[circuit_jobs.Snapshot]:
        """Poll many jobs, a page per request. A job that the service has forgotten has failed."""
        return job_queries.poll_jobs(self._client, refs, self._account_registry)

    def fetch(self, ref: circuit_jobs.JobRef) -> circuit_jobs.RawResult:
        """Return the service's answers about a finished job as they came.

        Raises:
            Rejected: the service does not know the job, and the key is of the project that sent it.
            Unavailable: the result is not there yet, or no usable answer came; asking again may help.
        """
        try:
            job_bytes, job = job_queries.get_job(self._client, ref)
        except ResourceNotFound:
            raise job_queries.absent_job_error(self._client, ref, self._account_registry) from None
        if job_queries.job_state(job, ref) is not JobState.COMPLETED:
            raise Unavailable(f"job {ref.provider_job_id} is {job['status']}")
        pages = job_queries.list_child_pages(self._client, ref, len(job.get("child_job_ids") or ()))
        results = job_queries.get_results(self._client, ref, job)
        content = decoding.envelope(job_bytes, [page for page, _ in pages], results)
        return circuit_jobs.RawResult(ref=ref, content=content, content_type=decoding.CONTENT_TYPE)

    def decode(self, raw: circuit_jobs.RawResult, batch: Batch) -> pa.Table:
        """Return counts in `COUNTS_SCHEMA`. Raises `CorruptResult` for a result that is not this batch's."""
        return decoding.decode(raw, only_circuits(batch))

    def details(self, raw: circuit_jobs.RawResult) -> dict[str, Any]:
        """Return engine, and calibration and device time where the service states them."""
        return decoding.details(raw)

    def readout_errors(
        self,
        raw: circuit_jobs.RawResult,  # noqa: ARG002 - a machine's qubits are those of the circuit
        batch: circuit_jobs.CircuitBatch,
        calibration: circuit_jobs.Calibration | None,
    ) -> ReadoutErrors | None:
        """Return the readout errors that the machine's characterization states."""
        return readout_errors(calibration, batch.width)

    def cancel(self, ref: circuit_jobs.JobRef) -> circuit_jobs.CancelOutcome:
        """Ask for a job to be cancelled, then read its state: a request can come too late and still be answered.

        Raises:
            Rejected: the service does not know the job, and the key is of the project that sent it.
            ProviderError: no usable answer; asking again is safe.
        """
        try:
            self._client.cancel(ref.provider_job_id)
            _, job = job_queries.get_job(self._client, ref)
        except ResourceNotFound:
            raise job_queries.absent_job_error(self._client, ref, self._account_registry) from None
        state = job_queries.job_state(job, ref)
        if state is JobState.CANCELLED:
            return circuit_jobs.CancelOutcome.CANCELLED
        return (
            circuit_jobs.CancelOutcome.TOO_LATE if state in job_queries.ENDED else circuit_jobs.CancelOutcome.REQUESTED
        )

    def verify_facts(self, backend: str, job: tuple[circuit_jobs.JobRef, Batch, str] | None = None) -> tuple[Fact, ...]:
        """Return what of the service is as this adapter was written for, and what is not; no key or account is in it."""
        found = (
            assumptions.free_facts(self._client, device_name(backend))
            if job is None
            else assumptions.job_facts(self._client, job[0], only_circuits(job[1]), job[2])
        )
        return tuple(found)

    def _project(self) -> str | None:
        """Return the project of the key; not knowing it is not a reason not to submit."""
        try:
            return self._client.project()
        except ProviderError:
            return None

    def _circuit(self, batch: Batch) -> Any:
        return self.prepare(only_circuits(batch).template, batch.backend, level=LEVEL, seed=SEED).native
