"""What leaves this machine: circuits with numbers, shots, the device, an opaque token and a digest. Nothing else.

No name of a problem, variable, experiment or person is in it. The digest says which batch it is; by it a result that belongs to
another one is found out.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

import numpy as np

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch

BUCKET_VARIABLE, PREFIX_VARIABLE = "AMZN_BRAKET_OUT_S3_BUCKET", "AMZN_BRAKET_OUT_S3_PREFIX"
USUAL_PREFIX = "qhybrid"
TOKEN_TAG = "qhybrid_token"  # noqa: S105 - the name of a tag
CIRCUIT_TAG = "qhybrid_circuit"
#: Kinds of tasks, as devices say which they take.
ACTION, SET_ACTION = "braket.ir.openqasm.program", "braket.ir.openqasm.program_set"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def circuit_digest(batch: CircuitBatch) -> str:
    """Return what names the circuits of a batch, their numbers, shots and seeds: 32 hex digits."""
    head = f"{batch.template.template_id}|{batch.shots}|".encode()
    numbers = np.ascontiguousarray(batch.bindings, dtype="<f8").tobytes()
    return sha256_hex(head + numbers + np.ascontiguousarray(batch.seeds, dtype="<u8").tobytes())[:32]


def task_body(
    batch: CircuitBatch, programs: list[dict[str, Any]], token: str, *, device_arn: str, region: str
) -> bytes:
    """Return the body of the request that submits a batch as one task: a program, or a program set, whose shots are told in all.

    Args:
        batch: says shots and circuits.
        programs: its programs.
        token: opaque; the service merges submissions with the same one.
        device_arn: where it runs.
        region: of the device, which the bucket's name may contain.
    """
    circuits = batch.points * batch.repetitions
    said = (
        programs[0]
        if circuits == 1
        else {"programs": [{"braketSchemaHeader": _header(ACTION), **one} for one in programs]}
    )
    action = {"braketSchemaHeader": _header(ACTION if circuits == 1 else SET_ACTION), **said}
    body = {
        "clientToken": token,
        "deviceArn": device_arn,
        "shots": batch.shots * circuits,
        "outputS3Bucket": bucket_name(region),
        "outputS3KeyPrefix": os.environ.get(PREFIX_VARIABLE) or USUAL_PREFIX,
        "action": json.dumps(action, separators=(",", ":"), allow_nan=False),
        "tags": {TOKEN_TAG: token, CIRCUIT_TAG: circuit_digest(batch)},
    }
    return json.dumps(body, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def _header(action: str) -> dict[str, str]:
    return {"name": action, "version": "1"}


def bucket_name(region: str) -> str:
    """Return the bucket for results of a region; ``{region}`` in its name stands for that.

    Raises:
        InvalidInput: there is none, or it is not the name of a bucket.
    """
    given = os.environ.get(BUCKET_VARIABLE, "")
    name = given.replace("{region}", region)
    if not _BUCKET.fullmatch(name):
        raise InvalidInput(
            f"{BUCKET_VARIABLE} is {given!r}, which is not the name of a bucket"
            if given
            else f"{BUCKET_VARIABLE} is not set",
            remedy=f"Set {BUCKET_VARIABLE} to a bucket of yours, for example amazon-braket-results-{{region}}.",
        )
    return name
