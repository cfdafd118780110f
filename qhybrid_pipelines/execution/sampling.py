"""From probabilities to counts in `COUNTS_SCHEMA`; `quantum.simulation.sampling` draws the shots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.execution.counts import counts_from_points
from qhybrid_pipelines.quantum.simulation.sampling import OutcomesFromUniforms, draw_shots, outcomes_from_uniforms

#: Probabilities, or shots, that are worked on together.
BLOCK_VALUES = 1 << 16


def sample_point(
    probabilities: F64, seeds: U64, shots: int, *, point: int, outcomes: U64 | None = None
) -> pa.RecordBatch:
    """Return the counts of one point, see `sample_points`.

    Args:
        probabilities: shape ``(m,)``; need not be normalised to the last digit.
        seeds: shape ``(repetitions,)``.
        shots: per repetition.
        point: index that the counts are labelled with.
        outcomes: shape ``(m,)``, ascending: the packed outcome of each probability; 0, 1, 2, ... by default.
    """
    return sample_points(probabilities[None], seeds[None], shots, first_point=point, outcomes=outcomes)


def sample_points(
    probabilities: F64,
    seeds: U64,
    shots: int,
    *,
    first_point: int,
    outcomes: U64 | None = None,
    outcomes_from_uniforms: OutcomesFromUniforms = outcomes_from_uniforms,
) -> pa.RecordBatch:
    """Return the counts of neighbouring points in `COUNTS_SCHEMA`, sorted by (point, repetition, bits).

    The shots are those of `simulation.sampling.draw_shots`: the same counts whichever points are sampled with it.

    Args:
        probabilities: shape ``(points, m)``; rows need not be normalised to the last digit.
        seeds: shape ``(points, repetitions)``.
        shots: per repetition.
        first_point: index of the first point, that its counts are labelled with.
        outcomes: shape ``(m,)``, ascending: the packed outcome of each probability; 0, 1, 2, ... by default.
        outcomes_from_uniforms: does what `simulation.sampling.outcomes_from_uniforms` does.
    """
    drawn = draw_shots(probabilities, seeds, shots, outcomes=outcomes, outcomes_from_uniforms=outcomes_from_uniforms)
    return counts_from_points(drawn, first_point=first_point)


def sample_rows(rows: Iterable[F64], seeds: U64, shots: int) -> Iterator[pa.RecordBatch]:
    """Yield the counts of all points, in blocks of as many as are worth it; see `sample_points`.

    Args:
        rows: probabilities of each point, shape ``(m,)``, taken as they are needed.
        seeds: shape ``(points, repetitions)``.
        shots: per repetition.
    """
    first, block = 0, []
    for row in rows:
        block.append(row)
        if (len(block) + 1) * max(len(row), seeds.shape[1] * shots) > BLOCK_VALUES:
            yield _sample_block(block, seeds, shots, first)
            first, block = first + len(block), []
    if block:
        yield _sample_block(block, seeds, shots, first)


def _sample_block(block: list[F64], seeds: U64, shots: int, first: int) -> pa.RecordBatch:
    rows = np.stack(block) if len(block) > 1 else block[0][None]
    return sample_points(rows, seeds[first : first + len(block)], shots, first_point=first)
