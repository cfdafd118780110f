"""Registering the file of angles that a specification names: it is read once and checked; from then on its content counts."""

from __future__ import annotations

from pathlib import Path

from qhybrid_pipelines.control.experiments.named_files.content import read_content
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.problems.sources import ReadBytes, ReadFile
from qhybrid_pipelines.quantum.given_angles import angle_columns, read_angles
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit

FIELD = "sweep.file"


def register_angles(
    spec: ExperimentSpec,
    circuit: UserCircuit | None,
    folder: Path,
    read_bytes: ReadBytes,
    *,
    read_named: ReadFile,
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
    if spec.sweep.file is None:
        return spec, None
    source, data, new = read_content(spec.sweep.file, folder, read_bytes, read_named, field=FIELD)
    points = len(read_angles(data, angle_columns(spec, circuit), file=source.file))
    if "points" in spec.sweep.model_fields_set and spec.sweep.points != points:
        raise InvalidInput(
            f"sweep.points is {spec.sweep.points}, and the file {source.file!r} has {points}",
            remedy="Leave sweep.points out: every line of the file is a point.",
            field="sweep.points",
        )
    sweep = spec.sweep.model_copy(update={"file": source, "points": points})
    return spec.model_copy(update={"sweep": sweep}), new
