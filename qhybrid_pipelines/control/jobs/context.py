"""What all rooms for jobs work with: ledger, providers and time; what backends say of themselves; how a job takes a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from qhybrid_pipelines.control.home_identity import HomeGuard
from qhybrid_pipelines.control.jobs.ledger_clock import ClockDisagreement, LedgerClock
from qhybrid_pipelines.control.ledger.chain import chain_anchor
from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger, StaleJob, Transition
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, Refused
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import BackendStatus, Calibration, Capabilities, Estimate
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.execution.port import Provider, calling

#: Events that change nothing about what a provider may hold.
_NOTES = frozenset(EVENT_NAMES[event] for event in (Event.INTEND_CANCEL, Event.DOUBT_ANSWER, Event.REPRIORITISE))

#: What is sent later after its intent is not sent: a server gives the locks of a machine that it does not hear to others after a minute.
SEND_WITHIN_SECONDS = 30.0


def find_provider(providers: Mapping[str, Provider], backend: str) -> Provider:
    """Return the provider of a backend. Raises `InvalidInput` where there is none of this name."""
    name = backend.partition(":")[0]
    if name not in providers:
        raise InvalidInput(
            f"there is no provider '{name}' for backend '{backend}'",
            remedy=f"Choose a backend of {', '.join(sorted(providers))}.",
            field="backends",
        )
    return providers[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """Ledger, providers and time.

    Attributes:
        ledger: where every step is written.
        providers: by name, the first part of their backends' names.
        time: the present by the ledger's clock, and whether it can be relied on.
        anchor: file with the link of the ledger that was noted outside it; None where nothing is noted.
        tenant: part of every token, so that two tenants of one account never share one.
        limits_of: what all experiments together may spend, as far as it concerns one of them, by its key, and who asks.
        home_id: of the ledger that decides; it labels what is sent, and is never part of a token.
        guard: knows whether this is the home that it says it is; None where nobody asks.
    """

    ledger: Ledger
    providers: Mapping[str, Provider]
    time: LedgerClock
    anchor: Path | None = None
    tenant: str = ""
    home_id: str = ""
    guard: HomeGuard | None = None
    limits_of: Callable[[str, str], tuple[SpendingLimit, ...]] = lambda _, __: ()

    @property
    def clock(self) -> Clock:
        """The ledger's clock."""
        return self.time.clock

    def provider_for(self, backend: str) -> Provider:
        """Return the provider of a backend. Raises as `find_provider`."""
        return find_provider(self.providers, backend)

    def capabilities(self, backend: str) -> Capabilities:
        """Return a backend's limits and abilities.

        Raises:
            InvalidInput: there is no such provider.
            ProviderError: it has no such backend, or did not answer.
        """
        provider = self.provider_for(backend)
        with calling(provider.name, "capabilities"):
            return provider.capabilities(backend)

    def is_immediate(self, backend: str) -> bool:
        """Tell whether a job on a backend is done when it is acknowledged; false where nobody can say."""
        try:
            return self.capabilities(backend).immediate
        except (ProviderError, InvalidInput):
            return False

    def calibration(self, backend: str) -> Calibration | None:
        """Return a backend's newest calibration, None for one that has nothing to calibrate. Raises as `capabilities`."""
        provider = self.provider_for(backend)
        with calling(provider.name, "calibration"):
            return provider.calibration(backend)

    def status(self, backend: str) -> BackendStatus:
        """Return whether a backend takes jobs now, and how long its queue is. Raises as `capabilities`."""
        provider = self.provider_for(backend)
        with calling(provider.name, "status"):
            return provider.status(backend)

    def estimate(self, batch: Batch) -> Estimate:
        """Return the cost range of a batch on its backend. Raises as `capabilities`."""
        provider = self.provider_for(batch.backend)
        with calling(provider.name, "estimate"):
            return provider.estimate(batch)

    def check_clock(self, backend: str, *, ask: bool = False) -> None:
        """Return if durations can be relied on for what is done with a backend's provider.

        Args:
            backend: of that provider.
            ask: ask for the backend's status first where its provider's time was not heard lately; it is another clock.

        Raises:
            ClockDisagreement: two clocks are too far apart.
            ProviderError: the provider was asked and did not answer.
        """
        name = self.provider_for(backend).name
        if ask and self.time.should_ask(name):
            self.status(backend)
        self.time.check(name)

    def can_measure_time(self, backend: str) -> bool:
        """Tell whether this machine's clock agrees with a provider's, so that it can say how long something has taken."""
        try:
            self.check_clock(backend)
        except ClockDisagreement:
            return False
        return True

    def check_untouched(self, job: JobRecord) -> None:
        """Return if what the ledger says about a job is what was written; asked before a job is sent.

        Raises:
            Refused: somebody changed the ledger behind our back, or it is not the one that it was, or the home's.
            CorruptFile: the note outside the ledger cannot be read.
        """
        if self.guard is not None:
            self.guard.check()
        found = self.ledger.audit_rows(job_id=job.job_id)
        noted = chain_anchor.read_link(self.anchor) if self.anchor is not None else None
        if noted is not None and not self.ledger.contains(noted):
            found.append(chain_anchor.explain_missing(noted, self.ledger.head()))
        if found:
            raise Refused(
                f"job {job.job_id} is not sent, because the ledger is not what was written: {'; '.join(found)}. "
                "`qhybrid doctor --full` names everything that differs, and docs/runbook.md says how to go on."
            )

    def check_prompt(self, job: JobRecord, since: datetime) -> None:
        """Return if a job is sent right after it was decided under its lock that it would be; asked immediately before the call.

        A machine that was suspended in between has lost its lock on a server. Another one may have sent the job by now, or have
        taken its work elsewhere, which a provider that merges equal tokens does not notice.

        Args:
            job: to be sent.
            since: when its intent was written, or a request to have it back was looked for last, by the ledger's clock.

        Raises:
            Refused: too much time has passed by the ledger's clock; the next call looks the job up first.
        """
        passed = (self.clock.now() - since).total_seconds()
        if passed > SEND_WITHIN_SECONDS:
            raise Refused(
                f"job {job.job_id} is not sent: this machine stood still for {passed:.0f} s after it had written down that it "
                "would send it, and another one may have done so meanwhile. Run the same command again: it looks first"
            )

    def note_intent(self) -> None:
        """Note the ledger's last event outside it, durably: a ledger of before, put back later, does not contain that."""
        if self.anchor is not None:
            chain_anchor.advance(self.anchor, self.ledger, now=self.clock.now())

    def advance(self, job: JobRecord, event: Event, **fields: Any) -> JobRecord:
        """Let a job take one step now and return it.

        Args:
            job: as it was read.
            event: the step.
            fields: what becomes known with it, as for `Transition.single`.

        Raises:
            StaleJob: somebody else has changed the job since it was read; nothing was written.
        """
        return self.ledger.advance(Transition.single(job, event, self.clock.now(), **fields))

    def advance_locked(self, job: JobRecord, event: Event, **fields: Any) -> JobRecord:
        """Let a job whose lock this process holds take one step, although a request or a doubt may have been noted meanwhile.

        Raises:
            StaleJob: something else has happened to the job since it was read, for example it was sent once more by a process
                that took over a lock that was lost; nothing was written.
        """
        return self.write_locked(Transition.single(job, event, self.clock.now(), **fields))

    def write_locked(self, transition: Transition) -> JobRecord:
        """Write some steps of a job whose lock this process holds. As `advance_locked`."""
        while True:
            try:
                return self.ledger.advance(transition)
            except StaleJob:
                job = transition.job
                current = self.ledger.job(job.job_id)
                since = self.ledger.events(job.job_id)[job.version : current.version]
                if not since or any(event.event not in _NOTES for event in since):
                    raise
                transition = replace(transition, job=current)

    def advance_or_reload(self, job: JobRecord, event: Event, **fields: Any) -> JobRecord:
        """Let a job take one step now; where somebody else was quicker, return what they made of it."""
        return self.write_or_reload(Transition.single(job, event, self.clock.now(), **fields))

    def write_or_reload(self, transition: Transition) -> JobRecord:
        """Write some steps of one job; where somebody else was quicker, return what they made of it."""
        try:
            return self.ledger.advance(transition)
        except StaleJob:
            return self.ledger.job(transition.job.job_id)
