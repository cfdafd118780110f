"""Splitting a batch into jobs that a backend takes, and where each part belongs in the whole.

A batch whose points are to be compiled with their numbers is split into single points. Such a part has a template without
inputs, so that every provider compiles it as it compiles anything: the compiler sees the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import Capabilities, CircuitBatch
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.core.jobs.openqasm import bind_parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class SubBatch:
    """A rectangle of a batch's points and repetitions, as a batch of its own.

    Attributes:
        batch: what one job runs; its points and repetitions count from 0.
        first_point: index in the whole of its first point.
        first_repetition: index in the whole of its first repetition.
    """

    batch: Batch
    first_point: int
    first_repetition: int


def make_sub_batch(batch: Batch, *, first_point: int, points: int, first_repetition: int, repetitions: int) -> SubBatch:
    """Return the rectangle of that place and size; the whole batch where it covers everything."""
    if (points, repetitions) == (batch.points, batch.repetitions):
        return SubBatch(batch=_bind_in_text(batch), first_point=0, first_repetition=0)
    rows = slice(first_point, first_point + points)
    seeds = batch.seeds[rows, first_repetition : first_repetition + repetitions]
    if isinstance(batch, HybridBatch):
        run = replace(batch, seeds=seeds)
        return SubBatch(batch=run, first_point=first_point, first_repetition=first_repetition)
    if not isinstance(batch, CircuitBatch):
        part = replace(
            batch,
            annealing_times=batch.annealing_times[rows],
            chain_strengths=batch.chain_strengths[rows],
            gauges=batch.gauges[rows],
            seeds=seeds,
        )
        return SubBatch(batch=part, first_point=first_point, first_repetition=first_repetition)
    structure = batch.structure and replace(batch.structure, angles=batch.structure.angles[rows])
    small = replace(batch, bindings=batch.bindings[rows], seeds=seeds, structure=structure)
    return SubBatch(batch=_bind_in_text(small), first_point=first_point, first_repetition=first_repetition)


def _bind_in_text(batch: Batch) -> Batch:
    """Return a batch of one point with its numbers in the template's text, if that is asked for; else the batch."""
    if not isinstance(batch, CircuitBatch) or not batch.compile_points or batch.points != 1:
        return batch
    values = dict(zip(batch.template.parameters, batch.bindings[0].tolist(), strict=True))
    template = replace(batch.template, text=bind_parameters(batch.template.text, values), parameters=())
    return replace(batch, template=template, bindings=batch.bindings[:, :0])


def split(batch: Batch, capabilities: Capabilities, gates_per_circuit: int | None = None) -> tuple[SubBatch, ...]:
    """Return the parts of a batch that each fit into one job, in order of point, then repetition.

    Whole points stay together as long as one point's repetitions fit. Where a job of several circuits needs more shots than some part
    would have, parts are smaller, down to single circuits.

    Args:
        batch: to split.
        capabilities: of its backend.
        gates_per_circuit: as compiled for it; needed where it limits the gates of a job.

    Raises:
        Refused: not even one circuit fits.
    """
    max_circuits = capabilities.max_circuits_per_job
    if capabilities.max_executions_per_job is not None:
        max_circuits = min(max_circuits, capabilities.max_executions_per_job // batch.shots)
    if max_circuits < 1:
        raise Refused(
            f"experiment '{batch.experiment}' needs {batch.shots} shots per circuit, and one job on '{batch.backend}' "
            f"takes at most {capabilities.max_executions_per_job} over all its circuits. Lower shots and raise repetitions."
        )
    if capabilities.max_gates_per_job is not None and gates_per_circuit:
        max_circuits = min(max_circuits, capabilities.max_gates_per_job // gates_per_circuit)
        if max_circuits < 1:
            raise Refused(
                f"experiment '{batch.experiment}' has {gates_per_circuit} gates in a circuit, and one job on "
                f"'{batch.backend}' takes at most {capabilities.max_gates_per_job} over all its circuits. Lower the layers."
            )
    fewest = capabilities.min_executions_per_job
    while any(size > 1 and size * batch.shots < fewest for size in _part_sizes(batch, max_circuits)):
        max_circuits -= 1
    return split_by_size(batch, max_circuits)


def split_by_size(batch: Batch, max_circuits: int) -> tuple[SubBatch, ...]:
    """Return the parts of at most ``max_circuits`` circuits each, at least 1, in order of point, then repetition.

    The size of the largest part says which split it was: ``split_by_size`` of that size gives the same parts.
    """
    points, repetitions = _rectangle(batch, max_circuits)
    return tuple(
        make_sub_batch(
            batch,
            first_point=point,
            points=min(points, batch.points - point),
            first_repetition=repetition,
            repetitions=min(repetitions, batch.repetitions - repetition),
        )
        for point in range(0, batch.points, points)
        for repetition in range(0, batch.repetitions, repetitions)
    )


def _rectangle(batch: Batch, max_circuits: int) -> tuple[int, int]:
    """Return how many points and repetitions of a batch are in one part of at most so many circuits."""
    repetitions = min(batch.repetitions, max_circuits)
    one_by_one = isinstance(batch, CircuitBatch) and batch.compile_points
    points = max_circuits // repetitions if repetitions == batch.repetitions and not one_by_one else 1
    return points, repetitions


def _part_sizes(batch: Batch, max_circuits: int) -> set[int]:
    """Return how many circuits the parts have, the last ones in a row or column too."""
    points, repetitions = _rectangle(batch, max_circuits)
    wide = {min(points, batch.points), batch.points % points or min(points, batch.points)}
    return {p * r for p in wide for r in (repetitions, batch.repetitions % repetitions or repetitions)}
