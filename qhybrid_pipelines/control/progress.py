"""What is still to be done for which experiment: a pure look at what the lake holds.

The command line, the automation sensor and the reconcile schedule all ask this one question, so that they do the same
thing. Keys are content-addressed: a table that is there is right, and nothing runs twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from qhybrid_pipelines.core.specification import ExperimentSpec
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

#: Assets of each leg in the order of the data's way; the last ones are written last.
PREPARE = ("experiments", "problem_instances", "features", "kernels", "parameter_sweeps", "baselines")
EXECUTE = (
    "circuit_batches",
    "qpu_submissions",
    "qpu_result_sets",
    "point_scores",
    "scored_solutions",
    "baseline_comparisons",
    "decisions",
    "provenance",
    "tracking_runs",
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Leg:
    """One run that is due: ``prepare`` for an experiment, or ``execute`` for an experiment on a backend."""

    experiment: str
    backend: str | None = None

    @property
    def job(self) -> str:
        """Name of the Dagster job that does it."""
        return "prepare" if self.backend is None else "execute"


def due_legs(experiments: Iterable[tuple[str, ExperimentSpec]], lake: Lake) -> list[Leg]:
    """Return the runs that are due now; an experiment is executed only once it is prepared."""
    legs: list[Leg] = []
    for key, spec in experiments:
        if not all(lake.exists(asset, PartitionKey(experiment=key)) for asset in PREPARE):
            legs.append(Leg(experiment=key))
            continue
        legs += [
            Leg(experiment=key, backend=backend)
            for backend in spec.backends
            if not all(lake.exists(asset, PartitionKey(experiment=key, backend=backend)) for asset in EXECUTE)
        ]
    return legs
