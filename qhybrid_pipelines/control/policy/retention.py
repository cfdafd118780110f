"""How long artefacts are kept: the policy's section ``retention``, a period for each class. Nothing is removed without one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel

_Days = Annotated[int, Field(ge=1, le=36_500)]


class Retention(StrictModel):
    """Days after an experiment's verdict, or after the end of a run that is of none; a class without a period stays for ever."""

    circuits_days: _Days | None = Field(default=None, description="Circuits as they were sent.")
    counts_days: _Days | None = Field(default=None, description="Decoded counts.")
    raw_payloads_days: _Days | None = Field(default=None, description="Answers of providers as received.")
    features_days: _Days | None = Field(
        default=None, description="Features, sweeps, steps of optimisers, folds, predictions."
    )
    metrics_days: _Days | None = Field(default=None, description="Scores of points, solutions, circuits and models.")
    logs_days: _Days | None = Field(default=None, description="Output of Dagster's runs.")
    mlflow_days: _Days | None = Field(default=None, description="Records in the home's own MLflow.")
    dagster_runs_days: _Days | None = Field(default=None, description="Dagster's runs with their events.")

    def days(self, artefact_class: str) -> int | None:
        """Return the period of a class in days; None keeps it for ever."""
        found: int | None = getattr(self, f"{artefact_class}_days")
        return found
