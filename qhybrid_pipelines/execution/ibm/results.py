"""From the runtime's result, byte for byte as it was sent, to counts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.jobs import CircuitBatch
from qhybrid_pipelines.execution.counts import verify_counts
from qhybrid_pipelines.execution.ibm.bit_arrays import counts_from_bytes
from qhybrid_pipelines.execution.ibm.codecs import decoder

#: Key of the circuit's metadata that carries the batch's hash; the service gives a circuit's metadata back.
PAYLOAD = "payload"


def decode_result(content: bytes, batch: CircuitBatch) -> pa.Table:
    """Return counts in `COUNTS_SCHEMA`, read by the vendor's own decoder. Pure.

    A service once gave a job the result of its neighbour. So the circuit carries its batch's hash, and a result that
    gives back another one, or none, is refused however well its shape fits.

    Raises:
        CorruptResult: not a sampler's result, or payload, points, repetitions, shots or width do not match the batch.
    """
    result = _decode_json(content)
    try:
        [answer] = list(result)
        bits = answer.data["c"]
        shots, width = np.asarray(bits.array), int(bits.num_bits)
        payload = answer.metadata["circuit_metadata"].get(PAYLOAD)
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


def _decode_json(content: bytes) -> Any:
    try:
        return json.loads(content, cls=decoder())
    # The vendor's decoder unpacks base64, zlib and NumPy files, each with errors of its own.
    except Exception as error:  # noqa: BLE001
        raise CorruptResult(f"the result cannot be read: {error}") from None
