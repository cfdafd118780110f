"""Results of the program ``sampler``, written by the vendor's own writer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qhybrid_pipelines.emulator.ibm import vendor_format
from qhybrid_pipelines.emulator.ibm.orders import Pub
from qhybrid_pipelines.emulator.sampling import Shots


def result_text(pubs: Sequence[Pub], shots: Sequence[Sequence[Shots]]) -> str:
    """Return a result as it is sent.

    Args:
        pubs: in the job's order.
        shots: per circuit and row, the states read, the first used qubit the least significant bit.
    """
    from qiskit.primitives import DataBin, PrimitiveResult, SamplerPubResult

    answers = []
    for pub, rows in zip(pubs, shots, strict=True):
        data: dict[str, Any] = {name: _bit_array(pub, rows, bits) for name, bits in pub.registers}
        # As real devices do, and the client's local mode does not.
        metadata = {"circuit_metadata": pub.circuit.metadata or {}}
        answers.append(SamplerPubResult(DataBin(**data, shape=pub.shape), metadata=metadata))
    return vendor_format.write(PrimitiveResult(answers, metadata={"version": 2}))


def _bit_array(pub: Pub, rows: Sequence[Shots], bits: Sequence[int]) -> Any:
    """Return what was read of some of the circuit's bits; one that nothing was measured into is 0."""
    from qiskit.primitives import BitArray

    states = np.asarray(rows, dtype=np.int64)
    read = np.zeros((*states.shape, len(bits)), dtype=bool)
    for position, bit in enumerate(bits):
        if bit in pub.layout.measured:
            read[..., position] = (states >> pub.layout.measured[bit]) & 1
    return BitArray.from_bool_array(read.reshape(*pub.shape, pub.shots, len(bits)), order="little")
