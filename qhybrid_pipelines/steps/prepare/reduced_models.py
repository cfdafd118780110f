"""Step 3: what classical reduction leaves to be solved."""

from __future__ import annotations

from functools import partial

import pyarrow as pa

from qhybrid_pipelines.classical.reduction.substitution import VariableMap
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.steps.values_from_rows import get_row, read_experiments
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def reduced_models(experiments: pa.Table, problem_instances: pa.Table) -> pa.Table:
    """Return the table `reduced_models`: the reduced model of each experiment and the steps that led to it."""
    rows = []
    for key, spec in read_experiments(experiments):
        instance = Instance.from_row(get_row(problem_instances, key))
        eliminate = partial(_eliminate, spec=spec) if spec.ansatz.kind == "recursive_qaoa" else None
        reduction = reduce_instance(family_named(instance.family), instance, spec, eliminate=eliminate)
        rows.append({"experiment": key, **reduction.to_row()})
    return from_rows(schemas.REDUCED_MODELS, rows)


def _eliminate(model: IsingModel, *, spec: ExperimentSpec) -> tuple[VariableMap, str]:
    """Return what recursive QAOA leaves, and the correlations that it took at their word."""
    # Only experiments that ask for it pay for SciPy's optimiser.
    from qhybrid_pipelines.quantum.recursive import eliminate

    variables, used = eliminate(model, spec.ansatz.depth, keep=spec.ansatz.keep)
    sizes = [abs(one.value) for one in used]
    told = f"; correlations from {max(sizes):.2f} to {min(sizes):.2f}" if sizes else ""
    layers = f"{spec.ansatz.depth} layer{'s' if spec.ansatz.depth > 1 else ''}"
    return variables, f"{len(used)} eliminated by simulated circuits of {layers}{told}"
