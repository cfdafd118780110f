"""The provider `braket`: AQT, IonQ, IQM and Rigetti behind Amazon Braket, or an emulator of it, at the address in BRAKET_ENDPOINT."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.errors import InvalidInput, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.batch_kinds import Batch, only_circuits
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import split
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.braket import NAME, decoding, prices, programs, tasks
from qhybrid_pipelines.execution.braket.client import StorageClient
from qhybrid_pipelines.execution.braket.credentials import INSTALL
from qhybrid_pipelines.execution.braket.declarations import DEVICES
from qhybrid_pipelines.execution.braket.devices import Devices, device_arn, device_arns, region_of
from qhybrid_pipelines.execution.braket.payload import bucket_name, task_body
from qhybrid_pipelines.execution.braket.set_results import RESULT_FILE, gather
from qhybrid_pipelines.execution.circuit_checks import check_batch
from qhybrid_pipelines.execution.compile_cache import LEVEL, SEED, CompileCache
from qhybrid_pipelines.execution.port import Provider, before_sending
from qhybrid_pipelines.execution.settings import seconds_setting

LAG_VARIABLE, LAG_SECONDS = "BRAKET_LISTING_LAG_SECONDS", 10.0
ACCEPTANCE_VARIABLE, ACCEPTANCE_SECONDS = "BRAKET_ACCEPTANCE_SECONDS", 120.0

DECLARED = (DEVICES,)


def build(folder: Path) -> Provider:
    """Return the provider; what it compiles lives in ``folder``."""
    return BraketProvider(folder)


class BraketProvider:
    """Braket's gate devices behind the port. A job is one task: a circuit with numbers, or as many of them as the device takes in one."""

    name = NAME
    abilities = frozenset({Ability.MISSING_SETTING, Ability.IS_IMMEDIATE, Ability.REQUESTS})

    def __init__(self, folder: Path, devices: Devices | None = None) -> None:
        self._devices = devices or Devices()
        self._cache = CompileCache(folder / "compiled")
        self._storage: dict[str, StorageClient] = {}

    @property
    def requests(self) -> int:
        """How many requests were made so far, those for results too."""
        return self._devices.requests + sum(client.requests for client in self._storage.values())

    def backends(self) -> tuple[str, ...]:
        """Return the full names of the devices that are known, those of BRAKET_DEVICE_ARNS too, without asking."""
        return tuple(device_arns())

    def is_immediate(self, backend: str) -> bool:
        """Return that no job is done when it is acknowledged, without asking. Raises `Rejected` for an unknown device."""
        device_arn(backend)
        return False

    def missing_setting(self) -> str | None:
        """Return which setting is missing; None where there is a bucket, and requests can be signed."""
        if find_spec("botocore") is None:
            return f"it is not installed. `{INSTALL}` adds what signs its requests."
        try:
            bucket_name("us-east-1")
        except InvalidInput as error:
            return f"it is not configured. {error}"
        return None

    def capabilities(self, backend: str) -> circuit_jobs.Capabilities:
        """Return limits and abilities as the device states them; remembered for some minutes."""
        return self._devices.capabilities(
            backend,
            listing_lag_seconds=seconds_setting(LAG_VARIABLE, LAG_SECONDS),
            acceptance_seconds=seconds_setting(ACCEPTANCE_VARIABLE, ACCEPTANCE_SECONDS),
        )

    def calibration(self, backend: str) -> circuit_jobs.Calibration | None:
        """Return what the device says about its qubits and gates; None where it gives no date."""
        return self._devices.calibration(backend)

    def status(self, backend: str) -> circuit_jobs.BackendStatus:
        """Return whether a device takes tasks now, how many wait, and why it pauses."""
        return self._devices.status(backend)

    def prepare(self, template: circuit_jobs.Template, backend: str, *, level: int, seed: int) -> circuit_jobs.Compiled:
        """Compile a template to the gates that the device takes; inputs stay free."""
        gates = self._devices.device(backend).gates
        return programs.compile_template(self._cache, template, backend, gates, level=level, seed=seed)

    def estimate(self, batch: Batch) -> circuit_jobs.Estimate:
        """Return the cost of a batch: a fee per task, and the price of a shot that the device states.

        Raises:
            Refused: not even one circuit fits into a task.
        """
        device = self._devices.device(batch.backend)
        source = f"{self._devices.client(region_of(device.arn)).url}, deviceCost"
        circuits = only_circuits(batch)
        tasks = len(split(circuits, self.capabilities(batch.backend)))
        return prices.estimate(device, circuits, tasks=tasks, source=source)

    def submit(self, batch: Batch, token: str) -> circuit_jobs.JobRef:
        """Submit a batch as one task with one request. The service merges equal tokens, and refuses one that comes with another circuit."""
        with before_sending():
            batch = only_circuits(batch)
            arn = device_arn(batch.backend)
            try:
                check_batch(batch, self.capabilities(batch.backend))
                compiled = self.prepare(batch.template, batch.backend, level=LEVEL, seed=SEED)
            except Unavailable as error:
                raise Throttled(error.message, request_sent=False) from None
            found = programs.programs(compiled.native, batch.template.parameters, batch.bindings, batch.repetitions)
            try:
                body = task_body(batch, found, token, device_arn=arn, region=region_of(arn))
            except InvalidInput as error:
                raise Throttled(f"nothing was sent: {error}", request_sent=False) from None
        task = self._devices.client(region_of(arn)).submit_request(body)
        return circuit_jobs.JobRef(provider=NAME, backend=batch.backend, provider_job_id=task)

    def find(self, backend: str, token: str) -> circuit_jobs.JobRef | None:
        """Return the task that carries a token in its tags, or None where none is listed."""
        return tasks.find(self._devices, backend, token)

    def poll(self, refs: Sequence[circuit_jobs.JobRef]) -> list[circuit_jobs.Snapshot]:
        """Poll many jobs, ten per request, and one request more for each that has failed: why.

        Raises:
            ProviderError: some job could not be polled; its ``seen`` holds the snapshots of the others.
        """
        return tasks.poll_tasks(self._devices, refs)

    def fetch(self, ref: circuit_jobs.JobRef) -> circuit_jobs.RawResult:
        """Return what the service says of a task, and the result that the device left in the bucket, as they came: one object or a tree of them.

        Raises:
            Unavailable: the result is not there yet, or no usable answer came; asking again may help.
        """
        said, task = tasks.task_status(self._devices, ref)
        if tasks.snapshot(task, ref).state is not JobState.COMPLETED:
            raise Unavailable(f"task {ref.provider_job_id} is {task['status']}")
        bucket, folder = task.get("outputS3Bucket"), task.get("outputS3Directory")
        if not isinstance(bucket, str) or not isinstance(folder, str):
            raise Unavailable(f"the answer does not say where the result of task {ref.provider_job_id} is")
        region = region_of(ref.provider_job_id)
        storage = self._storage.setdefault(region, StorageClient(region))
        result = storage.get(bucket, f"{folder}/{RESULT_FILE}")
        objects = gather(result, bucket=bucket, folder=folder, load=lambda key: storage.get(bucket, key))
        content = decoding.envelope(said, result, objects)
        return circuit_jobs.RawResult(ref=ref, content=content, content_type=decoding.CONTENT_TYPE)

    def decode(self, raw: circuit_jobs.RawResult, batch: Batch) -> pa.Table:
        """Return counts in `COUNTS_SCHEMA`. Raises `CorruptResult` for a result that is not this batch's."""
        return decoding.decode(raw, only_circuits(batch))

    def details(self, raw: circuit_jobs.RawResult) -> dict[str, Any]:
        """Return which device it was, and which circuits failed one by one."""
        return decoding.details(raw)

    def cancel(self, ref: circuit_jobs.JobRef) -> circuit_jobs.CancelOutcome:
        """Ask for a task to be cancelled, then read its state: the service decides later, and the task may complete.

        Raises:
            ProviderError: no usable answer; asking again is safe.
        """
        if not tasks.is_arn(ref):
            raise Rejected(f"{ref.provider_job_id!r} is not the ARN of a task")
        client = self._devices.client(region_of(ref.provider_job_id))
        client.cancel(ref.provider_job_id, f"cancel-{ref.provider_job_id.rpartition('/')[2]}")
        state = tasks.snapshot(tasks.task_status(self._devices, ref)[1], ref).state
        if state is JobState.CANCELLED:
            return circuit_jobs.CancelOutcome.CANCELLED
        return circuit_jobs.CancelOutcome.TOO_LATE if state in tasks.ENDED else circuit_jobs.CancelOutcome.REQUESTED
