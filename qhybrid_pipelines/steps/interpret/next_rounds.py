"""After a decision to continue: the next round becomes an experiment of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.experiments.damaged_files import Damage
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

if TYPE_CHECKING:
    from qhybrid_pipelines.control.experiments.registration import RegisteredExperiment, Registration
    from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
    from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec

DECISIONS = "decisions"


def register_next_rounds(
    experiments: Iterable[tuple[str, AnySpec]],
    lake: Lake,
    registration: Registration,
    damage: Damage,
) -> list[str]:
    """Register the next round of every decided execution that has one; return the keys that are new."""
    following = register_following(experiments, lake, registration, damage)
    return [one.key for rounds in following.values() for one in rounds if one.new]


def register_following(
    experiments: Iterable[tuple[str, AnySpec]],
    lake: Lake,
    registration: Registration,
    damage: Damage,
) -> dict[str, list[RegisteredExperiment]]:
    """Register the next round of every decided execution that has one; return them by experiment, new or known.

    The whole specification is in the decision's row, so a crash before this step loses nothing, and a repetition
    finds the same key. An experiment whose decision cannot be read, or whose next round is refused, is noted.
    """
    registered: dict[str, list[RegisteredExperiment]] = {}
    for key, spec in experiments:
        with damage.of(key):
            for following in find_next_rounds(key, spec, lake):
                one = registration.register(following, file=f"next round of {key}", folder=Path())
                registered.setdefault(key, []).append(one)
    return registered


def find_next_rounds(key: str, spec: AnySpec, lake: Lake) -> Iterator[ExperimentSpec]:
    """Yield what an experiment's decisions say is to follow.

    Raises:
        CorruptFile: a decision cannot be read.
    """
    from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec

    for backend in spec.backends if isinstance(spec, ExperimentSpec) else ():
        partition = PartitionKey(experiment=key, backend=backend)
        if not lake.exists(DECISIONS, partition):
            continue
        for row in lake.read(DECISIONS, partition).select(["next_specification"]).to_pylist():
            if row["next_specification"] is not None:
                yield ExperimentSpec.model_validate_json(row["next_specification"])
