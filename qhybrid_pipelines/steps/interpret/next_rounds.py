"""After a decision to continue: the next round becomes an experiment of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qhybrid_pipelines.control.experiments.registration import Registration
from qhybrid_pipelines.core.learning_specification import LearningSpec
from qhybrid_pipelines.core.specification import ExperimentSpec
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.schemas import DECISIONS


def register_next_rounds(
    experiments: Iterable[tuple[str, ExperimentSpec | LearningSpec]], lake: Lake, registration: Registration
) -> list[str]:
    """Register the next round of every decided execution that has one; return the keys that are new.

    The specification stands whole in the decision's row, so a crash before this step loses nothing, and a repetition
    finds the same key.
    """
    new: list[str] = []
    for key, spec in experiments:
        for backend in spec.backends if isinstance(spec, ExperimentSpec) else ():
            partition = PartitionKey(experiment=key, backend=backend)
            if not lake.exists(DECISIONS, partition):
                continue
            for row in lake.read(DECISIONS, partition).select(["next_specification"]).to_pylist():
                if row["next_specification"] is None:
                    continue
                following = ExperimentSpec.model_validate_json(row["next_specification"])
                registered = registration.register(following, file=f"next round of {key}", folder=Path())
                if registered.new:
                    new.append(registered.key)
    return new
