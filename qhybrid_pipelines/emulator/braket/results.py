"""What a task leaves in the bucket: one object, or for large program sets a tree of them, as the interface publishes both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qhybrid_pipelines.emulator.braket.orders import Order
from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.store import Job

MOST_INLINED = 20
"""Executables of a program set whose results are in one object; how the service decides is not published."""
RESULT_FILE = "results.json"
_PARTS = "braket.task_result"


def program_result(job: Job, order: Order, arn: str, shots: Any) -> dict[str, bytes]:
    """Return the only object of a task that runs one program: a row per shot, a column per measured qubit; of ions frequencies only."""
    body: dict[str, Any] = {
        **_header("gate_model_task_result"),
        "taskMetadata": {
            **_header("task_metadata"),
            "id": arn,
            "shots": job.shots,
            "deviceId": order.device.arn,
            "deviceParameters": {},
            **_times(job),
        },
        "additionalMetadata": {"action": dict(order.action)},
        **_outcomes(order, 0, shots),
    }
    return {RESULT_FILE: _as_bytes(body)}


def set_results(job: Job, order: Order, arn: str, shots: Sequence[Any], failed: Mapping[int, str]) -> dict[str, bytes]:
    """Return the objects of a program set by path.

    Args:
        job: the task in the book.
        order: what it ran.
        arn: its name.
        shots: of each executable.
        failed: why some failed, by their number.
    """
    programs: list[list[dict[str, Any]]] = [[] for _ in order.action["programs"]]
    said: list[list[dict[str, Any]]] = [[] for _ in programs]
    for number, (program, _) in enumerate(order.executables):
        index = {"inputsIndex": len(programs[program])}
        reason = {"failureReason": failed.get(number), "retryable": True, "category": "DEVICE"}
        said[program].append(reason if number in failed else {})
        programs[program].append(
            {**_header("program_set_executable_failure"), **index, "failureMetadata": reason}
            if number in failed
            else {**_header("program_set_executable_result"), **index, **_outcomes(order, number, shots[number])}
        )
    executables = len(order.executables)
    metadata = {
        **_header("program_set_task_metadata"),
        "id": arn,
        "deviceId": order.device.arn,
        "requestedShots": job.shots,
        "successfulShots": successful_shots(job, executables, failed),
        "programMetadata": [{"executables": entries} for entries in said],
        "deviceParameters": None,
        **_times(job),
        "totalFailedExecutables": len(failed),
    }
    sources = [
        {"braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"}, **one}
        for one in order.action["programs"]
    ]
    head = _header("program_set_task_result")
    if executables <= MOST_INLINED:
        inlined = [
            {**_header("program_result"), "executableResults": entries, "source": source, "additionalMetadata": {}}
            for entries, source in zip(programs, sources, strict=True)
        ]
        whole = {**head, "programResults": inlined, "taskMetadata": metadata, "s3Location": None}
        return {RESULT_FILE: _as_bytes(whole)}
    objects: dict[str, Any] = {"metadata.json": metadata}
    for place, (entries, source) in enumerate(zip(programs, sources, strict=True)):
        names = [f"executables/{index}.json" for index in range(len(entries))]
        objects |= {f"programs/{place}/{name}": entry for name, entry in zip(names, entries, strict=True)}
        objects[f"programs/{place}/program.json"] = source
        objects[f"programs/{place}/{RESULT_FILE}"] = {
            **_header("program_result"),
            "executableResults": names,
            "source": "program.json",
            "additionalMetadata": {},
        }
    objects[RESULT_FILE] = {
        **head,
        "programResults": [f"programs/{place}/{RESULT_FILE}" for place in range(len(programs))],
        "taskMetadata": "metadata.json",
        "s3Location": [order.bucket, f"{order.prefix}/{job.id}"],
    }
    return {path: _as_bytes(body) for path, body in objects.items()}


def successful_shots(job: Job, executables: int, failed: Mapping[int, str]) -> int:
    """Return the shots of a task's executables that did not fail."""
    return job.shots // executables * (executables - len(failed))


def _outcomes(order: Order, number: int, shots: Any) -> dict[str, Any]:
    qubits = order.executables[number][1].measured
    rows = (shots[:, None] >> np.array(qubits)[None, :]) & 1
    if order.device.kind != "ionq":
        return {"measuredQubits": qubits, "measurements": rows.tolist()}
    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    keys = ["".join(map(str, row)) for row in distinct.tolist()]
    shares = dict(zip(keys, (counts / len(shots)).tolist(), strict=True))
    return {"measuredQubits": qubits, "measurementProbabilities": shares}


def _times(job: Job) -> dict[str, Any]:
    return {"createdAt": stamp(job.accepted_at), "endedAt": stamp(job.ends_at), "status": "COMPLETED"}


def _header(name: str) -> dict[str, Any]:
    return {"braketSchemaHeader": {"name": f"{_PARTS}.{name}", "version": "1"}}


def _as_bytes(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
