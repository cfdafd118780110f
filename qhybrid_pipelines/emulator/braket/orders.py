"""What a client asks for when it submits a task, read and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.emulator.braket.devices import BY_ARN, MOST_EXECUTABLES, PROGRAM, PROGRAM_SET, Device
from qhybrid_pipelines.emulator.braket.openqasm import Program, ProgramError
from qhybrid_pipelines.emulator.circuits import BadRequest, Circuit
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
    """What a client asks for, checked.

    Attributes:
        shots: of all executables together.
        executables: each with the number of its program; a task that is no program set has one.
    """

    token: str
    device: Device
    shots: int
    bucket: str
    prefix: str
    action: Mapping[str, Any]
    executables: tuple[tuple[int, Program], ...]
    tags: Mapping[str, str]

    @property
    def kind(self) -> str:
        """Whether it is a program or a program set, as the interface says it."""
        return str(self.action["braketSchemaHeader"]["name"])

    @property
    def circuits(self) -> list[Circuit]:
        """The circuits of its executables."""
        return [program.circuit for _, program in self.executables]

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
    if not isinstance(shots, int) or isinstance(shots, bool):
        raise BraketError(400, "Validation", f"shots is {shots!r}.")
    tags = given.get("tags") or {}
    if not isinstance(tags, dict) or not all(isinstance(one, str) for one in (*tags, *tags.values())):
        raise BraketError(400, "Validation", "tags is not an object of texts.")
    action, executables = _read_action(text("action", 4_000_000), device)
    _check_shots(shots, len(executables), device, is_set=action["braketSchemaHeader"]["name"] == PROGRAM_SET)
    return Order(
        token=token,
        device=device,
        shots=shots,
        bucket=bucket,
        prefix=prefix,
        action=action,
        executables=executables,
        tags=tags,
    )


def _check_shots(shots: int, executables: int, device: Device, *, is_set: bool) -> None:
    fewest, most = device.set_shots if is_set and device.set_shots else (1, device.machine.max_shots)
    if not max(1, fewest) <= shots <= most:
        raise BraketError(400, "Validation", f"shots is {shots!r}; the device takes {fewest} to {most}.")
    if shots % executables or shots // executables > device.machine.max_shots:
        raise BraketError(
            400,
            "Validation",
            f"shots is {shots!r} for {executables} executables; the device takes up to {device.machine.max_shots} each.",
        )


def _read_action(text: str, device: Device) -> tuple[dict[str, Any], tuple[tuple[int, Program], ...]]:
    action = read_object(text.encode())
    header = action.get("braketSchemaHeader")
    kind = header.get("name") if isinstance(header, dict) else None
    if kind == PROGRAM:
        return action, ((0, _read_program(action.get("source"), action.get("inputs") or {}, device)),)
    programs = action.get("programs")
    if kind != PROGRAM_SET or device.set_shots is None or not isinstance(programs, list) or not programs:
        kinds = PROGRAM if device.set_shots is None else f"{PROGRAM} and {PROGRAM_SET}"
        raise BraketError(400, "Validation", f"The action is {str(kind)[:60]!r}; this device takes {kinds} only.")
    executables: list[tuple[int, Program]] = []
    for number, program in enumerate(programs):
        if not isinstance(program, dict):
            raise BraketError(400, "Validation", f"Program {number} is not an object.")
        for inputs in _input_sets(program.get("inputs") or {}, number):
            if len(executables) == MOST_EXECUTABLES:
                raise BraketError(400, "Validation", f"There are more than {MOST_EXECUTABLES} executables.")
            executables.append((number, _read_program(program.get("source"), inputs, device)))
    return action, tuple(executables)


def _input_sets(inputs: Any, number: int) -> list[dict[str, Any]]:
    """Return the inputs of each executable of a program of a set: the k-th of every list, or none at all."""
    lists: list[Any] = list(inputs.values()) if isinstance(inputs, dict) else [None]
    if not all(isinstance(values, list) and values and len(values) == len(lists[0]) for values in lists):
        raise BraketError(400, "Validation", f"The inputs of program {number} are not lists of one length.")
    return [dict(zip(inputs, values, strict=True)) for values in zip(*lists, strict=True)] if lists else [{}]


def _read_program(source: Any, inputs: Any, device: Device) -> Program:
    if not isinstance(source, str) or not isinstance(inputs, dict):
        raise BraketError(400, "Validation", "The action has no source, or its inputs are not an object.")
    try:
        program = Program(source, inputs)
    except (ProgramError, BadRequest) as error:
        raise BraketError(400, "Validation", f"The program cannot be run: {error}") from None
    if program.circuit.qubits > device.machine.qubits:
        raise BraketError(
            400, "Validation", f"The program has {program.circuit.qubits} qubits, the device {device.machine.qubits}."
        )
    return program


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object. Raises `BraketError` for anything else."""
    try:
        given = read_json(body)
    except NotJsonError as error:
        raise BraketError(400, "Validation", f"This is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise BraketError(400, "Validation", "This is not a JSON object.")
    return given
