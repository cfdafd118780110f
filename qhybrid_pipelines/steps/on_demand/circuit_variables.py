"""Which variable each qubit of a circuit from a file is: said before anything is sent, with what looks like a mistake."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.quantum.user_circuits.variables import assignment_rows, find_warnings
from qhybrid_pipelines.steps.prepare.user_circuits import load_arranged_circuit
from qhybrid_pipelines.steps.values_from_rows import Row, get_row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.specifications import Specifications


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitVariables:
    """What an experiment's circuit is taken for.

    Attributes:
        experiment: its key.
        rows: per variable of the reduced model: the qubit's name in the file, its place in an outcome, the variable's name.
        warnings: sentences about what looks like a mistake.
    """

    experiment: str
    rows: list[Row]
    warnings: list[str]

    @property
    def assignment(self) -> str:
        """Which variable each qubit is, as a sentence."""
        qubits = "; ".join(f"{row['qubit']} is {row['variable']}" for row in self.rows)
        return f"{self.experiment}: the circuit's qubits: {qubits}"

    def lines(self) -> list[str]:
        """Return what people are told."""
        return [self.assignment, *(f"{self.experiment}: warning: {warning}" for warning in self.warnings)]


def assign_variables(
    key: str,
    spec: ExperimentSpec,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    *,
    specifications: Specifications,
) -> CircuitVariables | None:
    """Return what an experiment's circuit is taken for; None without a circuit, or where reduction solved the instance.

    Raises:
        InvalidInput: the circuit's names do not fit the reduced model.
    """
    if spec.problem.circuit is None:
        return None
    instance = Instance.from_row(get_row(problem_instances, key))
    reduced_model = reduced_model_from_row(get_row(reduced_models, key))
    circuit = load_arranged_circuit(spec, specifications, reduced_model, instance.variables)
    if circuit is None or circuit.n_variables != reduced_model.size:
        return None
    return CircuitVariables(
        experiment=key,
        rows=assignment_rows(circuit, reduced_model, instance.variables),
        warnings=find_warnings(circuit, reduced_model, instance.variables),
    )


def stored_variables(key: str, lake: Lake, specifications: Specifications) -> CircuitVariables | None:
    """Return what the circuit of an experiment that was prepared is taken for; None where there is nothing to tell."""
    spec, partition = specifications.load_any(key), PartitionKey(experiment=key)
    if not isinstance(spec, ExperimentSpec) or not lake.exists(schemas.REDUCED_MODELS, partition):
        return None
    instances, models = (lake.read(table, partition) for table in (schemas.PROBLEM_INSTANCES, schemas.REDUCED_MODELS))
    try:
        return assign_variables(key, spec, instances, models, specifications=specifications)
    except InvalidInput:
        return None  # the stage that plans the batch says what is wrong
