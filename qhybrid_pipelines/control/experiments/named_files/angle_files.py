"""Registering the file of angles that a specification names: it is read once and checked; from then on its content counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, FileSource
from qhybrid_pipelines.problems.sources import ReadFile, read_file
from qhybrid_pipelines.quantum.given_angles import angle_columns, read_angles
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit

FIELD = "sweep.file"


def register_angles(
    spec: ExperimentSpec,
    circuit: UserCircuit | None,
    folder: Path,
    read_bytes: Callable[[FileSource], bytes],
    *,
    read_named: ReadFile = read_file,
) -> tuple[ExperimentSpec, bytes | None]:
    """Return the specification with the path of a file of angles replaced by name and hash, and the content to keep.

    The number of points becomes that of the file.

    Args:
        spec: as the user wrote it.
        circuit: from a file, in place of the ansatz; its inputs name the columns.
        folder: where a relative path starts.
        read_bytes: gives the content of files registered earlier.
        read_named: gives the file of a path.

    Returns:
        The specification, and the bytes of the file; None where ``sweep.file`` was not a path.

    Raises:
        InvalidInput: the file is not there, or its angles are not those of the circuit.
    """
    named = spec.sweep.file
    if named is None:
        return spec, None
    if isinstance(named, FileSource):
        name, data = named.file, read_bytes(named)
    else:
        name, data = read_named(named, folder, field=FIELD)
    points = len(read_angles(data, angle_columns(spec, circuit), file=name))
    if "points" in spec.sweep.model_fields_set and spec.sweep.points != points:
        raise InvalidInput(
            f"sweep.points is {spec.sweep.points}, and the file {name!r} has {points}",
            remedy="Leave sweep.points out: every line of the file is a point.",
            field="sweep.points",
        )
    file_source = FileSource(file=name, sha256=sha256_hex(data))
    sweep = spec.sweep.model_copy(update={"file": file_source, "points": points})
    return spec.model_copy(update={"sweep": sweep}), None if isinstance(named, FileSource) else data
