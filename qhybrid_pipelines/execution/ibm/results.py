"""From the runtime's result, byte for byte as it was sent, to counts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.errors import CorruptResult, Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.execution.counts import verify_counts
from qhybrid_pipelines.execution.ibm.bit_arrays import counts_from_bytes
from qhybrid_pipelines.execution.ibm.codecs import decoder
from qhybrid_pipelines.execution.ibm.executor import read_executor_result

#: Key of the circuit's metadata that carries the batch's hash; the service gives a circuit's metadata back.
PAYLOAD = "payload"


def decode_result(content: bytes, batch: CircuitBatch) -> pa.Table:
    """Return counts in `COUNTS_SCHEMA`, read by the vendor's own decoder, of whichever program ran. Pure.

    A service once gave a job the result of its neighbour. So the circuit carries its batch's hash, and a result that
    gives back another one, or none, is refused however well its shape fits.

    Raises:
        Rejected: the installed release of the vendor's client cannot read results of ``executor``.
        CorruptResult: not such a program's result, or payload, points, repetitions, shots or width do not match the batch.
    """
    try:
        shots, width, payload = _read_executor(content) if _is_executors(content) else _read_sampler(content)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise CorruptResult(f"this is not the result of one circuit with one register: {error}") from None
    if payload != batch.payload_sha256:
        raise CorruptResult(f"the result's payload is {payload}, expected {batch.payload_sha256}")
    expected = (batch.points, batch.repetitions, batch.shots, (batch.template.n_qubits + 7) // 8)
    if width != batch.template.n_qubits or shots.shape != expected or shots.dtype != np.uint8:
        raise CorruptResult(
            f"the result has {width} bits and shape {shots.shape}, expected {batch.template.n_qubits} and {expected}"
        )
    counts = counts_from_bytes(shots, width)
    verify_counts(counts, batch)
    return counts


def _read_sampler(content: bytes) -> tuple[U8, int, Any]:
    """Return shots, number of bits and payload of a result of ``sampler``."""
    [answer] = list(_decode_json(content))
    bits = answer.data["c"]
    return np.asarray(bits.array), int(bits.num_bits), answer.metadata["circuit_metadata"].get(PAYLOAD)


def _is_executors(content: bytes) -> bool:
    """Tell whether a result states the version of a description, as those of ``executor`` do."""
    try:
        found = json.loads(content)
    except ValueError:
        return False
    return isinstance(found, dict) and "schema_version" in found


def _read_executor(content: bytes) -> tuple[U8, int, Any]:
    """Return shots, number of bits and payload of a result of ``executor``."""
    try:
        shots, width, passed_through = read_executor_result(content)
    except Rejected:
        raise
    # The vendor's reader unpacks base64, zlib and NumPy files and validates, each with errors of its own.
    except Exception as error:  # noqa: BLE001
        raise CorruptResult(f"the result cannot be read: {error}") from None
    return shots, width, passed_through.get(PAYLOAD)


def _decode_json(content: bytes) -> Any:
    try:
        return json.loads(content, cls=decoder())
    # The vendor's decoder unpacks base64, zlib and NumPy files, each with errors of its own.
    except Exception as error:  # noqa: BLE001
        raise CorruptResult(f"the result cannot be read: {error}") from None
