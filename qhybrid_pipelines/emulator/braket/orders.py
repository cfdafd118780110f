"""What a client asks for when it submits a task, read and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.emulator.braket.devices import BY_ARN, PROGRAM, Device
from qhybrid_pipelines.emulator.braket.openqasm import Program, ProgramError
from qhybrid_pipelines.emulator.circuits import BadRequest
from qhybrid_pipelines.emulator.strict_json import NotJsonError, read_json


class BraketError(Exception):
    """A refusal.

    Args:
        status: of HTTP.
        kind: the error's name, without ``Exception``.
        message: one sentence.
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a client asks for, checked."""

    token: str
    device: Device
    shots: int
    bucket: str
    prefix: str
    action: Mapping[str, Any]
    program: Program
    tags: Mapping[str, str]

    @property
    def content(self) -> str:
        """What has to be equal where two requests have one token."""
        said = [self.device.arn, self.shots, self.bucket, self.prefix, self.action]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_order(body: bytes) -> Order:
    """Read the body of a submission.

    Raises:
        BraketError: naming the field.
    """
    given = read_object(body)

    def text(name: str, most: int) -> str:
        value = given.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= most:
            raise BraketError(400, "Validation", f"{name} is not a text of 1 to {most} characters.")
        return value

    token, arn = text("clientToken", 64), text("deviceArn", 256)
    bucket, prefix = text("outputS3Bucket", 63), text("outputS3KeyPrefix", 1024).rstrip("/")
    if arn not in BY_ARN:
        raise BraketError(404, "ResourceNotFound", f"Device {arn} not found.")
    device = BY_ARN[arn]
    shots = given.get("shots")
    if not isinstance(shots, int) or isinstance(shots, bool) or not 1 <= shots <= device.machine.max_shots:
        raise BraketError(400, "Validation", f"shots is {shots!r}; the device takes 1 to {device.machine.max_shots}.")
    tags = given.get("tags") or {}
    if not isinstance(tags, dict) or not all(isinstance(one, str) for one in (*tags, *tags.values())):
        raise BraketError(400, "Validation", "tags is not an object of texts.")
    action, program = _read_action(text("action", 1_000_000), device)
    return Order(
        token=token, device=device, shots=shots, bucket=bucket, prefix=prefix, action=action, program=program, tags=tags
    )


def _read_action(text: str, device: Device) -> tuple[dict[str, Any], Program]:
    action = read_object(text.encode())
    header, source, inputs = action.get("braketSchemaHeader"), action.get("source"), action.get("inputs") or {}
    kind = header.get("name") if isinstance(header, dict) else None
    if kind != PROGRAM or not isinstance(source, str) or not isinstance(inputs, dict):
        raise BraketError(400, "Validation", f"The action is {str(kind)[:60]!r}; this device takes {PROGRAM} only.")
    try:
        program = Program(source, inputs)
    except (ProgramError, BadRequest) as error:
        raise BraketError(400, "Validation", f"The program cannot be run: {error}") from None
    if program.circuit.qubits > device.machine.qubits:
        raise BraketError(
            400, "Validation", f"The program has {program.circuit.qubits} qubits, the device {device.machine.qubits}."
        )
    return action, program


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object. Raises `BraketError` for anything else."""
    try:
        given = read_json(body)
    except NotJsonError as error:
        raise BraketError(400, "Validation", f"This is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise BraketError(400, "Validation", "This is not a JSON object.")
    return given
