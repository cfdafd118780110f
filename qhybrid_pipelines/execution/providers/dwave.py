"""The provider `dwave`: annealers and hybrid solvers behind D-Wave's Solver API, or an emulator of it, at the address in DWAVE_API_ENDPOINT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import ProviderError, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.batch_kinds import Batch, only_anneals, only_hybrids
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.dwave import NAME, decoding, hybrid_problems, prices, problems
from qhybrid_pipelines.execution.dwave.client import CREDENTIALS, SapiClient
from qhybrid_pipelines.execution.dwave.declarations import ANNEALERS, HYBRID_SOLVERS
from qhybrid_pipelines.execution.dwave.hybrid_solvers import is_hybrid
from qhybrid_pipelines.execution.dwave.payload import problem_body
from qhybrid_pipelines.execution.dwave.solvers import Solvers, solver_name
from qhybrid_pipelines.execution.dwave.uploads import model_file, upload
from qhybrid_pipelines.execution.http.http_errors import parse_json
from qhybrid_pipelines.execution.port import Provider, before_sending
from qhybrid_pipelines.execution.settings import seconds_setting
from qhybrid_pipelines.quantum.annealing.embedding_cache import EmbeddingCache

LAG_VARIABLE, LAG_SECONDS = "DWAVE_LISTING_LAG_SECONDS", 10.0
ACCEPTANCE_VARIABLE, ACCEPTANCE_SECONDS = "DWAVE_ACCEPTANCE_SECONDS", 600.0

DECLARED = (ANNEALERS, HYBRID_SOLVERS)


def build(folder: Path) -> Provider:
    """Return the provider; embeddings and what it remembers live in ``folder``."""
    return DWaveProvider(folder)


class DWaveProvider:
    """D-Wave's solvers behind the port. A job is one problem: a point and repetition, which is programmed by itself, or a run of a hybrid solver."""

    name = NAME
    abilities = frozenset(
        {
            Ability.MISSING_SETTING,
            Ability.IS_IMMEDIATE,
            Ability.LIST_TOKENS,
            Ability.LABEL_JOBS,
            Ability.REQUESTS,
            Ability.EMBED,
            Ability.CHAIN_BREAKS,
        }
    )

    def __init__(self, folder: Path, client: SapiClient | None = None) -> None:
        self._client = client or SapiClient()
        self._solvers = Solvers(self._client, folder / "solvers")
        self._embeddings = EmbeddingCache(folder / "embeddings")
        self._home_id = ""

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._client.requests

    def backends(self) -> tuple[str, ...]:
        """Return the full names of the solvers as the service listed them last, without asking."""
        return self._solvers.names()

    def is_immediate(self, backend: str) -> bool:
        """Return that no job is done when it is acknowledged, without asking. Raises `Rejected` for a name that no solver can have."""
        solver_name(backend)
        return False

    def missing_setting(self) -> str | None:
        """Return which setting is missing; None where there is a token."""
        return None if CREDENTIALS.is_configured() else f"it is not configured. {CREDENTIALS.remedy}"

    def capabilities(self, backend: str) -> circuit_jobs.Capabilities:
        """Return limits and abilities as the service states them; remembered for some minutes."""
        return self._solvers.capabilities(
            backend,
            listing_lag_seconds=seconds_setting(LAG_VARIABLE, LAG_SECONDS),
            acceptance_seconds=seconds_setting(ACCEPTANCE_VARIABLE, ACCEPTANCE_SECONDS),
        )

    def calibration(self, backend: str) -> circuit_jobs.Calibration | None:
        """Return how many qubits and couplers work now, under the graph_id and without a date: the service tells none.

        None for hybrid solvers, and for an annealer that this account does not have.
        """
        solver_name(backend)
        if is_hybrid(backend):
            return None
        try:
            return self._solvers.calibration(backend)
        except Rejected:
            return None

    def status(self, backend: str) -> circuit_jobs.BackendStatus:
        """Return whether a solver takes problems now."""
        return self._solvers.status(backend)

    def prepare(self, template: circuit_jobs.Template, backend: str, *, level: int, seed: int) -> circuit_jobs.Compiled:  # noqa: ARG002
        """Raise `Rejected`: no solver runs circuits."""
        raise Rejected(f"{backend} takes models, and this is a circuit", request_sent=False)

    def embed(self, model: IsingModel, backend: str, *, seed: int) -> Embedding:
        """Return an embedding of a model on the qubit graph as it is now, found before or found now."""
        return self._embeddings.embedding(model, self._solvers.annealer(backend, afresh=True).graph, seed=seed)

    def estimate(self, batch: Batch) -> circuit_jobs.Estimate:
        """Return the cost of a batch by the published timing model, or the time limit, and the operator's price."""
        if is_hybrid(batch.backend):
            return prices.hybrid_estimate(self._solvers.hybrid(batch.backend), only_hybrids(batch))
        annealed = only_anneals(batch)
        return prices.estimate(self._solvers.annealer(batch.backend), annealed)

    def submit(self, batch: Batch, token: str) -> circuit_jobs.JobRef:
        """Submit one problem with one request. The service does not merge labels: look a token up before sending again.

        The qubit graph is asked for right before, so that an embedding on a former one is not sent. The model of a hybrid solver is
        uploaded before, which runs nothing.
        """
        with before_sending():
            try:
                if is_hybrid(batch.backend):
                    body = self._hybrid_body(only_hybrids(batch), token)
                else:
                    annealed = only_anneals(batch)
                    annealer = self._solvers.annealer(batch.backend, afresh=True)
                    body = problem_body(annealed, annealer, token, home_id=self._home_id)
            except Unavailable as error:
                raise Throttled(error.message, request_sent=False) from None
        return circuit_jobs.JobRef(
            provider=NAME, backend=batch.backend, provider_job_id=self._client.submit_request(body)
        )

    def find(self, backend: str, token: str) -> circuit_jobs.JobRef | None:
        """Return the job that carries a token, or None where the listing can be believed."""
        found = self.list_tokens(backend, [token]).jobs.get(token)
        return found[0].ref if found else None

    def list_tokens(
        self, backend: str, tokens: Sequence[str], *, known_jobs: Sequence[str] = ()
    ) -> circuit_jobs.TokenListing:
        """Return the listed jobs that carry some tokens: one request for all of them, and one for each behind the newest 1000."""
        return problems.list_tokens(self._client, backend, tokens, known_jobs=known_jobs)

    def label_jobs(self, home_id: str) -> None:
        """Name a home in the label of every job that is submitted from now on."""
        self._home_id = home_id

    def poll(self, refs: Sequence[circuit_jobs.JobRef]) -> list[circuit_jobs.Snapshot]:
        """Poll many jobs, 100 per request, and one request more for each that is completed: what it cost.

        Raises:
            ProviderError: some job could not be polled; its ``seen`` holds the snapshots of the others.
        """
        try:
            return self._with_costs(problems.poll_problems(self._client, refs))
        except ProviderError as error:
            error.seen = tuple(self._with_costs(list(error.seen)))
            raise

    def fetch(self, ref: circuit_jobs.JobRef) -> circuit_jobs.RawResult:
        """Return what the service says was asked, and its answer, as they came.

        Raises:
            Rejected: the service does not keep the answer any longer.
            Unavailable: the result is not there yet, or no usable answer came; asking again may help.
        """
        status = problems.problem_status(self._client, ref)
        if problems.snapshot(status, ref).state is not JobState.COMPLETED:
            raise Unavailable(f"problem {ref.provider_job_id} is {status['status']}")
        answer, _ = self._client.get("problem-answer", "problems", ref.provider_job_id, "answer")
        info, _ = self._client.get("problem-data", "problems", ref.provider_job_id, "info")
        content = decoding.envelope(info, answer)
        return circuit_jobs.RawResult(ref=ref, content=content, content_type=decoding.CONTENT_TYPE)

    def decode(self, raw: circuit_jobs.RawResult, batch: Batch) -> pa.Table:
        """Return counts in `COUNTS_SCHEMA`. Raises `CorruptResult` for a result that is not this batch's."""
        if is_hybrid(batch.backend):
            return hybrid_problems.decode(raw, only_hybrids(batch))
        return decoding.decode(raw, only_anneals(batch))

    def chain_breaks(self, raw: circuit_jobs.RawResult, batch: Batch) -> npt.NDArray[np.float64]:
        """Return the share of the reads in which each variable's chain was broken. Pure, like `decode`, and raises as it does."""
        return decoding.broken_by_variable(raw, only_anneals(batch))

    def details(self, raw: circuit_jobs.RawResult) -> dict[str, Any]:
        """Return annealer, qubit graph, QPU access time and how chains became variables; of a hybrid solver its name and times."""
        if is_hybrid(raw.ref.backend):
            _, answer = decoding.open_envelope(raw.content)
            return {"engine": solver_name(raw.ref.backend), **hybrid_problems.times(answer)}
        return decoding.details(raw)

    def cancel(self, ref: circuit_jobs.JobRef) -> circuit_jobs.CancelOutcome:
        """Ask for a job to be cancelled, then read its state: one that runs is cancelled if there is time, else it completes.

        Raises:
            ProviderError: no usable answer; asking again is safe.
        """
        self._client.cancel(ref.provider_job_id)
        state = problems.snapshot(problems.problem_status(self._client, ref), ref).state
        if state is JobState.CANCELLED:
            return circuit_jobs.CancelOutcome.CANCELLED
        return circuit_jobs.CancelOutcome.TOO_LATE if state in problems.ENDED else circuit_jobs.CancelOutcome.REQUESTED

    def _hybrid_body(self, batch: HybridBatch, token: str) -> bytes:
        """Upload a model, and return the body that submits it.

        Raises:
            Rejected: the batch or its model is refused.
            Unavailable: the upload may succeed later.
        """
        solver = self._solvers.hybrid(batch.backend)
        hybrid_problems.check_batch(batch, solver)
        try:
            upload_id = upload(self._client, model_file(batch.model))
        except (Unavailable, Throttled):
            raise
        except ProviderError as error:
            raise Rejected(f"the model could not be uploaded: {error.message}") from None
        return hybrid_problems.problem_body(batch, solver, token, upload_id=upload_id, home_id=self._home_id)

    def _with_costs(self, seen: list[circuit_jobs.Snapshot]) -> list[circuit_jobs.Snapshot]:
        """Return snapshots with what the jobs cost, where that is told: by the answer of a completed one, once each."""
        known: dict[str, float | None] = {}
        for one in seen:
            if one.ref.provider_job_id not in known:
                known[one.ref.provider_job_id] = self._cost_usd(one)
        return [replace(one, cost_usd=known[one.ref.provider_job_id]) for one in seen]

    def _cost_usd(self, seen: circuit_jobs.Snapshot) -> float | None:
        """Return what a job cost, None where the provider does not say; then the quote stands."""
        if seen.state is JobState.CANCELLED:
            return 0.0  # what is billed is access time, and a cancelled problem has none
        if seen.state is not JobState.COMPLETED:
            return None
        try:
            content, _ = self._client.get("problem-answer", "problems", seen.ref.provider_job_id, "answer")
            hybrid = is_hybrid(seen.ref.backend)
            rate = 1.0 if hybrid else self._solvers.annealer(seen.ref.backend).quota_conversion_rate
        except ProviderError:
            return None
        said = parse_json(content)
        answer = said.get("answer") if isinstance(said, dict) else None
        if hybrid:
            return prices.hybrid_cost_usd(hybrid_problems.charged_micros(answer))
        return prices.cost_usd(answer.get("timing") if isinstance(answer, dict) else None, rate)
