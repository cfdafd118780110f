"""What the contract suite knows of an adapter, and the steps that all its checks take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.backend_declaration import Plane
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, RawResult, Snapshot
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import make_sub_batch, split
from qhybrid_pipelines.execution.abilities import Ability, with_ability
from qhybrid_pipelines.execution.canary_anneals import (
    canary_anneal,
    canary_hybrid,
    canary_model,
    malformed_anneals,
    malformed_hybrids,
)
from qhybrid_pipelines.execution.canary_circuits import Shape, canary_batch
from qhybrid_pipelines.execution.port import Provider

#: Polls of a job until it must be finished; between two of them `Subject.wait_between_polls` is called.
MAX_POLLS = 200
#: Time limit of canaries on hybrid solvers, the least that small models take.
HYBRID_SECONDS = 3.0
OPEN_STATES = (JobState.SUBMITTED, JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING)


@dataclass(frozen=True, kw_only=True)
class ProviderUnderTest:
    """One backend of one adapter under test.

    Attributes:
        connect: returns a provider as a fresh process would build it, over the same state.
        backend: full name.
        shapes: the canaries that the backend can run; ``single`` or ``batch`` unless it runs QAOA structures only.
        width: of the canaries; the real width of the work to come.
        wait_between_polls: lets time pass between two polls of a job, for providers with a queue.
        mutations: the vendor-specific ways to damage a payload, by what they damage; each maps the result's bytes to
            bytes that `decode` must refuse. Cut-off and swapped payloads are tried on every adapter.
        is_noiseless: False where noise blurs the canary; then it must still be the most frequent outcome.
        wait_until_listed: lets time pass until a job accepted now is listed, for providers whose listing lags.
        with_status_word: returns a provider over the same state that reports the given status word for every job; None where
            no vendor's words are read.
        with_wrong_key: returns a provider with a key that its service does not know; needed where `Ability.CHECK_KEY` is
            declared.
        limits: what the provider's side states, by the names of `Capabilities`; they must be read, not guessed.
        plane: which kind of work the backend takes; its canaries are of that kind.
        one_circuit_per_job: jobs of a gate backend take one circuit, as problems of an annealer are one each.
    """

    connect: Callable[[], Provider]
    backend: str
    shapes: tuple[Shape, ...] = ("single", "batch")
    width: int = 12
    wait_between_polls: Callable[[], None] = lambda: None
    mutations: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    is_noiseless: bool = True
    wait_until_listed: Callable[[], None] = lambda: None
    with_status_word: Callable[[str], Provider] | None = None
    with_wrong_key: Callable[[], Provider] | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    plane: Plane = "gate"
    one_circuit_per_job: bool = False

    def batch(self, shape: Shape | None = None, *, qubit: int = 1, shots: int = 64) -> Batch:
        """Return a canary batch that one job takes: with two repetitions, or a single circuit or problem."""
        whole = self.canary(shape or self.shapes[0], qubit=qubit, shots=shots)[0]
        if self.plane == "gate" and not self.one_circuit_per_job:
            return whole
        return make_sub_batch(whole, first_point=0, points=1, first_repetition=0, repetitions=1).batch

    def canary(self, shape: Shape, *, qubit: int, shots: int = 64) -> tuple[Batch, list[int]]:
        """Return a canary batch with two repetitions, and the outcome of each point."""
        if self.plane == "annealing":
            return self._annealed_canary(qubit, shots)
        if self.plane == "hybrid":
            model = canary_model(width=self.width, variable=qubit)
            return canary_hybrid(model, backend=self.backend, time_limit=HYBRID_SECONDS, repetitions=2), [1 << qubit]
        return canary_batch(shape, width=self.width, qubit=qubit, backend=self.backend, shots=shots, repetitions=2)

    def malformed(self) -> list[Batch]:
        """Return batches that no backend of this plane may accept."""
        batch = self.batch(self.shapes[-1])
        if isinstance(batch, AnnealBatch):
            return malformed_anneals(batch)
        if isinstance(batch, HybridBatch):
            return malformed_hybrids(batch)
        nan, wide = batch.bindings.copy(), np.zeros((batch.points, len(batch.template.parameters) + 1))
        nan[-1:, -1:] = np.nan
        bad: list[Batch] = [replace(batch, bindings=wide), replace(batch, shots=0)]
        if nan.size:
            bad += [replace(batch, bindings=nan), replace(batch, bindings=np.where(np.isnan(nan), np.inf, nan))]
        return bad

    def _annealed_canary(self, qubit: int, shots: int) -> tuple[Batch, list[int]]:
        able = with_ability(self.connect(), Ability.EMBED)
        assert able is not None, "an annealer embeds models"
        model = canary_model(width=self.width, variable=qubit)
        embedding = able.embed(model, self.backend, seed=7)
        batch = canary_anneal(model, embedding, backend=self.backend, shots=shots, repetitions=2)
        return batch, [1 << qubit] * batch.points


def await_end(subject: ProviderUnderTest, provider: Provider, ref: JobRef) -> Snapshot:
    """Poll a job until it has ended."""
    for _ in range(MAX_POLLS):
        [snapshot] = provider.poll([ref])
        if snapshot.state not in OPEN_STATES:
            return snapshot
        subject.wait_between_polls()
    raise AssertionError(f"job {ref} had not ended after {MAX_POLLS} polls")


def fetch_when_completed(subject: ProviderUnderTest, provider: Provider, ref: JobRef) -> RawResult:
    """Poll a job until it is completed, and fetch its result."""
    snapshot = await_end(subject, provider, ref)
    assert snapshot.state is JobState.COMPLETED, snapshot
    return provider.fetch(ref)


def run(subject: ProviderUnderTest, provider: Provider, batch: Batch, token: str) -> pa.Table:
    """Return the counts of a batch."""
    return provider.decode(fetch_when_completed(subject, provider, provider.submit(batch, token)), batch)


def run_parts(
    subject: ProviderUnderTest, provider: Provider, batch: Batch, token: str, *, max_circuits: int | None = None
) -> pa.Table:
    """Return the counts of a batch that may take several jobs, in parts that the backend takes, each at its place."""
    capabilities = provider.capabilities(subject.backend)
    most = min(capabilities.max_circuits_per_job, max_circuits or capabilities.max_circuits_per_job)
    parts = split(batch, replace(capabilities, max_circuits_per_job=most))
    if len(parts) == 1:
        return run(subject, provider, batch, token)
    pieces = [
        at_offset(run(subject, provider, part.batch, f"{token}-{index}"), part.first_point, part.first_repetition)
        for index, part in enumerate(parts)
    ]
    order = [("point", "ascending"), ("repetition", "ascending"), ("bits", "ascending")]
    return pa.concat_tables(pieces).combine_chunks().sort_by(order)


def at_offset(counts: pa.Table, first_point: int, first_repetition: int) -> pa.Table:
    """Return the counts of a part with the points and repetitions of the whole."""
    for name, first in (("point", first_point), ("repetition", first_repetition)):
        index = counts.schema.get_field_index(name)
        moved = pc.add(counts.column(index), pa.scalar(first, pa.int32()))
        counts = counts.set_column(index, counts.schema.field(index), moved)
    return counts


def assert_raises(error: type[Exception], call: Callable[..., object], *arguments: object, what: str = "this") -> None:
    """Check that a call raises this error."""
    try:
        call(*arguments)
    except error:
        return
    raise AssertionError(f"{what} should have raised {error.__name__}")
