"""What is still to be done for which experiment: a pure look at what the lake holds.

The command line, the automation sensor and the reconcile schedule all ask this one question, so that they do the same
thing. Keys are content-addressed: a table that is there is right, and nothing runs twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from qhybrid_pipelines.core.specification import ExperimentSpec

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


class TableStore(Protocol):
    """As much of the lake as this look needs."""

    def exists(self, asset: str, *, experiment: str | None = None, backend: str | None = None) -> bool:
        """Return whether the asset's table is there."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Leg:
    """One run that is due: ``prepare`` for an experiment, or ``execute`` for an experiment on a backend."""

    experiment: str
    backend: str | None = None

    @property
    def job(self) -> str:
        """Name of the Dagster job that does it."""
        return "prepare" if self.backend is None else "execute"


def due_legs(experiments: Iterable[tuple[str, ExperimentSpec]], lake: TableStore) -> list[Leg]:
    """Return the runs that are due now; an experiment is executed only once it is prepared."""
    legs: list[Leg] = []
    for key, spec in experiments:
        if not all(lake.exists(asset, experiment=key) for asset in PREPARE):
            legs.append(Leg(experiment=key))
            continue
        legs += [
            Leg(experiment=key, backend=backend)
            for backend in spec.backends
            if not all(lake.exists(asset, experiment=key, backend=backend) for asset in EXECUTE)
        ]
    return legs
