"""The contract suite: what every provider must do, as plain functions that a test runs over all adapters.

An adapter is described by a `Subject`; each check takes one and raises `AssertionError` with what was expected. Vendors'
quirks have ordinary tests beside their adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptResult, Rejected
from qhybrid_pipelines.core.jobs import CancelOutcome, CircuitBatch, JobRef, JobState, RawResult
from qhybrid_pipelines.execution.canaries import Shape, canary_batch
from qhybrid_pipelines.execution.port import COUNTS_SCHEMA, Provider

#: Looks at a job until it must be finished; between two looks `Subject.wait` is called.
MAX_LOOKS = 200


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One backend of one adapter under test.

    Attributes:
        connect: returns a provider as a fresh process would build it, over the same state.
        backend: full name.
        shapes: the canaries that the backend can run; ``single`` or ``batch`` unless it runs QAOA structures only.
        width: of the canaries; the real width of the work to come.
        wait: lets time pass between two looks at a job, for providers with a queue.
        mutations: the vendor-specific ways to damage a payload, by what they damage; each maps the result's bytes to
            bytes that `decode` must refuse. Cut-off and swapped payloads are tried on every adapter.
        certain: False where noise blurs the canary; then it must still be the most frequent outcome.
    """

    connect: Callable[[], Provider]
    backend: str
    shapes: tuple[Shape, ...] = ("single", "batch")
    width: int = 12
    wait: Callable[[], None] = lambda: None
    mutations: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    certain: bool = True

    def batch(self, shape: Shape | None = None, *, qubit: int = 1, shots: int = 64) -> CircuitBatch:
        """Return a canary batch with two repetitions."""
        return self.canary(shape or self.shapes[0], qubit=qubit, shots=shots)[0]

    def canary(self, shape: Shape, *, qubit: int, shots: int = 64) -> tuple[CircuitBatch, list[int]]:
        """Return a canary batch with two repetitions, and the outcome of each point."""
        return canary_batch(shape, width=self.width, qubit=qubit, backend=self.backend, shots=shots, repetitions=2)


def collect(subject: Subject, provider: Provider, ref: JobRef) -> RawResult:
    """Look at a job until it is completed, and fetch its result."""
    for _ in range(MAX_LOOKS):
        [snapshot] = provider.poll([ref])
        if snapshot.state is JobState.COMPLETED:
            return provider.fetch(ref)
        assert snapshot.state in (JobState.SUBMITTED, JobState.QUEUED, JobState.RUNNING), snapshot
        subject.wait()
    raise AssertionError(f"job {ref} was not completed after {MAX_LOOKS} looks")


def check_capabilities(subject: Subject) -> None:
    """The backend is listed under its provider's name and says what it can do; others are rejected."""
    provider = subject.connect()
    assert subject.backend in provider.backends()
    assert all(backend.startswith(f"{provider.name}:") for backend in provider.backends())
    capabilities = provider.capabilities(subject.backend)
    assert capabilities.backend == subject.backend
    assert min(capabilities.max_qubits, capabilities.max_shots, capabilities.max_circuits_per_job) >= 1
    assert JobState.COMPLETED in capabilities.states
    calibration = provider.calibration(subject.backend)
    assert calibration is None or calibration.measured_at <= calibration.fetched_at
    _refused(Rejected, provider.capabilities, f"{provider.name}:no-such-backend")


def check_estimate(subject: Subject) -> None:
    """A price is a range with its assumptions and source, known before submission."""
    estimate = subject.connect().estimate(subject.batch())
    assert 0 <= estimate.low_usd <= estimate.high_usd < np.inf
    assert estimate.assumptions
    assert estimate.source


def check_prepare(subject: Subject) -> None:
    """Compiling names what was compiled, and the same request gives the same circuit."""
    provider, template = subject.connect(), subject.batch().template
    compiled = [provider.prepare(template, subject.backend, level=1, seed=7) for _ in range(2)]
    assert compiled[0].template_id == template.template_id
    assert compiled[0].compiled_sha256 == compiled[1].compiled_sha256
    assert compiled[0].depth >= 1
    assert compiled[0].compile_seconds >= 0


def check_token_twice_gives_one_job(subject: Subject) -> None:
    """The same token gives the same job, also to a fresh process; another token gives another job."""
    batch = subject.batch()
    first = subject.connect().submit(batch, "token-once")
    assert subject.connect().submit(batch, "token-once") == first
    assert subject.connect().submit(batch, "token-other").provider_job_id != first.provider_job_id


def check_token_of_another_batch_is_rejected(subject: Subject) -> None:
    """A token that was used for one payload is not accepted for another."""
    provider = subject.connect()
    provider.submit(subject.batch(), "token-payload")
    _refused(Rejected, provider.submit, subject.batch(shots=63), "token-payload")


def check_find(subject: Subject) -> None:
    """A job is found by its token from a fresh process; an unknown token gives None."""
    provider = subject.connect()
    assert provider.find(subject.backend, "token-find") is None
    ref = provider.submit(subject.batch(), "token-find")
    assert subject.connect().find(subject.backend, "token-find") == ref
    assert subject.connect().find(subject.backend, "token-unknown") is None


def check_finished_job_is_stable(subject: Subject) -> None:
    """Polling a finished job changes nothing, its times are in order, and its result is the same bytes each time."""
    provider = subject.connect()
    ref = provider.submit(subject.batch(), "token-stable")
    raw = collect(subject, provider, ref)
    looks = [subject.connect().poll([ref, ref]) for _ in range(2)]
    assert looks[0] == looks[1]
    assert looks[0][0] == looks[0][1]
    times = [t for t in (looks[0][0].submitted_at, looks[0][0].started_at, looks[0][0].completed_at) if t]
    assert times == sorted(times)
    assert all(t.tzinfo is not None for t in times)
    assert subject.connect().fetch(ref).content == raw.content
    assert subject.connect().poll([]) == []


def check_unknown_job_is_rejected(subject: Subject) -> None:
    """A reference that the provider never gave is rejected."""
    provider = subject.connect()
    ref = JobRef(provider=provider.name, backend=subject.backend, provider_job_id="no-such-job")
    _refused(Rejected, provider.poll, [ref])
    _refused(Rejected, provider.fetch, ref)


def check_counts_answer_the_batch(subject: Subject) -> None:
    """Counts are in the agreed columns and order, and sum to the shots of every point and repetition."""
    provider, batch = subject.connect(), subject.batch(subject.shapes[-1])
    counts = _run(subject, provider, batch, "token-counts")
    assert counts.schema.equals(COUNTS_SCHEMA)
    order = [("point", "ascending"), ("repetition", "ascending"), ("bits", "ascending")]
    assert counts.equals(counts.sort_by(order))
    sums = counts.group_by(["point", "repetition"]).aggregate([("count", "sum")])
    assert sums.num_rows == batch.points * batch.repetitions
    assert set(sums.column("count_sum").to_pylist()) == {batch.shots}


def check_bit_order(subject: Subject) -> None:
    """One known qubit is 1 and stands at its own bit, on the single and on the batch path, at real width."""
    provider = subject.connect()
    for shape in subject.shapes:
        for qubit in sorted({0, 1, subject.width - 1}):
            batch, outcomes = subject.canary(shape, qubit=qubit)
            counts = _run(subject, provider, batch, f"token-canary-{shape}-{qubit}")
            for point, expected in enumerate(outcomes):
                rows = counts.filter(pc.equal(counts.column("point"), point)).to_pylist()
                seen = {row["bits"] for row in rows}
                top = max(rows, key=lambda row: row["count"])["bits"]
                assert top == expected, f"{shape}: qubit {qubit} was read as {top:#x}, not {expected:#x}"
                assert seen == {expected} or not subject.certain, f"{shape}: outcomes {sorted(seen)} beside {expected}"


def check_same_batch_same_counts(subject: Subject) -> None:
    """On a simulator two jobs with one batch have equal counts; a kept payload says the same whenever it is read.

    That holds for counts and details alike; details are ready for JSON.
    """
    provider, batch = subject.connect(), subject.batch(subject.shapes[-1])
    raw = collect(subject, provider, provider.submit(batch, "token-same-1"))
    counts = provider.decode(raw, batch)
    assert provider.details(raw) == subject.connect().details(raw)
    canonical_json(provider.details(raw))
    assert subject.connect().decode(raw, batch).equals(counts, check_metadata=True)
    if provider.capabilities(subject.backend).simulator:
        assert _run(subject, provider, batch, "token-same-2").equals(counts)


def check_wrong_results_are_refused(subject: Subject) -> None:
    """A result of another batch, a cut-off one and every damaged one are refused."""
    provider, batch = subject.connect(), subject.batch()
    raw = collect(subject, provider, provider.submit(batch, "token-wrong"))
    provider.decode(raw, batch)
    other = subject.batch(qubit=2)
    swapped = collect(subject, provider, provider.submit(other, "token-wrong-other"))
    _refused(CorruptResult, provider.decode, replace(swapped, ref=raw.ref), batch)
    _refused(CorruptResult, provider.decode, raw, other)
    _refused(CorruptResult, provider.decode, raw, replace(batch, shots=batch.shots + 1))
    size = len(raw.content)
    for kept in (0, size // 2, size - size // 10):
        _refused(CorruptResult, provider.decode, replace(raw, content=raw.content[:kept]), batch)
    for what, mutate in subject.mutations.items():
        _refused(CorruptResult, provider.decode, replace(raw, content=mutate(raw.content)), batch, what=what)


def check_malformed_batches_are_rejected(subject: Subject) -> None:
    """NaN, infinities and bindings of another shape are refused at submission and leave no job."""
    provider, batch = subject.connect(), subject.batch(subject.shapes[-1])
    nan, wide = batch.bindings.copy(), np.zeros((batch.points, len(batch.template.parameters) + 1))
    nan[-1:, -1:] = np.nan
    malformed = [replace(batch, bindings=wide), replace(batch, shots=0)]
    if nan.size:
        malformed += [replace(batch, bindings=nan), replace(batch, bindings=np.where(np.isnan(nan), np.inf, nan))]
    for index, bad in enumerate(malformed):
        _refused(Rejected, provider.submit, bad, f"token-malformed-{index}")
        assert provider.find(subject.backend, f"token-malformed-{index}") is None


def check_cancelling_a_finished_job_is_too_late(subject: Subject) -> None:
    """A finished job cannot be cancelled, and keeps its result."""
    provider = subject.connect()
    ref = provider.submit(subject.batch(), "token-cancel")
    raw = collect(subject, provider, ref)
    assert provider.cancel(ref) is CancelOutcome.TOO_LATE
    assert provider.fetch(ref).content == raw.content


CHECKS: tuple[Callable[[Subject], None], ...] = (
    check_capabilities,
    check_estimate,
    check_prepare,
    check_token_twice_gives_one_job,
    check_token_of_another_batch_is_rejected,
    check_find,
    check_finished_job_is_stable,
    check_unknown_job_is_rejected,
    check_counts_answer_the_batch,
    check_bit_order,
    check_same_batch_same_counts,
    check_wrong_results_are_refused,
    check_malformed_batches_are_rejected,
    check_cancelling_a_finished_job_is_too_late,
)


def _run(subject: Subject, provider: Provider, batch: CircuitBatch, token: str) -> pa.Table:
    return provider.decode(collect(subject, provider, provider.submit(batch, token)), batch)


def _refused(error: type[Exception], call: Callable[..., object], *arguments: object, what: str = "this") -> None:
    try:
        call(*arguments)
    except error:
        return
    raise AssertionError(f"{what} should have raised {error.__name__}")
