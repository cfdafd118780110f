"""Registering the circuit that a learning experiment trains: it is read once and checked; from then on its content counts, not its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.specifications.experiment_specification import FileSource
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.own_circuit_specification import OwnCircuitSpec
from qhybrid_pipelines.learning.circuits.own_circuit import read_own_circuit
from qhybrid_pipelines.problems.sources import ReadFile, read_file

FIELD = "circuit.file"


def register_model_circuit(
    circuit: OwnCircuitSpec,
    spec: LearningSpec,
    folder: Path,
    read_bytes: Callable[[FileSource], bytes],
    *,
    read_named: ReadFile = read_file,
) -> tuple[LearningSpec, bytes | None]:
    """Return the experiment with its circuit's path replaced by name and hash, and the content to keep.

    Args:
        circuit: of ``spec``.
        spec: as the user wrote it.
        folder: where a relative path starts.
        read_bytes: gives the content of files registered earlier.
        read_named: gives the file of a path.

    Returns:
        The experiment; the bytes of the file, None where it was not a path.

    Raises:
        InvalidInput: the file is not there, or holds no circuit that can be trained, or its inputs are not those that are named.
    """
    named = circuit.file
    if isinstance(named, FileSource):
        read_own_circuit(read_bytes(named), file=named.file, data=circuit.data, weights=circuit.weights)
        return spec, None
    name, content = read_named(named, folder, field=FIELD)
    read_own_circuit(content, file=name, data=circuit.data, weights=circuit.weights)
    kept = circuit.model_copy(update={"file": FileSource(file=name, sha256=sha256_hex(content))})
    return spec.model_copy(update={"circuit": kept}), content
