"""Stages of many experiments in one run: a run costs seconds beside the work in it, a further partition some tens of milliseconds.

Only stages that no provider of jobs elsewhere has a part in, and only where more wait than would begin at once anyway. Dagster runs a range of
partitions, so that a batch is a row of neighbours in the order in which experiments were added. Where a batch fails, its stages are
asked for again in smaller ones, and in the end alone: then only the one that is wrong fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.defs.environment_numbers import read_whole_number
from qhybrid_pipelines.defs.partitions import EXPERIMENT_PARTITIONS
from qhybrid_pipelines.defs.run_history import RunHistory
from qhybrid_pipelines.defs.run_tags import BATCH_OF_TAG, BATCH_TAG, partition_text

SIZE_VARIABLE = "QHYBRID_STAGES_PER_RUN"
DEFAULT_SIZE = 100
#: Stages of one kind up to which each has a run of its own, which a person finds by its experiment.
MAX_ALONE = 8
#: By how much a batch is smaller than the one that failed.
SHRINK = 4
#: Stages that prepare, or run on a backend that answers at once.
BATCHED_STAGES = frozenset({"prepare", "execute", "plan", "sample"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Stages of one job on one backend, whose experiments are neighbours in Dagster's order of partitions."""

    stages: tuple[Stage, ...]

    @property
    def tags(self) -> dict[str, str]:
        """The tags that make a run do them, and by which each is found again."""
        names = [partition_text(stage) for stage in self.stages]
        return {
            ASSET_PARTITION_RANGE_START_TAG: names[0],
            ASSET_PARTITION_RANGE_END_TAG: names[-1],
            BATCH_TAG: self.stages[0].job,
            BATCH_OF_TAG: "\n".join(names),
        }


def stages_per_run() -> int:
    """Return how many stages one run does at most; 1 gives each its own.

    Raises:
        InvalidInput: the environment says something that is not a number of stages.
    """
    return read_whole_number(
        SIZE_VARIABLE, DEFAULT_SIZE, meaning="a number of stages in one run", unit="a whole number"
    )


def make_batches(
    histories: Mapping[Stage, RunHistory], requesters: Mapping[Stage, str], instance: dg.DagsterInstance
) -> list[Batch]:
    """Return the stages that begin now in batches; one that begins alone is a batch of one.

    Args:
        histories: the stages, with what became of their runs so far.
        requesters: in whose name each runs; a run has one name.
        instance: knows the order of partitions.
    """
    size = stages_per_run()
    groups: dict[tuple[str, str | None, str, int], list[Stage]] = {}
    alone: list[Stage] = []
    for stage, history in histories.items():
        limit = max(1, size // SHRINK**history.failed_batches)
        if limit == 1 or stage.job not in BATCHED_STAGES or stage.job_set_hash:
            alone.append(stage)
        else:
            groups.setdefault((stage.job, stage.backend, requesters[stage], limit), []).append(stage)
    found: list[Batch] = []
    places: Mapping[str, int] | None = None
    for (*_, limit), stages in groups.items():
        if len(stages) <= MAX_ALONE:
            alone += stages
            continue
        if places is None:
            places = {name: at for at, name in enumerate(instance.get_dynamic_partitions(EXPERIMENT_PARTITIONS))}
        alone += [stage for stage in stages if stage.experiment not in places]
        known = sorted((places[stage.experiment], stage) for stage in stages if stage.experiment in places)
        found += [Batch(stages=part) for row in _rows(known) for part in _parts(row, limit)]
    return [*(Batch(stages=(stage,)) for stage in alone), *found]


def _rows(stages: Sequence[tuple[int, Stage]]) -> list[list[Stage]]:
    """Return sorted stages as rows of neighbours."""
    rows = [[stages[0][1]]] if stages else []
    for (before, _), (place, stage) in pairwise(stages):
        if place == before + 1:
            rows[-1].append(stage)
        else:
            rows.append([stage])
    return rows


def _parts(row: Sequence[Stage], limit: int) -> list[tuple[Stage, ...]]:
    return [tuple(row[start : start + limit]) for start in range(0, len(row), limit)]
