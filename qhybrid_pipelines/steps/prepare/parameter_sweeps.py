"""Step 4: the parameter points that will be tried."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.specification import ExperimentSpec, FileSource
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.quantum.given_angles import angle_columns, read_angles
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit
from qhybrid_pipelines.steps.prepare.optimised_angles import StoredAngles
from qhybrid_pipelines.steps.prepare.user_circuits import load_user_circuit
from qhybrid_pipelines.steps.values_from_rows import Row, get_row, read_experiments, with_partition_columns
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows


def parameter_sweeps(experiments: pa.Table, reduced_models: pa.Table, specifications: Specifications) -> pa.Table:
    """Return the table `parameter_sweeps`; an experiment that reduction solved has none."""
    rows: list[Row] = []
    for key, spec in read_experiments(experiments):
        circuit = load_user_circuit(spec, specifications)
        plan = plan_sweep(
            reduced_model_from_row(get_row(reduced_models, key)),
            spec,
            circuit,
            optimise=StoredAngles(specifications.home),
            given=_given_angles(spec, circuit, specifications),
        )
        rows += with_partition_columns(plan.rows(), experiment=key)
    return from_rows(schemas.PARAMETER_SWEEPS, rows)


def _given_angles(spec: ExperimentSpec, circuit: UserCircuit | None, specifications: Specifications) -> F64 | None:
    """Return the angles of the file that a specification names, if it names one."""
    named = spec.sweep.file
    if named is None:
        return None
    assert isinstance(named, FileSource), "a registered specification names files by their hash"
    return read_angles(specifications.read_source_file(named), angle_columns(spec, circuit), file=named.file)
