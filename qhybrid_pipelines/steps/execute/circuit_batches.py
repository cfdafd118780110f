"""Step 6: circuits for one backend: template, bindings, shots and seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.jobs.circuit_jobs import Capabilities
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.mitigation_specification import AMPLIFIED_POINTS, noise_factors
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.quantum.annealing.anneal_batches import (
    anneal_batch_to_row,
    build_anneal_batch,
    build_hybrid_batch,
)
from qhybrid_pipelines.quantum.circuits import batch_to_row, build_batch
from qhybrid_pipelines.quantum.mitigation.folding import fold_batch
from qhybrid_pipelines.sampling.observables import basis_circuits
from qhybrid_pipelines.sampling.plan import series_batch
from qhybrid_pipelines.steps.execute.mitigation_checks import check_mitigation
from qhybrid_pipelines.steps.prepare.user_circuits import load_arranged_circuit
from qhybrid_pipelines.steps.sampling.circuits import circuit_from_row
from qhybrid_pipelines.steps.values_from_rows import (
    ExecutionKey,
    check_backend_is_named,
    get_circuits_specification,
    get_row,
    select_rows,
)
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows

#: Returns the embedding of a model, by experiment, backend, model and seed.
Embed: TypeAlias = Callable[[str, str, IsingModel, int], Embedding]


def circuit_batches(
    executions: Iterable[ExecutionKey],
    experiments: pa.Table,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    parameter_sweeps: pa.Table,
    *,
    specifications: Specifications,
    sampling_circuits: pa.Table | None = None,
    optimiser_steps: pa.Table | None = None,
    embed: Embed | None = None,
    capabilities: Callable[[str], Capabilities] | None = None,
) -> pa.Table:
    """Return the table `circuit_batches`; an experiment that reduction solved has no row, a series one for each circuit and basis.

    A loop has a row for every step that was planned so far; without `optimiser_steps` it has its first one, at the start. A sweep
    whose noise is amplified has one for each strength, with points from a multiple of `AMPLIFIED_POINTS`. An
    annealer is asked for its qubit graph by ``embed``, and ``capabilities`` tells whether a backend allows what is asked about its errors.

    Raises:
        InvalidInput: an experiment does not name the backend of its execution, or its model fits no annealer there, or its errors cannot be
            dealt with there as it says.
        ProviderError: the qubit graph of an annealer could not be read.
    """
    rows = []
    for backend, key in executions:
        spec = get_circuits_specification(experiments, key)
        check_backend_is_named(spec, key, backend)
        if capabilities is not None:
            check_mitigation(spec, backend, capabilities)
        if isinstance(spec, SamplingSpec):
            assert sampling_circuits is not None
            series = list(map(circuit_from_row, select_rows(sampling_circuits, key).sort_by("point").to_pylist()))
            turned = [basis.circuit for basis in basis_circuits(spec, series) if basis.circuit.point >= len(series)]
            for circuit in series + turned:
                planned = series_batch(circuit, spec, experiment=key, backend=backend)
                rows.append(batch_to_row(planned, first_point=circuit.point))
            continue
        points = select_rows(parameter_sweeps, key).sort_by("point")
        if points.num_rows:
            angles = np.array(points.column("angles").to_pylist(), dtype=np.float64).reshape(points.num_rows, -1)
            reduced_model = reduced_model_from_row(get_row(reduced_models, key))
            if spec.annealing is not None and spec.annealing.is_hybrid:
                rows.append(
                    anneal_batch_to_row(build_hybrid_batch(reduced_model, spec, experiment=key, backend=backend))
                )
                continue
            if spec.annealing is not None:
                assert embed is not None
                embedding = embed(key, backend, reduced_model.model, spec.seed)
                annealed = build_anneal_batch(reduced_model, spec, embedding, experiment=key, backend=backend)
                rows.append(anneal_batch_to_row(annealed))
                continue
            instance = Instance.from_row(get_row(problem_instances, key))
            own_circuit = load_arranged_circuit(spec, specifications, reduced_model, instance.variables)
            for first_point, batch_angles, factor in _batches(spec, angles, optimiser_steps, key, backend):
                planned = build_batch(
                    reduced_model,
                    batch_angles,
                    spec,
                    experiment=key,
                    backend=backend,
                    circuit=own_circuit,
                    first_point=first_point or 0,
                )
                rows.append(
                    batch_to_row(planned if factor == 1 else fold_batch(planned, factor), first_point=first_point)
                )
    return from_rows(schemas.CIRCUIT_BATCHES, rows)


def _batches(
    spec: ExperimentSpec, angles: F64, optimiser_steps: pa.Table | None, key: str, backend: str
) -> list[tuple[int | None, F64, int]]:
    """Return the number of each batch's first point, which is None where it is the only one, its angles, and how often its gates are run."""
    factors = noise_factors(spec.mitigation)
    if len(factors) > 1:
        return [(place * AMPLIFIED_POINTS, angles, factor) for place, factor in enumerate(factors)]
    if not spec.sweep.is_loop:
        return [(None, angles, 1)]
    if optimiser_steps is None:
        return [(0, np.repeat(angles, spec.sweep.points, axis=0), 1)]
    steps = select_rows(optimiser_steps, key, backend).sort_by("point").to_pylist()
    planned = np.array([row["angles"] for row in steps], dtype=np.float64).reshape(len(steps), angles.shape[1])
    return [(first, planned[first : first + spec.sweep.points], 1) for first in range(0, len(steps), spec.sweep.points)]
