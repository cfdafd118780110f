"""The service's program ``executor``, the successor of ``sampler``: bodies and results, by the vendor's own models.

The vendor deprecated the server-side ``sampler`` with release 0.50 of its client and named no day for its end. A job asks for
``executor`` where QISKIT_IBM_PROGRAM says so. The batch's hash travels as passed-through data and comes back with the result.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import Rejected

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

PROGRAM_VARIABLE = "QISKIT_IBM_PROGRAM"
SAMPLER, EXECUTOR = "sampler", "executor"
#: Of the vendor's description of bodies and results.
SCHEMA = "v2.0"
#: First release of the vendor's client with that schema.
FIRST_RELEASE = "0.51"


def wanted_program() -> str:
    """Return the program that jobs ask for. Raises `Rejected` for one that the environment misspells."""
    name = os.environ.get(PROGRAM_VARIABLE) or SAMPLER
    if name not in (SAMPLER, EXECUTOR):
        raise Rejected(f"{PROGRAM_VARIABLE} is {name!r}; choose {SAMPLER} or {EXECUTOR}")
    return name


def executor_params(
    circuit: QuantumCircuit, values: F64, *, shots: int, passed_through: dict[str, str]
) -> dict[str, Any]:
    """Return the parameters of a job of ``executor``.

    Args:
        circuit: compiled for the device.
        values: shape ``(points, repetitions, inputs)``, in the circuit's own order of inputs.
        shots: of each circuit.
        passed_through: comes back with the result.

    Raises:
        Rejected: the installed release of the vendor's client cannot write them.
    """
    try:
        from qiskit_ibm_runtime.options_models.executor import ExecutorOptions
        from qiskit_ibm_runtime.quantum_program import CircuitItem, QuantumProgram
        from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS
    except ImportError:
        raise _too_old("write its jobs") from None
    item = CircuitItem(circuit=circuit, circuit_arguments=values)
    program = QuantumProgram(shots=shots, items=[item], passthrough_data=passed_through)
    params: dict[str, Any] = (
        QUANTUM_PROGRAM_PARAMS_CONVERTERS[SCHEMA].encoder(program, ExecutorOptions()).model_dump(mode="json")
    )
    return params


def read_executor_result(content: bytes) -> tuple[U8, int, Any]:
    """Return the shots, the number of bits and the passed-through data of a result.

    Shots have shape ``(points, repetitions, shots, bytes)``, outcomes big-endian as in the vendor's other results.

    Raises:
        Rejected: the installed release of the vendor's client cannot read it.
        ValueError: it is not the result of one circuit with one register ``c``; errors of the vendor's reader too.
    """
    try:
        from qiskit_ibm_runtime.decoders.executor.decoder import ExecutorResultDecoder
    except ImportError:
        raise _too_old("read its results") from None
    from qiskit.primitives import BitArray

    result = ExecutorResultDecoder.decode(content.decode())
    [item] = list(result)
    bits = np.asarray(item["c"])
    if bits.ndim != 4:
        raise ValueError(f"the register has shape {bits.shape}")
    packed = BitArray.from_bool_array(bits.astype(bool), order="little")
    return np.asarray(packed.array), int(packed.num_bits), result.passthrough_data


def _too_old(what: str) -> Rejected:
    from importlib.metadata import version

    return Rejected(
        f"qiskit-ibm-runtime {version('qiskit-ibm-runtime')} cannot {what}: the program {EXECUTOR} needs {FIRST_RELEASE} or newer. "
        f"Install it, or leave {PROGRAM_VARIABLE} out"
    )
