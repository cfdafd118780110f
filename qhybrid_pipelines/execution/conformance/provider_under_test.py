"""What the contract suite knows of an adapter, and the steps that all its checks take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from qhybrid_pipelines.core.job_states import JobState
from qhybrid_pipelines.core.jobs import CircuitBatch, JobRef, RawResult, Snapshot
from qhybrid_pipelines.execution.canary_circuits import Shape, canary_batch
from qhybrid_pipelines.execution.port import Provider

#: Polls of a job until it must be finished; between two of them `Subject.wait_between_polls` is called.
MAX_POLLS = 200
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

    def batch(self, shape: Shape | None = None, *, qubit: int = 1, shots: int = 64) -> CircuitBatch:
        """Return a canary batch with two repetitions."""
        return self.canary(shape or self.shapes[0], qubit=qubit, shots=shots)[0]

    def canary(self, shape: Shape, *, qubit: int, shots: int = 64) -> tuple[CircuitBatch, list[int]]:
        """Return a canary batch with two repetitions, and the outcome of each point."""
        return canary_batch(shape, width=self.width, qubit=qubit, backend=self.backend, shots=shots, repetitions=2)


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


def run(subject: ProviderUnderTest, provider: Provider, batch: CircuitBatch, token: str) -> pa.Table:
    """Return the counts of a batch."""
    return provider.decode(fetch_when_completed(subject, provider, provider.submit(batch, token)), batch)


def assert_raises(error: type[Exception], call: Callable[..., object], *arguments: object, what: str = "this") -> None:
    """Check that a call raises this error."""
    try:
        call(*arguments)
    except error:
        return
    raise AssertionError(f"{what} should have raised {error.__name__}")
