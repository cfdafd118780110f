"""Step 4: the parameter points that will be tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, FileSource
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.quantum.angle_search import AngleOptimiser
from qhybrid_pipelines.quantum.depth import DepthChoice, choose_depth
from qhybrid_pipelines.quantum.given_angles import angle_columns, read_angles
from qhybrid_pipelines.quantum.mixers import choose_mixer
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit
from qhybrid_pipelines.steps.prepare.optimised_angles import StoredAngles
from qhybrid_pipelines.steps.prepare.user_circuits import load_user_circuit
from qhybrid_pipelines.steps.values_from_rows import Row, get_row, read_experiments, with_partition_columns
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows

#: Up to this size an estimate optimises the angles as the run does: about a second of a processor.
MOST_QUBITS_OF_AN_ESTIMATE = 12


def parameter_sweeps(
    experiments: pa.Table,
    reduced_models: pa.Table,
    specifications: Specifications,
    *,
    gate_error: Callable[[str], float | None] = lambda _: None,
    chosen_depth: DepthChoice | None = None,
    estimated_beside: Home | None = None,
) -> pa.Table:
    """Return the table `parameter_sweeps`; an experiment that reduction solved has none.

    Args:
        experiments: their table.
        reduced_models: of the same experiments.
        specifications: keep the files that specifications name.
        gate_error: tells the error of a backend's two-qubit gates; asked where the depth is left to it.
        chosen_depth: what was chosen before, of an experiment that is done again.
        estimated_beside: the home for which this is an estimate: it has angles of what ran before, and where it has none, a
            model above `MOST_QUBITS_OF_AN_ESTIMATE` gets those of a table, which cost the same.
    """
    rows: list[Row] = []
    for key, asked in read_experiments(experiments):
        optimise = StoredAngles(specifications.home, asked.sweep.objective, asked.sweep.alpha)
        reduced_model = reduced_model_from_row(get_row(reduced_models, key))
        spec, reason = _choose_depth(asked, reduced_model, optimise, gate_error, chosen_depth)
        if estimated_beside is not None:
            spec, optimise = _as_estimated(spec, reduced_model, replace(optimise, home=estimated_beside), optimise)
        circuit = load_user_circuit(spec, specifications)
        plan = plan_sweep(
            reduced_model,
            spec,
            circuit,
            optimise=optimise,
            given=_given_angles(spec, circuit, specifications),
        )
        rows += with_partition_columns([{**row, "depth_reason": reason} for row in plan.rows()], experiment=key)
    return from_rows(schemas.PARAMETER_SWEEPS, rows)


def _as_estimated(
    spec: ExperimentSpec, reduced_model: ReducedModel, known: StoredAngles, optimise: StoredAngles
) -> tuple[ExperimentSpec, StoredAngles]:
    """Return what an estimate plans with: the search takes seconds from some size on, and no price depends on the angles."""
    if spec.annealing is not None or spec.sweep.strategy != "auto" or not spec.ansatz.is_qaoa or not reduced_model.size:
        return spec, optimise
    for stored in (known, optimise):
        if stored.known(reduced_model, choose_mixer(reduced_model, spec), spec.ansatz.depth) is not None:
            return spec, stored
    if reduced_model.size <= MOST_QUBITS_OF_AN_ESTIMATE:
        return spec, optimise
    sweep = spec.sweep.model_copy(update={"strategy": "fixed_angles"})
    return spec.model_copy(update={"sweep": sweep}), optimise


def _choose_depth(
    spec: ExperimentSpec,
    reduced_model: ReducedModel,
    optimise: AngleOptimiser,
    gate_error: Callable[[str], float | None],
    chosen: DepthChoice | None,
) -> tuple[ExperimentSpec, str | None]:
    """Return the specification with its depth, and why it is that where it was left to the backend."""
    if spec.ansatz.layers != "auto" or not reduced_model.size:
        return spec, None
    if chosen is None:
        [backend] = spec.backends
        mixer = choose_mixer(reduced_model, spec)
        chosen = choose_depth(reduced_model, mixer, optimise, backend=backend, two_qubit_error=gate_error(backend))
    ansatz = spec.ansatz.model_copy(update={"layers": chosen.layers})
    return spec.model_copy(update={"ansatz": ansatz}), chosen.reason


def _given_angles(spec: ExperimentSpec, circuit: UserCircuit | None, specifications: Specifications) -> F64 | None:
    """Return the angles of the file that a specification names, if it names one."""
    named = spec.sweep.file
    if named is None:
        return None
    assert isinstance(named, FileSource), "a registered specification names files by their hash"
    return read_angles(specifications.read_source_file(named), angle_columns(spec, circuit), file=named.file)
