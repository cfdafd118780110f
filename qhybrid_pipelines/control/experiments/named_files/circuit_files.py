"""Registering the circuit that a specification names: it is read once and checked; from then on its content counts, not its path."""

from __future__ import annotations

from pathlib import Path

from qhybrid_pipelines.control.experiments.named_files.content import read_content
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, ProblemSpec
from qhybrid_pipelines.problems.sources import ReadBytes, ReadFile
from qhybrid_pipelines.quantum.sweeps import check_sweep
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit, read_user_circuit

FIELD = "problem.circuit"


def register_circuit(
    problem: ProblemSpec,
    spec: ExperimentSpec,
    folder: Path,
    read_bytes: ReadBytes,
    *,
    read_named: ReadFile,
) -> tuple[ProblemSpec, bytes | None, UserCircuit | None]:
    """Return the problem with a circuit's path replaced by the file's name and hash, and the content to keep.

    The circuit is read either way, so that nothing wrong gets in.

    Args:
        problem: of ``spec``, its source already registered.
        spec: as the user wrote it; the circuit must not be wider than its largest reduced model, and fit its sweep.
        folder: where a relative path starts.
        read_bytes: gives the content of files registered earlier.
        read_named: gives the file of a path.

    Returns:
        The problem; the bytes of the file, None where the circuit was not a path; the circuit, if there is one.

    Raises:
        InvalidInput: the file is missing or not a regular file, or holds no circuit that can be used here.
    """
    if problem.circuit is None:
        return problem, None, None
    source, data, new = read_content(problem.circuit, folder, read_bytes, read_named, field=FIELD)
    circuit = read_user_circuit(data, file=source.file)
    if circuit.n_variables > spec.widest:
        raise InvalidInput(
            f"the circuit has {circuit.n_variables} qubits, and no reduced model has more than {spec.widest}",
            remedy="Write it for fewer qubits, or raise reduce.max_qubits.",
            field=FIELD,
        )
    check_sweep(spec, len(circuit.inputs))
    return problem.model_copy(update={"circuit": source}), new, circuit
