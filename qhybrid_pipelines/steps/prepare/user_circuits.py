"""The circuit from a file that an experiment runs in place of an ansatz, if it names one."""

from __future__ import annotations

from collections.abc import Sequence

from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, FileSource
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit, read_user_circuit
from qhybrid_pipelines.quantum.user_circuits.variables import order_outcomes
from qhybrid_pipelines.storage.specifications import Specifications


def load_user_circuit(spec: ExperimentSpec, specifications: Specifications) -> UserCircuit | None:
    """Return the circuit that a registered specification names, or None; outcomes are in the order of their bits."""
    named = spec.problem.circuit
    if named is None:
        return None
    assert isinstance(named, FileSource), "a registered specification names files by their hash"
    return read_user_circuit(specifications.read_source_file(named), file=named.file)


def load_arranged_circuit(
    spec: ExperimentSpec, specifications: Specifications, reduced_model: ReducedModel, variables: Sequence[str]
) -> UserCircuit | None:
    """Return the circuit that a registered specification names, its qubits in the order of the reduced model.

    Without names of variables, in the file or the specification, the order of the bits is the reduced model's.

    Args:
        spec: names the file, and maybe its variables.
        specifications: keep the file.
        reduced_model: that the circuit is for.
        variables: names of the instance's variables.

    Raises:
        InvalidInput: the names do not fit the reduced model, or the circuit's width.
    """
    circuit, named = load_user_circuit(spec, specifications), spec.problem.circuit
    names = spec.problem.circuit_variables or (() if circuit is None else circuit.names)
    if circuit is None or not names:
        return circuit
    assert isinstance(named, FileSource)
    if len(names) != circuit.n_variables:
        raise InvalidInput(
            f"{len(names)} variables are named, and the circuit has {circuit.n_variables} qubits whose outcomes count",
            remedy="Name one for each of them.",
            file=named.file,
            field="problem.circuit_variables",
        )
    if reduced_model.size != len(names):
        return circuit  # another width than the reduced model is refused where it is used
    try:
        order = order_outcomes(names, reduced_model, variables)
    except InvalidInput as error:
        raise error.at(file=named.file) from None
    return read_user_circuit(specifications.read_source_file(named), file=named.file, order=order)
