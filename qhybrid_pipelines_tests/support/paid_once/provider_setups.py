"""What is fought over when processes are killed: requests, a ledger, a provider with faults, and the provider's own book.

Every batch of a setup has another number: its shots, or what else it asks for. By this the book tells the batches apart, whatever
token came with them and whatever our ledger says.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from qhybrid_pipelines.control.home_identity import HomeGuard
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.jobs.ledger_clock import LedgerClock
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.errors import ProviderError, Rejected, Throttled
from qhybrid_pipelines.core.jobs import provider_time
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, JobRef
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK, Clock, boot_seconds
from qhybrid_pipelines.emulator.faults import FAULTS as FAULTS_OF_EMULATOR
from qhybrid_pipelines.emulator.process import Emulator, start_emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.conformance.provider_under_test import HYBRID_SECONDS
from qhybrid_pipelines.execution.http.transport import CERTIFICATE_VARIABLES
from qhybrid_pipelines.execution.port import Provider
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.connect_proxy import HOST, connect_proxy, make_certificate
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch

EXPERIMENT = "maxcut-small-00000000"
FEWEST_SHOTS = 100
#: Of the job that was accepted before anything else, so that every list of the provider must show it.
KNOWN_EXPERIMENT, KNOWN_SHOTS = "known-00000000", 99
PRICE_USD = 0.01
#: Breakers open and close all the time, but hold nobody up.
POLICY = Policy.model_validate(
    {
        "rules": [{"name": "all", "then": "allow", "reason": "nothing here is real"}],
        "routing": {"breaker": {"failures": 5, "open_seconds": 0.002, "max_open_seconds": 0.01}},
    }
)

#: How often the double does what to a submission.
FAULTS = {
    "none": 14,
    "throttled": 2,
    "ambiguous_before": 2,
    "ambiguous_after": 2,
    "rejected_after": 1,
    "throttled_after": 1,
}


def submission_faults(route: str) -> list[dict[str, Any]]:
    """Return what happens to requests that submit: refused, dropped or cut off, before or after they were accepted."""
    return [
        {"route": route, "probability": 0.06, "fault": "before_accept", "params": {"status": 503}},
        {"route": route, "probability": 0.04, "fault": "before_accept", "params": {"drop": True}},
        {"route": route, "probability": 0.06, "fault": "after_accept", "params": {"status": 504}},
        {"route": route, "probability": 0.04, "fault": "after_accept", "params": {"drop": True}},
        {"route": route, "probability": 0.03, "fault": "truncated_json"},
        {"route": route, "probability": 0.03, "fault": "throttle", "params": {"retry_after": 0}},
        *(
            {"route": route, "probability": 0.02, "fault": "gateway", "params": {"status": status}}
            for status in (400, 401, 404, 409, 429)
        ),
        {"route": route, "probability": 0.02, "fault": "gateway", "params": {"status": 429, "accept": False}},
    ]


def doubts(route: str) -> list[dict[str, Any]]:
    """Return what happens to requests that submit: refused by a gateway after they were accepted, or by the provider, for now."""
    return [
        {"route": route, "probability": 0.15, "fault": "gateway", "params": {"status": 429}},
        {"route": route, "probability": 0.15, "fault": "throttle", "params": {"retry_after": 0}},
    ]


EMULATOR_LAG_SECONDS = 0.05
#: What the adapter is told: the listing's lag and the time that a request may still be under way after its sender died.
DECLARED_LAG_SECONDS = 0.2
EMULATOR_FAULTS: list[dict[str, Any]] = [
    *submission_faults("POST /jobs"),
    {"route": "GET /jobs", "probability": 0.03, "fault": "reset"},
    # Once: of a job of which it was said twice, seconds apart, that it had failed, it is true.
    {"route": "GET /jobs", "probability": 0.03, "times": 1, "fault": "early_answer", "params": {"what": "failed"}},
    {"route": "GET /jobs/{id}/results", "probability": 0.05, "fault": "early_answer", "params": {"what": "empty"}},
    {"route": "GET /jobs/{id}/results", "probability": 0.05, "fault": "early_answer", "params": {"what": "short"}},
    {"route": "GET /jobs/{id}", "probability": 0.05, "fault": "early_answer", "params": {"what": "no_shots"}},
    {"fault": "children_lag", "params": {"seconds": 0.02}},
    {"fault": "result_missing", "probability": 0.1, "params": {"n": 1}},
    {"fault": "listing_lag", "params": {"seconds": EMULATOR_LAG_SECONDS}},
]
#: Where clocks are wrong, requests also arrive late: so much later, and the adapter is told that they may be accepted for so long.
LATE_SECONDS, ACCEPTANCE_SECONDS = 0.4, 3.0
LATE_FAULTS: list[dict[str, Any]] = [
    {
        "route": "POST /jobs",
        "probability": 0.1,
        "fault": "slow",
        "params": {"seconds": LATE_SECONDS, "accept": "last"},
    }
]
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
#: Of the answers to submissions, how many a proxy loses.
SHARE_LOST_BY_PROXY = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A line of a provider's book."""

    provider_job_id: str
    number: int


class RecordingVendor(DurableVendor):
    """Also says what time it is, and notes which submissions reached it and which it answered with "nothing was accepted"."""

    def _count(self, kind: str) -> None:
        super()._count(kind)
        now = boot_seconds()
        provider_time.note_answer({"Date": formatdate(usegmt=True)}, sent=now, received=now)

    def submit(self, batch: CircuitBatch, token: str) -> JobRef:
        self._note("came", batch)
        try:
            return super().submit(batch, token)
        except (Rejected, Throttled) as error:
            if not error.request_sent:
                self._note("put off", batch)
            raise

    def noted(self, what: str) -> list[int]:
        """Return the shots of the submissions that were noted."""
        path = self.folder / what
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _note(self, what: str, batch: CircuitBatch) -> None:
        with (self.folder / what).open("a") as file:
            file.write(f"{batch.shots}\n")


class DurableVendorSetup:
    """A setup around the durable double, in a folder."""

    def __init__(self, home: Path, dedupe: str, rng: random.Random, *, length: int) -> None:
        self.home, self.dedupe = home, dedupe
        self._options: dict[str, Any] = {
            "dedupe": dedupe,
            "listing_lag_seconds": 0.02 if dedupe == "tag_lookup" else 0.0,
            "price_usd": PRICE_USD,
            "calls_seconds": rng.uniform(0.0, 0.004),
        }
        self.requests = make_requests(rng, length, make_batch())
        self.known_batch = replace(make_batch(seed=90_000), experiment=KNOWN_EXPERIMENT, shots=KNOWN_SHOTS)
        faults = rng.choices(list(FAULTS), list(FAULTS.values()), k=6 * length)
        self._planned = Counter(faults)
        self.provider().plan_faults("none", *faults)

    def struck(self) -> Counter[str]:
        """Return how often each fault has struck."""
        left = Counter(json.loads((self.provider().folder / "faults.json").read_text()))
        return self._planned - left - Counter(none=self._planned["none"])

    def provider(self) -> RecordingVendor:
        return RecordingVendor(self.home / "vendor", **self._options)

    def book(self) -> list[Accepted]:
        vendor = self.provider()
        return [
            Accepted(provider_job_id=line["id"], number=_total_shots(vendor.folder / f"{line['id']}.result"))
            for line in vendor.book()
        ]

    def count_unresolved_resubmissions(self) -> int:
        """Count submissions that followed one of which nobody knows the end; only of a provider that cannot tell."""
        if self.dedupe != "none":
            return 0
        came, put_off = self.provider().noted("came"), self.provider().noted("put off")
        return sum(max(0, came.count(shots) - put_off.count(shots) - 1) for shots in set(came))


class EmulatorSetup:
    """A setup around the emulator, reached over HTTP through the adapter of `ionq`."""

    dedupe = "tag_lookup"

    def __init__(self, home: Path, emulator: Emulator, rng: random.Random, *, length: int) -> None:
        self.home, self._emulator = home, emulator
        batch, _ = canary_batch("batch", width=4, qubit=1, backend="ionq:simulator")
        self.requests = make_requests(rng, length, replace(batch, experiment=EXPERIMENT))
        self.known_batch = replace(batch, experiment=KNOWN_EXPERIMENT, shots=KNOWN_SHOTS)

    def provider(self) -> Provider:
        return IonQProvider(self.home / "ionq")

    def book(self) -> list[Accepted]:
        jobs = httpx.get(f"{self._emulator.admin_url}/jobs", timeout=30).json()["jobs"]
        return [Accepted(provider_job_id=job["id"], number=job["shots"]) for job in jobs]

    def struck(self) -> Counter[str]:
        """Return how often each rule of the fault plan that strikes single requests and jobs has struck."""
        rules = httpx.get(f"{self._emulator.admin_url}/faults", timeout=30).json()["rules"]
        struck = Counter[str]()
        for rule in rules:
            if not rule["fault"].endswith("_lag"):
                struck[_fault_name(rule)] += rule["fired"]
        return struck

    def count_unresolved_resubmissions(self) -> int:
        return 0

    def add_doubts(self) -> None:
        """Let every third answer to a submission be one that is doubted."""
        with httpx.Client(base_url=self._emulator.admin_url, timeout=30) as admin:
            rules = admin.get("/faults").json()["rules"]
            route = next(rule["route"] for rule in rules if rule["fault"] == "gateway")
            plan = [{name: value for name, value in rule.items() if name not in ("seen", "fired")} for rule in rules]
            admin.put("/faults", content=json.dumps([*plan, *doubts(route)])).raise_for_status()


ProviderSetup = DurableVendorSetup | EmulatorSetup


@contextmanager
def run_emulator(folder: Path, seed: int, *, has_proxy: bool = False, has_clocks: bool = False) -> Iterator[Emulator]:
    """Run an emulator with the fault plan, and lead this process and its children to it.

    Args:
        folder: of its own.
        seed: of its chances.
        has_proxy: the only way to it is a proxy that loses answers.
        has_clocks: the clocks of machines are set, and requests are accepted late.
    """
    folder.mkdir(parents=True)
    plan = folder / "faults.json"
    plan.write_text(json.dumps([*(LATE_FAULTS if has_clocks else []), *EMULATOR_FAULTS]))
    emulator = start_emulator(folder / "cloud", speed=1000.0, seed=seed, faults=plan)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        stack.callback(emulator.stop)
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        patch.setenv("IONQ_LISTING_LAG_SECONDS", str(DECLARED_LAG_SECONDS))
        if has_clocks:
            patch.setenv("IONQ_ACCEPTANCE_SECONDS", str(ACCEPTANCE_SECONDS))
        else:
            # One machine, and nobody sets its clock: what is told to the adapter is what is waited for.
            patch.setattr(LedgerClock, "margin_seconds", lambda *_: 0.0)
        if has_proxy:
            for name in (*CERTIFICATE_VARIABLES, *PROXY_VARIABLES, *map(str.lower, PROXY_VARIABLES)):
                patch.delenv(name, raising=False)
            certificate = make_certificate(folder)
            upstream = emulator.url.rpartition("/")[0]
            patch.setenv("HTTPS_PROXY", stack.enter_context(_proxy_process(upstream, certificate, seed)))
            patch.setenv("SSL_CERT_FILE", str(certificate))
            patch.setenv("IONQ_API_URL", f"https://{HOST}/v0.4")
        yield emulator


@contextmanager
def run_face(
    folder: Path,
    seed: int,
    settings: Callable[[Emulator], Mapping[str, str]],
    *,
    faults: Sequence[Mapping[str, Any]] = (),
    drift_hours: float | None = None,
) -> Iterator[Emulator]:
    """Run an emulator, and lead this process and its children to one of its faces.

    Args:
        folder: of its own.
        seed: of its chances.
        settings: returns the environment variables that lead there.
        faults: that it begins with.
        drift_hours: as of `start_emulator`.
    """
    folder.mkdir(parents=True)
    plan = folder / "faults.json"
    plan.write_text(json.dumps(list(faults)))
    emulator = start_emulator(folder / "cloud", speed=1000.0, seed=seed, faults=plan, drift_hours=drift_hours)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        stack.callback(emulator.stop)
        for name, value in settings(emulator).items():
            patch.setenv(name, value)
        patch.setattr(LedgerClock, "margin_seconds", lambda *_: 0.0)
        yield emulator


@contextmanager
def _proxy_process(upstream: str, certificate: Path, seed: int) -> Iterator[str]:
    """Run a proxy in a process of its own, since the one that forks must have no threads; give its address."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve_proxy, args=(upstream, certificate, seed, there), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("end")
        process.join(timeout=30)


def _serve_proxy(upstream: str, certificate: Path, seed: int, pipe: Connection) -> None:
    with connect_proxy(upstream, certificate) as proxy:
        proxy.share_to_lose = SHARE_LOST_BY_PROXY
        proxy.chance.seed(seed)
        pipe.send(proxy.url)
        pipe.recv()


def make_dispatcher(
    setup: ProviderSetup, ledger: SqlLedger, *, clock: Clock = SYSTEM_CLOCK, guard: HomeGuard | None = None
) -> Dispatcher:
    """Return a dispatcher as a new process makes it."""
    provider: Provider = setup.provider()
    return Dispatcher(
        ledger,
        {provider.name: provider},
        RawStore(setup.home / "raw"),
        policy=POLICY,
        clock=clock,
        guard=guard,
        home_id=ledger.identity().home_id if guard is not None else "",
    )


def submit_known_job(setup: ProviderSetup, ledger: SqlLedger) -> None:
    """Submit the job that every list must show from then on, whatever faults it meets; a person would do the same."""
    dispatcher = make_dispatcher(setup, ledger)
    while True:
        try:
            job = dispatcher.submit(setup.known_batch, SubmitRequest(tier="batch", budget_usd=1.0))
        except ProviderError:
            continue
        if job.state is not JobState.SUBMIT_UNKNOWN:
            break
        there = [line.provider_job_id for line in setup.book() if line.number == KNOWN_SHOTS]
        dispatcher.decisions.resolve(job.job_id, there[0] if there else None)
    time.sleep(2 * DECLARED_LAG_SECONDS)


def make_requests(rng: random.Random, length: int, like: Batch) -> list[list[SubBatch]]:
    """Return requests of one to three batches; those of several are planned in one transaction."""
    following, made = FEWEST_SHOTS, []
    for _ in range(length):
        sub_batches = []
        for number in range(rng.choice((1, 1, 1, 2, 3))):
            batch = numbered(like, following)
            sub_batches.append(SubBatch(batch=batch, first_point=0, first_repetition=2 * number))
            following += 1
        made.append(sub_batches)
    return made


def numbered(like: Batch, number: int) -> Batch:
    """Return a batch like another that asks for so many shots; of a hybrid solver, which has none, for so many hundredths of a second more."""
    if isinstance(like, HybridBatch):
        return replace(like, time_limit=like.time_limit + number / 100)
    return replace(like, shots=number, seeds=like.seeds + np.uint64(number))


def number_of(batch: Batch) -> int:
    """Return the number of a batch that `numbered` has made."""
    return round((batch.time_limit - HYBRID_SECONDS) * 100) if isinstance(batch, HybridBatch) else batch.shots


def _fault_name(rule: Mapping[str, Any]) -> str:
    changed = {
        name: value for name, value in rule["params"].items() if FAULTS_OF_EMULATOR[rule["fault"]][1][name] != value
    }
    return " ".join([rule["route"], rule["fault"], *(f"{name}={value}" for name, value in changed.items())])


def _total_shots(result: Path) -> int:
    return int(json.loads(result.read_text())["counts"][0]["count"])
