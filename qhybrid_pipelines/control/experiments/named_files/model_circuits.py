"""Registering the circuit that a learning experiment trains: it is read once and checked; from then on its content counts, not its path."""

from __future__ import annotations

from pathlib import Path

from qhybrid_pipelines.control.experiments.named_files.content import read_content
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.own_circuit_specification import OwnCircuitSpec
from qhybrid_pipelines.learning.circuits.own_circuit import read_own_circuit
from qhybrid_pipelines.problems.sources import ReadBytes, ReadFile

FIELD = "circuit.file"


def register_model_circuit(
    circuit: OwnCircuitSpec,
    spec: LearningSpec,
    folder: Path,
    read_bytes: ReadBytes,
    *,
    read_named: ReadFile,
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
    source, content, new = read_content(circuit.file, folder, read_bytes, read_named, field=FIELD)
    read_own_circuit(content, file=source.file, data=circuit.data, weights=circuit.weights)
    registered = circuit.model_copy(update={"file": source})
    return spec.model_copy(update={"circuit": registered}), new
