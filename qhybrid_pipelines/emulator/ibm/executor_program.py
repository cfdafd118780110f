"""The program ``executor``: read and answered by the vendor's own models, which its client has since release 0.51."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

EXECUTOR = "executor"
SCHEMA = "v2.0"
"""Of the vendor's description of bodies and results; 0.51 of its client sends this one."""


class NotAProgramError(ValueError):
    """What was sent is not a program that this emulator runs; the message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a result gives back as it came.

    Attributes:
        data: passed through, of the vendor's model.
        role: by which the vendor's client knows how to read on.
    """

    data: Any
    role: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is to be run.

    Attributes:
        items: circuits, each with values of shape ``(..., inputs)``.
        shots: of each row of values.
    """

    items: Sequence[tuple[QuantumCircuit, np.ndarray[Any, np.dtype[np.float64]]]]
    shots: int
    returned: Returned


def has_models() -> bool:
    """Tell whether the installed release of the vendor's client has the models."""
    from importlib.util import find_spec

    return find_spec("ibm_quantum_schemas") is not None


def read_program(params: dict[str, Any]) -> Program:
    """Read the parameters of a job. Raises `NotAProgramError`."""
    from ibm_quantum_schemas.executor.version_2_0 import ParamsModel

    if params.get("schema_version") != SCHEMA:
        raise NotAProgramError(
            f"params.schema_version is {str(params.get('schema_version'))[:20]!r}; this emulator knows {SCHEMA}."
        )
    try:
        program = ParamsModel.model_validate(params).quantum_program
        circuits = program.circuits.to_python(use_cached=True)
        values = [item.circuit_arguments.to_numpy() if item.item_type == "circuit" else None for item in program.items]
    # The vendor's models unpack base64, zlib, NumPy files and circuits, each with errors of its own.
    except Exception as error:  # noqa: BLE001
        raise NotAProgramError(f"params cannot be read: {type(error).__name__}.") from None
    items = []
    for number, (circuit, item, given) in enumerate(zip(circuits, program.items, values, strict=True)):
        if given is None:
            raise NotAProgramError(
                f"quantum_program.items[{number}] is of the type {item.item_type}, which is not emulated."
            )
        items.append((circuit, _broadcast(given, item.shape, circuit)))
    if not items:
        raise NotAProgramError("params.quantum_program.items is empty.")
    if program.meas_level != "classified":
        raise NotAProgramError(f"params.quantum_program.meas_level {program.meas_level!r} is not emulated.")
    returned = Returned(data=program.passthrough_data, role=program.semantic_role)
    return Program(items=items, shots=program.shots, returned=returned)


def result_text(items: Sequence[dict[str, np.ndarray[Any, np.dtype[np.bool_]]]], returned: Returned) -> str:
    """Return a result as it is sent.

    Args:
        items: per circuit, by register, bits of shape ``(..., shots, bits)``, bit 0 first.
        returned: what came with the job.
    """
    from ibm_quantum_schemas.common import CompressedTensorModel
    from ibm_quantum_schemas.executor.version_2_0 import (
        ItemMetadataModel,
        MetadataModel,
        QuantumProgramResultItemModel,
        QuantumProgramResultModel,
    )

    data = [
        QuantumProgramResultItemModel(
            results={name: CompressedTensorModel.from_numpy(bits) for name, bits in registers.items()},
            metadata=ItemMetadataModel(),
        )
        for registers in items
    ]
    model = QuantumProgramResultModel(
        data=data,
        metadata=MetadataModel(chunk_timing=[]),
        passthrough_data=returned.data,
        semantic_role=returned.role,
    )
    return str(model.model_dump_json())


def _broadcast(values: Any, shape: Sequence[int], circuit: QuantumCircuit) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return values of shape ``(..., inputs)``, repeated as the item asks for."""
    array = np.asarray(values, dtype=float)
    if array.ndim == 0 or array.shape[-1] != circuit.num_parameters:
        raise NotAProgramError(
            f"a circuit has {circuit.num_parameters} inputs, and its arguments the shape {array.shape}."
        )
    try:
        wanted = np.broadcast_shapes(array.shape[:-1], tuple(shape))
    except ValueError:
        raise NotAProgramError(
            f"an item's shape {list(shape)} does not fit arguments of shape {array.shape}."
        ) from None
    return np.broadcast_to(array, (*wanted, array.shape[-1]))
