"""Results of the programs ``sampler`` and ``executor``, written by the vendor's own writers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qhybrid_pipelines.emulator.ibm import executor_program, vendor_format
from qhybrid_pipelines.emulator.ibm.orders import Pub
from qhybrid_pipelines.emulator.sampling import Shots


def result_text(
    pubs: Sequence[Pub], shots: Sequence[Sequence[Shots]], returned: executor_program.Returned | None = None
) -> str:
    """Return a result as it is sent.

    Args:
        pubs: in the job's order.
        shots: per circuit and row, the states read, the first used qubit the least significant bit.
        returned: of the program ``executor``, what the result gives back.
    """
    if returned is not None:
        items = [
            {name: _read_bits(pub, rows, bits) for name, bits in pub.registers}
            for pub, rows in zip(pubs, shots, strict=True)
        ]
        return executor_program.result_text(items, returned)
    from qiskit.primitives import DataBin, PrimitiveResult, SamplerPubResult

    answers = []
    for pub, rows in zip(pubs, shots, strict=True):
        data: dict[str, Any] = {name: _bit_array(pub, rows, bits) for name, bits in pub.registers}
        # As real devices do, and the client's local mode does not.
        metadata = {"circuit_metadata": pub.circuit.metadata or {}}
        answers.append(SamplerPubResult(DataBin(**data, shape=pub.shape), metadata=metadata))
    return vendor_format.write(PrimitiveResult(answers, metadata={"version": 2}))


def _bit_array(pub: Pub, rows: Sequence[Shots], bits: Sequence[int]) -> Any:
    from qiskit.primitives import BitArray

    return BitArray.from_bool_array(_read_bits(pub, rows, bits), order="little")


def _read_bits(pub: Pub, rows: Sequence[Shots], bits: Sequence[int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return what was read of some of the circuit's bits, of shape ``(..., shots, bits)``; one that nothing was measured into is 0."""
    states = np.asarray(rows, dtype=np.int64)
    read = np.zeros((*states.shape, len(bits)), dtype=bool)
    for position, bit in enumerate(bits):
        if bit in pub.layout.measured:
            read[..., position] = (states >> pub.layout.measured[bit]) & 1
    return read.reshape(*pub.shape, pub.shots, len(bits))
