"""Registering the circuits and the reference of a sampling experiment: they are read once and checked; from then on their content counts."""

from __future__ import annotations

from pathlib import Path

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.specifications.experiment_specification import FileSource
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.problems.sources import ReadBytes, ReadFile
from qhybrid_pipelines.sampling.observables import check_observables
from qhybrid_pipelines.sampling.plan import check_plan, plan_circuits

CIRCUITS, REFERENCE = "circuit.files", "reference.file"


def named_files(spec: SamplingSpec) -> list[tuple[str | FileSource, str]]:
    """Return every file that a specification names, with the field that names it."""
    reference = [] if spec.reference.file is None else [(spec.reference.file, REFERENCE)]
    return [*((source, CIRCUITS) for source in spec.circuit.files), *reference]


def register_series(
    spec: SamplingSpec,
    folder: Path,
    read_bytes: ReadBytes,
    *,
    read_named: ReadFile,
) -> tuple[SamplingSpec, dict[str, bytes]]:
    """Return the experiment with paths replaced by names and hashes, and the contents to keep, by hash.

    All circuits are built and checked against the reference in either case.

    Args:
        spec: as the user wrote it.
        folder: where a relative path starts.
        read_bytes: gives the content of files registered earlier.
        read_named: gives the file of a path.

    Raises:
        InvalidInput: a file is not there, or holds no circuit or reference that can be used, or a circuit has no
            reference, or not the qubits of an observable.
    """
    contents: dict[str, bytes] = {}

    def taken(source: str | FileSource, field: str) -> FileSource:
        if isinstance(source, FileSource):
            return source
        name, data = read_named(source, folder, field=field)
        contents[sha256_hex(data)] = data
        return FileSource(file=name, sha256=sha256_hex(data))

    def content(source: FileSource) -> bytes:
        return contents[source.sha256] if source.sha256 in contents else read_bytes(source)

    circuit = spec.circuit.model_copy(update={"files": tuple(taken(source, CIRCUITS) for source in spec.circuit.files)})
    reference = spec.reference
    if reference.file is not None:
        reference = reference.model_copy(update={"file": taken(reference.file, REFERENCE)})
    spec = spec.model_copy(update={"circuit": circuit, "reference": reference})
    circuits = plan_circuits(spec, content)
    check_plan(spec, circuits, content)
    check_observables(spec, circuits)
    return spec, contents
