"""The provider `chaos`: any other provider behind the faults of a plan, to practise what the control plane must survive.

Its backends are ``chaos:<provider>.<backend>``, offered only where a file ``plan.json`` lies in its folder. What reaches
the other provider is real: jobs are accepted, run and paid there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.errors import Ambiguous, ProviderError, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK, Clock
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.chaos_plan import Fault, FaultPlan, PortMethod, is_hit, read_plan
from qhybrid_pipelines.execution.port import Provider
from qhybrid_pipelines.execution.token_listing import list_tokens

NAME = "chaos"


def wrap(folder: Path, providers: Mapping[str, Provider]) -> Provider | None:
    """Return the provider if there is a plan in its folder. Raises `InvalidInput` for a file that is not a plan."""
    file = folder / "plan.json"
    return ChaosProvider(read_plan(file), providers) if file.is_file() else None


class ChaosProvider:
    """Passes everything on to another provider, under its own names, unless the plan says otherwise."""

    name = NAME
    abilities = frozenset({Ability.LIST_TOKENS})

    def __init__(self, plan: FaultPlan, providers: Mapping[str, Provider], clock: Clock = SYSTEM_CLOCK) -> None:
        self._plan, self._clock = plan, clock
        self._inner = {
            f"{NAME}:{backend.replace(':', '.', 1)}": (provider, backend)
            for provider in providers.values()
            for backend in provider.backends()
        }
        self._hits: Counter[tuple[int, str]] = Counter()

    def backends(self) -> tuple[str, ...]:
        """Return the names of the wrapped backends."""
        return tuple(self._inner)

    def capabilities(self, backend: str) -> circuit_jobs.Capabilities:
        """Return what the backend behind can do."""
        provider, inner = self._resolve_backend(backend)
        return replace(provider.capabilities(inner), backend=backend, readout_calibrated=False, suppression=())

    def calibration(self, backend: str) -> circuit_jobs.Calibration | None:
        """Return the calibration of the backend behind."""
        provider, inner = self._resolve_backend(backend)
        return provider.calibration(inner)

    def status(self, backend: str) -> circuit_jobs.BackendStatus:
        """Return the status of the backend behind."""
        provider, inner = self._resolve_backend(backend)
        return provider.status(inner)

    def prepare(self, template: circuit_jobs.Template, backend: str, *, level: int, seed: int) -> circuit_jobs.Compiled:
        """Compile for the backend behind."""
        provider, inner = self._resolve_backend(backend)
        return provider.prepare(template, inner, level=level, seed=seed)

    def estimate(self, batch: Batch) -> circuit_jobs.Estimate:
        """Return the price at the backend behind, or fail as planned."""
        provider, inner = self._resolve_backend(batch.backend)
        self._apply_faults("estimate", batch.payload_sha256)
        return provider.estimate(replace(batch, backend=inner))

    def submit(self, batch: Batch, token: str) -> circuit_jobs.JobRef:
        """Submit to the backend behind, or fail before or after it has accepted, as planned."""
        provider, inner = self._resolve_backend(batch.backend)
        effects = self._apply_faults("submit", token)
        if "before" in effects:
            raise Ambiguous("planned: the connection broke")
        ref = provider.submit(replace(batch, backend=inner), token)
        if "after" in effects:
            raise Ambiguous("planned: the connection broke")
        return _outer_ref(ref, batch.backend)

    def find(self, backend: str, token: str) -> circuit_jobs.JobRef | None:
        """Look up at the backend behind, or fail as planned."""
        provider, inner = self._resolve_backend(backend)
        self._apply_faults("find", token)
        ref = provider.find(inner, token)
        return None if ref is None else _outer_ref(ref, backend)

    def list_tokens(
        self, backend: str, tokens: Sequence[str], *, known_jobs: Sequence[str] = ()
    ) -> circuit_jobs.TokenListing:
        """Look tokens up at the backend behind, or fail as planned."""
        provider, inner = self._resolve_backend(backend)
        for token in tokens:
            self._apply_faults("find", token)
        listing = list_tokens(provider, inner, tokens, known_jobs=known_jobs)
        return replace(
            listing,
            labelled=_outer_jobs(listing.labelled, backend),
            jobs=_outer_jobs(listing.jobs, backend),
        )

    def poll(self, refs: Sequence[circuit_jobs.JobRef]) -> list[circuit_jobs.Snapshot]:
        """Poll jobs behind, one request per provider, or fail or lose some as planned."""
        found: dict[circuit_jobs.JobRef, circuit_jobs.Snapshot] = {}
        refs_by_provider: dict[str, list[circuit_jobs.JobRef]] = {}
        for ref in refs:
            provider, _ = self._resolve_backend(ref.backend)
            if "lost" in self._apply_faults("poll", ref.provider_job_id):
                message = "planned: the provider does not know this job any more"
                found[ref] = circuit_jobs.Snapshot(ref=ref, state=JobState.FAILED, raw_status="lost", message=message)
            else:
                refs_by_provider.setdefault(provider.name, []).append(ref)
        for group in refs_by_provider.values():
            provider, _ = self._resolve_backend(group[0].backend)
            try:
                seen = provider.poll([self._inner_ref(ref) for ref in group])
            except ProviderError as error:
                names = {self._inner_ref(ref): ref for ref in group}
                error.seen = (
                    *found.values(),
                    *(replace(shot, ref=names[shot.ref]) for shot in error.seen),
                )
                raise
            found |= {ref: replace(shot, ref=ref) for ref, shot in zip(group, seen, strict=True)}
        return [found[ref] for ref in refs]

    def fetch(self, ref: circuit_jobs.JobRef) -> circuit_jobs.RawResult:
        """Fetch from the backend behind; fail or change a byte as planned."""
        provider, _ = self._resolve_backend(ref.backend)
        effects = self._apply_faults("fetch", ref.provider_job_id)
        raw = replace(provider.fetch(self._inner_ref(ref)), ref=ref)
        if "corrupt" in effects:
            middle = len(raw.content) // 2
            changed = bytes([raw.content[middle] ^ 1])
            raw = replace(raw, content=raw.content[:middle] + changed + raw.content[middle + 1 :])
        return raw

    def decode(self, raw: circuit_jobs.RawResult, batch: Batch) -> pa.Table:
        """Decode as the backend behind does."""
        provider, inner = self._resolve_backend(batch.backend)
        return provider.decode(replace(raw, ref=self._inner_ref(raw.ref)), replace(batch, backend=inner))

    def details(self, raw: circuit_jobs.RawResult) -> dict[str, Any]:
        """Return what the backend behind says about the run."""
        provider, _ = self._resolve_backend(raw.ref.backend)
        return provider.details(replace(raw, ref=self._inner_ref(raw.ref)))

    def cancel(self, ref: circuit_jobs.JobRef) -> circuit_jobs.CancelOutcome:
        """Cancel at the backend behind, or fail as planned."""
        provider, _ = self._resolve_backend(ref.backend)
        self._apply_faults("cancel", ref.provider_job_id)
        return provider.cancel(self._inner_ref(ref))

    def _resolve_backend(self, backend: str) -> tuple[Provider, str]:
        try:
            return self._inner[backend]
        except KeyError:
            known = ", ".join(self._inner)
            raise Rejected(f"no backend {backend!r}; there are {known}") from None

    def _inner_ref(self, ref: circuit_jobs.JobRef) -> circuit_jobs.JobRef:
        provider, inner = self._resolve_backend(ref.backend)
        return replace(ref, provider=provider.name, backend=inner)

    def _apply_faults(self, method: PortMethod, subject: str) -> set[str]:
        """Count a call, wait or raise as planned, and return the words that the caller has to act on."""
        effects: set[str] = set()
        for place, rule in enumerate(self._plan.faults):
            if rule.on != method or not is_hit(self._plan.seed, place, subject, rule.share):
                continue
            if rule.times is not None and self._hits[place, subject] >= rule.times:
                continue
            self._hits[place, subject] += 1
            self._wait_or_raise(rule)
            effects.add(rule.fault)
        return effects

    def _wait_or_raise(self, rule: Fault) -> None:
        if rule.fault == "slow":
            self._clock.sleep(rule.seconds)
        elif rule.fault == "throttle":
            raise Throttled("planned: too many requests", retry_after_seconds=rule.seconds)
        elif rule.fault == "unavailable":
            raise Unavailable("planned: no answer")


def _outer_ref(ref: circuit_jobs.JobRef, backend: str) -> circuit_jobs.JobRef:
    return replace(ref, provider=NAME, backend=backend)


def _outer_jobs(
    found: Mapping[str, tuple[circuit_jobs.ListedJob, ...]], backend: str
) -> dict[str, tuple[circuit_jobs.ListedJob, ...]]:
    return {
        token: tuple(replace(job, ref=_outer_ref(job.ref, backend)) for job in listed)
        for token, listed in found.items()
    }
