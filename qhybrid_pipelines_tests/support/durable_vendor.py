"""A small real provider that keeps its own book on disk: the judge of what was accepted, and paid, how often.

It survives its callers: acceptance is a line in ``book.jsonl`` that is flushed before anybody hears of it. Faults are
a queue in a file, so that they meet whichever process comes next.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.errors import Ambiguous, CorruptResult, Rejected, Throttled
from qhybrid_pipelines.core.jobs.circuit_jobs import (
    BackendStatus,
    Calibration,
    CancelOutcome,
    Capabilities,
    CircuitBatch,
    Compiled,
    Estimate,
    JobRef,
    ListedJob,
    RawResult,
    Snapshot,
    Template,
    TokenListing,
)
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.failpoints import failpoint
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.port import COUNTS_SCHEMA

BACKEND = "vendor:device"
QUEUED, RUNNING = timedelta(seconds=2), timedelta(seconds=3)


def make_batch(
    *,
    experiment: str = "maxcut-small-00000000",
    backend: str = BACKEND,
    points: int = 2,
    shots: int = 100,
    seed: int = 1,
) -> CircuitBatch:
    """A batch of three qubits and two repetitions."""
    template = Template(text="OPENQASM 3.0; input float[64] gamma_0;", parameters=("gamma_0",), n_qubits=3)
    return CircuitBatch(
        experiment=experiment,
        backend=backend,
        template=template,
        bindings=np.linspace(0, 1, points).reshape(points, 1),
        shots=shots,
        seeds=np.arange(2 * points, dtype=np.uint64).reshape(points, 2) + np.uint64(seed),
    )


class DurableVendor:
    """Keeps the promises of the provider port, in a folder."""

    abilities = frozenset({Ability.LIST_TOKENS, Ability.LABEL_JOBS})
    home_id = ""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "vendor",
        dedupe: Any = "token",
        listing_lag_seconds: float = 0.0,
        acceptance_seconds: float = 0.0,
        price_usd: float = 0.0,
        max_qubits: int = 20,
        calls_seconds: float = 0.0,
        mode: Any = "simulator",
        immediate: bool = False,
        retry_after_seconds: float | None = None,
        region: str | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name, self.backend = name, f"{name}:device"
        self.folder, self.dedupe, self.lag = folder, dedupe, listing_lag_seconds
        self.acceptance_seconds = acceptance_seconds
        self.price_usd, self.max_qubits, self.calls_seconds = price_usd, max_qubits, calls_seconds
        self.mode, self.immediate, self.retry_after = mode, immediate, retry_after_seconds
        self.region = region

    # -- the book, for the judge -----------------------------------------------------------------------------------

    def book(self) -> list[dict[str, Any]]:
        """Every job that was ever accepted."""
        path = self.folder / "book.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def calls(self, kind: str) -> int:
        """How often a method was called."""
        path = self.folder / f"calls_{kind}"
        return len(path.read_text()) if path.exists() else 0

    def plan_faults(self, *faults: str) -> None:
        """Faults of the next submissions, in this order; ``none`` lets one through."""
        # Whole or not at all: processes that race plan at the same time.
        unfinished = self.folder / f"faults.{os.getpid()}.part"
        unfinished.write_text(json.dumps(faults))
        unfinished.replace(self.folder / "faults.json")

    def accept_late(self, batch: CircuitBatch) -> None:
        """The request of a submission with the fault ``late`` is accepted only now, long after its sender gave up."""
        self._accept((self.folder / "on_its_way").read_text(), batch)

    def accept_earlier(self, seconds: float) -> None:
        """Everything in the book was accepted so much earlier."""
        lines = [line | {"accepted_at": line["accepted_at"] - seconds} for line in self.book()]
        (self.folder / "book.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    def show(self, provider_job_id: str, state: JobState, *, raw: str | None = None, **facts: Any) -> None:
        """What the next polls see of a job."""
        record = {"state": state, "raw": raw or state.lower(), **facts}
        unfinished = self.folder / f"{provider_job_id}.part"
        unfinished.write_text(json.dumps(record, default=datetime.isoformat))
        unfinished.replace(self.folder / f"{provider_job_id}.json")  # whoever looks meanwhile sees the one before

    def show_status(self, **facts: Any) -> None:
        """What the backend says of itself."""
        (self.folder / "status.json").write_text(json.dumps({"online": True} | facts))

    def calibrate(self, calibration_id: str, measured_at: datetime) -> None:
        """A new calibration."""
        (self.folder / "calibration.json").write_text(json.dumps([calibration_id, measured_at.isoformat()]))

    # -- the port --------------------------------------------------------------------------------------------------

    def backends(self) -> tuple[str, ...]:
        return (self.backend,)

    def capabilities(self, backend: str) -> Capabilities:
        if backend != self.backend:
            raise Rejected(f"no backend {backend}")
        return Capabilities(
            backend=backend,
            max_qubits=self.max_qubits,
            max_shots=1000,
            max_circuits_per_job=100,
            native_gates=("rx", "rzz"),
            parametric=True,
            simulator=True,
            noisy=False,
            dedupe=self.dedupe,
            listing_lag_seconds=self.lag,
            acceptance_seconds=self.acceptance_seconds,
            queue="first come, first served",
            security="none",
            states=(JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED),
            mode=self.mode,
            immediate=self.immediate,
            region=self.region,
        )

    def calibration(self, backend: str) -> Calibration | None:
        path = self.folder / "calibration.json"
        if not path.exists():
            return None
        calibration_id, measured_at = json.loads(path.read_text())
        at = datetime.fromisoformat(measured_at)
        return Calibration(calibration_id=calibration_id, measured_at=at, fetched_at=at, payload={"t1_us": 100.0})

    def status(self, backend: str) -> BackendStatus:
        self._count("status")
        path = self.folder / "status.json"
        return BackendStatus(**json.loads(path.read_text())) if path.exists() else BackendStatus(online=True)

    def prepare(self, template: Template, backend: str, *, level: int, seed: int) -> Compiled:
        return Compiled(
            template_id=template.template_id,
            compiled_sha256=template.template_id[::-1],
            depth=7,
            two_qubit_gates=3,
            compile_seconds=0.25,
        )

    def estimate(self, batch: CircuitBatch) -> Estimate:
        return Estimate(
            low_usd=0.0, high_usd=self.price_usd, assumptions="flat price", source="price list of 2026-01-01"
        )

    def submit(self, batch: CircuitBatch, token: str) -> JobRef:
        self._count("submit")
        time.sleep(self.calls_seconds)
        failpoint("vendor.received")
        with self._locked():
            fault = self._next_fault()
            if fault == "throttled":
                raise Throttled("slow down", retry_after_seconds=self.retry_after)
            if fault == "rejected":
                raise Rejected("shots must be even")
            if fault == "late":
                (self.folder / "on_its_way").write_text(token)
            if fault in ("ambiguous_before", "late"):
                raise Ambiguous("connection reset")
            known = [line for line in self.book() if line["token"] == token] if self.dedupe == "token" else []
            job_id = known[0]["id"] if known else self._accept(token, batch)
            if fault == "ambiguous_after":
                raise Ambiguous("connection reset")
            if fault == "rejected_after":  # a gateway's answer to what was accepted behind it
                raise Rejected("400 from the gateway")
            if fault == "throttled_after":
                raise Throttled("429 from the gateway", retry_after_seconds=self.retry_after)
        failpoint("vendor.accepted")
        return JobRef(provider=self.name, backend=batch.backend, provider_job_id=job_id)

    def find(self, backend: str, token: str) -> JobRef | None:
        assert self.dedupe != "none", "there is nothing to look tokens up by"
        self._count("find")
        for line in self.book():
            if line["token"] == token and line["accepted_at"] <= time.time() - self.lag:
                return JobRef(provider=self.name, backend=backend, provider_job_id=line["id"])
        return None

    def list_tokens(self, backend: str, tokens: Sequence[str], *, known_jobs: Sequence[str] = ()) -> TokenListing:
        assert self.dedupe != "none", "there is nothing to look tokens up by"
        self._count("find")
        listed = [line for line in self.book() if line["accepted_at"] <= time.time() - self.lag]
        if (self.folder / "list_is_empty").exists():
            listed = []
        jobs: dict[str, tuple[ListedJob, ...]] = {}
        for line in listed:
            if line["token"] in tokens:
                ref = JobRef(provider=self.name, backend=backend, provider_job_id=line["id"])
                jobs[line["token"]] = (*jobs.get(line["token"], ()), ListedJob(ref=ref, home_id=line["home_id"]))
        labelled: dict[str, tuple[ListedJob, ...]] = {}
        for line in listed:
            if line["token"] not in tokens and line["home_id"]:
                ref = JobRef(provider=self.name, backend=backend, provider_job_id=line["id"])
                job = ListedJob(ref=ref, home_id=line["home_id"])
                labelled[line["token"]] = (*labelled.get(line["token"], ()), job)
        known = frozenset({line["id"] for line in listed} & set(known_jobs))
        return TokenListing(jobs=jobs, known=known, labelled=labelled)

    def label_jobs(self, home_id: str) -> None:
        self.home_id = home_id

    def poll(self, refs: Sequence[JobRef]) -> list[Snapshot]:
        self._count("poll")
        return [self._snapshot(ref) for ref in refs]

    def fetch(self, ref: JobRef) -> RawResult:
        self._count("fetch")
        content = self.folder / f"{ref.provider_job_id}.result"
        return RawResult(ref=ref, content=content.read_bytes(), content_type="application/json")

    def decode(self, raw: RawResult, batch: CircuitBatch) -> pa.Table:
        body = json.loads(raw.content)
        if body["payload"] != batch.payload_sha256 or body["id"] != raw.ref.provider_job_id:
            raise CorruptResult("this is the result of another job")
        counts = pa.Table.from_pylist(body["counts"], schema=COUNTS_SCHEMA)
        if sum(row["count"] for row in body["counts"]) != batch.shots * batch.points * batch.repetitions:
            raise CorruptResult("shots are missing")
        return counts

    def details(self, raw: RawResult) -> dict[str, Any]:
        return {"engine": "vendor-one", "engine_version": "1.0", "compile_seconds": 0.25}

    def cancel(self, ref: JobRef) -> CancelOutcome:
        self._count("cancel")
        path = self.folder / f"{ref.provider_job_id}.cancel"
        return CancelOutcome(path.read_text()) if path.exists() else CancelOutcome.TOO_LATE

    # -- within ----------------------------------------------------------------------------------------------------

    def _accept(self, token: str, batch: CircuitBatch) -> str:
        job_id = f"v-{len(self.book()) + 1}"
        counts = [
            {"point": point, "repetition": repetition, "bits": int(seed) % 8, "high_bits": None, "count": batch.shots}
            for point, row in enumerate(batch.seeds)
            for repetition, seed in enumerate(row)
        ]
        result = {"id": job_id, "payload": batch.payload_sha256, "counts": counts}
        (self.folder / f"{job_id}.result").write_text(json.dumps(result))
        with (self.folder / "book.jsonl").open("a") as book:
            book.write(
                json.dumps({"id": job_id, "token": token, "accepted_at": time.time(), "home_id": self.home_id}) + "\n"
            )
            book.flush()
            os.fsync(book.fileno())
        return job_id

    def _snapshot(self, ref: JobRef) -> Snapshot:
        shown = self.folder / f"{ref.provider_job_id}.json"
        if not shown.exists():  # a local simulator has finished before anybody can ask
            [line] = [line for line in self.book() if line["id"] == ref.provider_job_id]
            begin = datetime.fromtimestamp(line["accepted_at"], UTC)
            return Snapshot(
                ref=ref,
                state=JobState.COMPLETED,
                raw_status="done",
                submitted_at=begin,
                started_at=begin + QUEUED,
                completed_at=begin + QUEUED + RUNNING,
                cost_usd=self.price_usd,
            )
        facts = json.loads(shown.read_text())
        times = {name: datetime.fromisoformat(text) for name, text in facts.items() if name.endswith("_at")}
        others = {name: facts.get(name) for name in ("cost_usd", "message")}
        return Snapshot(ref=ref, state=JobState(facts["state"]), raw_status=facts["raw"], **times, **others)

    def _next_fault(self) -> str:
        path = self.folder / "faults.json"
        waiting = json.loads(path.read_text()) if path.exists() else []
        if not waiting:
            return "none"
        rest = path.with_suffix(".rest")
        rest.write_text(json.dumps(waiting[1:]))
        rest.replace(path)  # the process that the fault is for may be killed right here
        return waiting[0]

    def _count(self, kind: str) -> None:
        with (self.folder / f"calls_{kind}").open("a") as file:
            file.write(".")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
