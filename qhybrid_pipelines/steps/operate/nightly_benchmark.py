"""The nightly benchmark: small fixed questions, asked again every night under the night's date."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from qhybrid_pipelines.control.experiments.registration import Registration
from qhybrid_pipelines.core.specifications.experiment_specification import (
    AnsatzSpec,
    ExperimentSpec,
    ProblemSpec,
    SweepSpec,
)

GRAPHS = ("petersen", "heawood", "moebius_kantor")


def specifications(night: date) -> list[ExperimentSpec]:
    """Return the questions of one night: MaxCut on cubic graphs of 10 to 16 nodes with tabulated angles."""
    return [
        ExperimentSpec(
            name=f"nightly {graph} {night.isoformat()}",
            tier="scheduled",
            problem=ProblemSpec(family="maxcut", source=f"networkx:{graph}"),
            ansatz=AnsatzSpec(layers=2),
            sweep=SweepSpec(strategy="fixed_angles", points=4),
        )
        for graph in GRAPHS
    ]


def register(registration: Registration, night: date) -> list[str]:
    """Register the questions of one night and return their keys."""
    return [registration.register(spec, folder=Path()).key for spec in specifications(night)]
