"""The provider `qrmi`: IBM's devices at centres that let them be reached through QRMI and nothing else.

QRMI has no label for a task and no list of tasks, so ``dedupe`` is ``none``: a job whose submission was not answered clearly is neither
sent again nor given up. It waits for a person, who looks at the vendor's page. Where a key for the service itself can be had, the provider
`ibm` reaches the same devices and looks tokens up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.errors import (
    Ambiguous,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
    UnknownProviderStatus,
)
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.batch_kinds import Batch, only_circuits
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.compile_cache import LEVEL, SEED, CompileCache
from qhybrid_pipelines.execution.engines.engine import check_well_formed
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound
from qhybrid_pipelines.execution.ibm.codecs import encoder
from qhybrid_pipelines.execution.ibm.compilation import compile_template
from qhybrid_pipelines.execution.ibm.described_devices import (
    DescribedDevices,
    described_calibration,
    device_capabilities,
)
from qhybrid_pipelines.execution.ibm.devices import Device
from qhybrid_pipelines.execution.ibm.job_bodies import check_size, sampler_params
from qhybrid_pipelines.execution.ibm.prices import estimate
from qhybrid_pipelines.execution.ibm.results import decode_result
from qhybrid_pipelines.execution.port import Provider, before_sending
from qhybrid_pipelines.execution.qrmi import NAME
from qhybrid_pipelines.execution.qrmi.declarations import DEVICES
from qhybrid_pipelines.execution.qrmi.resources import (
    CallError,
    Resource,
    ask,
    configured_backends,
    resource_of,
    start_task,
)

DECLARED = (DEVICES,)

#: QRMI's words.
STATES = {
    "Queued": JobState.QUEUED,
    "Running": JobState.RUNNING,
    "Completed": JobState.COMPLETED,
    "Failed": JobState.FAILED,
    "Cancelled": JobState.CANCELLED,
}
_JOB_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


def build(folder: Path) -> Provider:
    """Return the provider that keeps compiled circuits in ``folder``."""
    return QrmiProvider(folder)


class QrmiProvider:
    """The devices that QHYBRID_QRMI_BACKENDS names, each as QRMI is configured for it."""

    name = NAME
    abilities: frozenset[Ability] = frozenset()

    def __init__(self, folder: Path) -> None:
        self._cache = CompileCache(folder / "compiled")
        self._devices = DescribedDevices()

    @staticmethod
    def backends() -> tuple[str, ...]:
        """Return the full names of the backends it offers, without asking anybody."""
        return configured_backends()

    def capabilities(self, backend: str) -> circuit_jobs.Capabilities:
        """Return limits as the device's configuration states them. Raises `Rejected` for a backend it does not have."""
        resource = resource_of(backend)
        return device_capabilities(
            backend,
            self._device(resource),
            DEVICES,
            on_this_machine=resource.on_this_machine,
            region=resource.region,
        )

    def calibration(self, backend: str) -> circuit_jobs.Calibration:
        """Return the device's calibration as it is now. Raises `Rejected` for a backend it does not have."""
        resource = resource_of(backend)
        _, properties = _description(resource)
        return described_calibration(resource.name, properties, backend=backend)

    def status(self, backend: str) -> circuit_jobs.BackendStatus:
        """Return whether the device takes jobs now, and how many wait. Raises `Rejected` for a backend it does not have."""
        [said] = _answers(ask(resource_of(backend), [["status"]]))
        if not isinstance(said, dict):
            raise Unavailable("QRMI tells the state of a device in a form that this adapter does not know")
        queued, reason = said.get("pending_job_count"), said.get("status_reason")
        return circuit_jobs.BackendStatus(
            online=said.get("status") == "online",
            queued_jobs=queued if isinstance(queued, int) and not isinstance(queued, bool) else None,
            reason=reason if isinstance(reason, str) and reason else None,
        )

    def prepare(self, template: circuit_jobs.Template, backend: str, *, level: int, seed: int) -> circuit_jobs.Compiled:
        """Return a template compiled for the device as it is calibrated now. Raises `Rejected` for a faulty text or one too wide."""
        device = self._device(resource_of(backend))
        return compile_template(
            self._cache, template, device, backend=backend, max_qubits=device.n_qubits, level=level, seed=seed
        )

    def estimate(self, batch: Batch) -> circuit_jobs.Estimate:
        """Return the price of the seconds that the device will be held."""
        circuits = only_circuits(batch)
        return estimate(circuits, self._device(resource_of(circuits.backend)).seconds_per_shot)

    def submit(self, batch: Batch, token: str) -> circuit_jobs.JobRef:  # noqa: ARG002 - a task has no label to put it in
        """Submit a batch by one call, without the token. Raises `Rejected`, `Throttled` or `Ambiguous`.

        Only what is refused before the call is a refusal; everything that the call itself raises is `Ambiguous`.
        """
        circuits = only_circuits(batch)
        with before_sending():
            check_well_formed(circuits)
            try:
                resource = resource_of(circuits.backend)
                check_size(circuits, self._device(resource))
                circuit = self.prepare(circuits.template, circuits.backend, level=LEVEL, seed=SEED).native
                params = json.dumps(sampler_params(circuits, circuit), cls=encoder())
            except Unavailable as error:  # the device could not be described, and no job was sent yet
                raise Throttled(error.message) from None
        try:
            said = start_task(resource, params)
        except Unavailable as error:
            raise Throttled(error.message, request_sent=False) from None
        if not isinstance(said, str) or not _JOB_ID.fullmatch(said):
            raise Ambiguous("QRMI names no job. One may have been accepted, and QRMI can look no job up")
        return circuit_jobs.JobRef(provider=NAME, backend=circuits.backend, provider_job_id=said)

    def find(self, backend: str, token: str) -> circuit_jobs.JobRef | None:  # noqa: ARG002 - whatever it is
        """Refuse to answer: None would mean that the job is not there. Raises `Unavailable`."""
        raise Unavailable(
            f"QRMI keeps no token and lists no jobs, so it cannot say whether '{backend}' has one: look at the vendor's page"
        )

    def poll(self, refs: Sequence[circuit_jobs.JobRef]) -> list[circuit_jobs.Snapshot]:
        """Poll jobs, those of one device in one process.

        Raises:
            UnknownProviderStatus: a job has a status that no table contains.
            ProviderError: a poll failed. The ``seen`` of both holds the snapshots of the others.
        """
        seen: dict[circuit_jobs.JobRef, circuit_jobs.Snapshot] = {}
        first: ProviderError | None = None
        for backend in dict.fromkeys(ref.backend for ref in refs):
            asked = list(dict.fromkeys(ref for ref in refs if ref.backend == backend))
            try:
                answers = ask(resource_of(backend), [["task_status", ref.provider_job_id] for ref in asked])
            except ProviderError as error:
                first = first or error
                continue
            for ref, answer in zip(asked, answers, strict=True):
                try:
                    seen[ref] = _snapshot(ref, answer)
                except ProviderError as error:
                    first = first or error
        if first is not None:
            first.seen = tuple(seen[ref] for ref in refs if ref in seen)
            raise first
        return [seen[ref] for ref in refs]

    def fetch(self, ref: circuit_jobs.JobRef) -> circuit_jobs.RawResult:
        """Return a finished job's result as QRMI gives it."""
        [content] = _answers(ask(resource_of(ref.backend), [["task_result", ref.provider_job_id]]))
        if not isinstance(content, str):
            raise Unavailable("QRMI gives a result in a form that this adapter does not know")
        return circuit_jobs.RawResult(ref=ref, content=content.encode(), content_type="application/json")

    def decode(self, raw: circuit_jobs.RawResult, batch: Batch) -> pa.Table:
        """Return counts in `COUNTS_SCHEMA`. Raises `CorruptResult` for a result that is not the batch's."""
        return decode_result(raw.content, only_circuits(batch))

    def details(self, raw: circuit_jobs.RawResult) -> dict[str, Any]:
        """Return which device it was: the result says no more about its making."""
        return {"engine": raw.ref.backend.removeprefix(f"{NAME}:")}

    def cancel(self, ref: circuit_jobs.JobRef) -> circuit_jobs.CancelOutcome:
        """Ask for a job to be cancelled, then see what came of it."""
        calls = [["task_stop", ref.provider_job_id], ["task_status", ref.provider_job_id]]
        stopped, status = ask(resource_of(ref.backend), calls)
        try:
            snapshot = _snapshot(ref, status)
        except ResourceNotFound:
            raise Rejected(f"no job {ref.provider_job_id}") from None
        if snapshot.state is JobState.CANCELLED:
            return circuit_jobs.CancelOutcome.CANCELLED
        if snapshot.state in (JobState.COMPLETED, JobState.FAILED):
            return circuit_jobs.CancelOutcome.TOO_LATE
        _answers([stopped])
        return circuit_jobs.CancelOutcome.REQUESTED

    def _device(self, resource: Resource) -> Device:
        return self._devices.device(
            resource, resource.name, lambda: _description(resource), backend=f"{NAME}:{resource.name}"
        )


def _description(resource: Resource) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return configuration and properties of a device. Raises `Unavailable` where QRMI gives none."""
    [text] = _answers(ask(resource, [["target"]]))
    try:
        said = json.loads(text)
        configuration, properties = said["configuration"], said["properties"]
    except (TypeError, ValueError, KeyError):
        raise Unavailable(f"QRMI does not describe {resource.name} in a form that this adapter knows") from None
    if not isinstance(configuration, dict) or not isinstance(properties, dict):
        raise Unavailable(f"QRMI gives no properties of {resource.name}")
    return configuration, properties


def _answers(answers: Sequence[Any | CallError]) -> list[Any]:
    """Return answers none of which is an error. Raises `Unavailable` for the first that is one."""
    for answer in answers:
        if isinstance(answer, CallError):
            raise answer.as_unavailable()
    return list(answers)


def _snapshot(ref: circuit_jobs.JobRef, answer: Any | CallError) -> circuit_jobs.Snapshot:
    [word] = _answers([answer])
    state = STATES.get(str(word))
    if state is None:
        raise UnknownProviderStatus(f"job {ref.provider_job_id} has status {word!r}, which no table contains")
    message = "QRMI does not tell why; the vendor's page may" if state is JobState.FAILED else None
    return circuit_jobs.Snapshot(ref=ref, state=state, raw_status=str(word), message=message)
