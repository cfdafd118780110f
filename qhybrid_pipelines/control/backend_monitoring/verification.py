"""Finding out, with a key, whether a live service is what its adapter was written for.

Free calls come first: the checks of the contract suite that need no job, and the facts that the provider can compare by
itself. Then at most one job, the smallest that shows all that has to be known, and only if its estimate is within the limit
that a person gave. It goes through the ledger like every other job, so that it is paid once and never lost; on one day it
is one job, however often this is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.lifecycle import TERMINAL
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.seeds import derive_seed
from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK, Clock
from qhybrid_pipelines.execution.abilities import Ability, with_ability
from qhybrid_pipelines.execution.adapter_assumptions import Fact, compare, require, unknown
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.conformance import FREE_CHECKS, ProviderUnderTest
from qhybrid_pipelines.execution.port import Provider

WIDTH = 3
SHOTS = 100
LISTED_WITHIN_SECONDS = 60.0
DONE = frozenset({JobState.COMPLETED, JobState.FETCHED, JobState.VERIFIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found out about a backend.

    Attributes:
        facts: in the order in which they were checked.
        job: what was said about the job: which one, or why there is none.
    """

    backend: str
    facts: tuple[Fact, ...]
    job: str

    @property
    def differences(self) -> tuple[Fact, ...]:
        """The facts that are not as the adapter was written for."""
        return tuple(fact for fact in self.facts if fact.agrees is False)


def verify_backend(
    control_plane: ControlPlane,
    backend: str,
    *,
    max_usd: float,
    wait_seconds: float,
    clock: Clock = SYSTEM_CLOCK,
) -> Verification:
    """Compare a live backend with what its adapter was written for.

    Args:
        control_plane: of a home; its ledger holds the job.
        backend: full name.
        max_usd: no job is sent whose estimate is higher.
        wait_seconds: how long the job is waited for.
        clock: measures, and waits between two polls.

    Raises:
        InvalidInput: there is no such provider, it is not set up, or it cannot compare itself.
    """
    provider = control_plane._provider_for(backend)  # noqa: SLF001  nobody outside of control gets one
    able = with_ability(provider, Ability.VERIFY_FACTS)
    if able is None:
        raise InvalidInput(
            f"the adapter of '{provider.name}' cannot compare itself with a service",
            remedy="Name a backend of a cloud, for example ionq:simulator.",
            field="BACKEND",
        )
    if missing := control_plane.dispatcher.missing_setting(backend):
        raise InvalidInput(f"'{provider.name}' cannot be asked: {missing}", remedy="Set it and try again.")
    facts = [*_checks(provider, backend), *able.verify_facts(backend)]
    try:
        batch = _smallest_batch(control_plane, backend, clock)
        price_usd = control_plane.dispatcher.estimate(batch).high_usd
    except QHybridError as error:
        facts.append(require("price of one job", "an estimate in USD", error, agrees=False))
        return Verification(backend=backend, facts=tuple(facts), job="no job was sent: it has no price")
    if price_usd > max_usd:
        said = f"no job was sent: it would cost up to ${price_usd:,.2f}, and the limit is ${max_usd:,.2f} (--max-usd)"
        return Verification(backend=backend, facts=tuple(facts), job=said)
    known = control_plane.dispatcher.latest_job(batch)
    account = control_plane.ledger.account(batch.experiment)  # today's job may have been asked for with another limit
    budget_usd = account.limit_usd if account else max(max_usd, price_usd)
    request = SubmitRequest(tier="interactive", budget_usd=budget_usd, data_class="public")
    try:
        job = control_plane.dispatcher.submit(batch, request)
    except QHybridError as error:
        facts.append(require("submission", "the job is accepted", error, agrees=False))
        return Verification(backend=backend, facts=tuple(facts), job=f"no job was submitted: {error}")
    if known is None and job.provider_job_id is not None:
        facts.append(_listing_lag(control_plane, provider, job, clock))
    job = _wait(control_plane, job, wait_seconds, clock)
    facts += _job_facts(control_plane, provider, job, batch)
    job = control_plane.ledger.job(job.job_id)  # its result was collected
    cost = "" if job.cost_settled_usd is None else f", cost ${job.cost_settled_usd:,.2f}"
    return Verification(backend=backend, facts=tuple(facts), job=f"job {job.job_id} is {job.state.value}{cost}")


def _checks(provider: Provider, backend: str) -> Iterator[Fact]:
    """Yield the free checks of the contract suite as facts."""
    subject = ProviderUnderTest(connect=lambda: provider, backend=backend, width=WIDTH)
    for check in FREE_CHECKS:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        promise = (check.__doc__ or name).split("\n", 1)[0]
        try:
            check(subject)
        except AssertionError as error:
            yield require(f"contract: {name}", promise, error or "it does not hold", agrees=False)
        except QHybridError as error:
            yield require(f"contract: {name}", promise, f"{type(error).__name__}: {error}", agrees=False)
        else:
            yield require(f"contract: {name}", promise, "holds", agrees=True)


def _smallest_batch(control_plane: ControlPlane, backend: str, clock: Clock) -> CircuitBatch:
    """Return three circuits, so that their order shows, with few shots; the same ones all day in one home."""
    capabilities = control_plane.dispatcher.capabilities(backend)
    shots = min(max(SHOTS, capabilities.min_shots), capabilities.max_shots)
    batch, _ = canary_batch("batch", width=WIDTH, qubit=1, backend=backend, shots=shots)
    day = f"{backend}|{clock.now():%Y-%m-%d}|{control_plane.home_id}"
    seeds = [[derive_seed(7, f"verify {day}", point, 0)] for point in range(batch.points)]
    experiment = f"verify-{sha256_hex(day)[:8]}"
    return replace(batch, experiment=experiment, seeds=np.array(seeds, dtype=np.uint64))


def _listing_lag(control_plane: ControlPlane, provider: Provider, job: JobRecord, clock: Clock) -> Fact:
    """Return how long a job that was just accepted is missing in the list that tokens are looked up in."""
    promised = control_plane.dispatcher.capabilities(job.backend).listing_lag_seconds
    expected = f"found by its token within {promised:g} s (the lag that is waited for)"
    began = clock.monotonic()
    while (waited := clock.monotonic() - began) < LISTED_WITHIN_SECONDS:
        try:
            found = provider.find(job.backend, job.token)
        except QHybridError as error:
            return require("listing lag and token search", expected, error, agrees=False)
        if found is not None:
            right = found.provider_job_id == job.provider_job_id
            text = f"found after {waited:.1f} s" if right else "another job was found"
            return require("listing lag and token search", expected, text, agrees=right and waited <= promised)
        clock.sleep(0.5)
    text = f"not found within {LISTED_WITHIN_SECONDS:g} s"
    return require("listing lag and token search", expected, text, agrees=False)


def _wait(control_plane: ControlPlane, job: JobRecord, wait_seconds: float, clock: Clock) -> JobRecord:
    """Poll the job until it has ended or the time is over."""
    until, pause = clock.monotonic() + wait_seconds, 0.2
    while job.state not in DONE and job.state not in TERMINAL and clock.monotonic() < until:
        clock.sleep(pause)
        pause = min(2 * pause, 10.0)
        [job] = control_plane.dispatcher.poll([job])
    return job


def _job_facts(control_plane: ControlPlane, provider: Provider, job: JobRecord, batch: CircuitBatch) -> Iterator[Fact]:
    """Yield what the job shows once it has ended, and that its result is the right one."""
    ref = job.ref if job.provider_job_id is not None else None
    if job.state not in DONE or ref is None:
        why = f"the job is {job.state.value}; ask again later today, it is the same job"
        yield unknown("job", "completed", why)
        return
    able = with_ability(provider, Ability.VERIFY_FACTS)
    if able is not None:
        yield from able.verify_facts(job.backend, (ref, batch, job.token))
    try:
        counts = control_plane.dispatcher.collect(job.job_id, batch).counts
    except QHybridError as error:
        yield require("result", "counts of this batch", error, agrees=False)
        return
    right = 0
    for point in range(batch.points):
        rows = [row for row in counts.to_pylist() if row["point"] == point]
        expected = 1 << ((1 + point) % WIDTH)
        right += max(rows, key=lambda row: row["count"])["bits"] == expected
    yield compare(
        "result: bit order", f"{batch.points} of {batch.points} circuits", f"{right} of {batch.points} circuits"
    )
