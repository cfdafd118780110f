"""The bodies of what is done about a job or an experiment."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from qhybrid_pipelines.core.specifications.experiment_specification import BACKEND_PATTERN
from qhybrid_pipelines.service.response_models import ResponseModel


class ActionBody(BaseModel):
    """What is asked for; a field that it does not name is refused."""

    model_config = ConfigDict(extra="forbid")


class Approval(ActionBody):
    """Agreement to a job at its price."""

    cost_quoted_usd: float = Field(
        ge=0, allow_inf_nan=False, description="The price agreed to, as the job shows it; US dollars."
    )


class Refusal(ActionBody):
    """Why a person says no."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] = Field(
        description="Kept with the job."
    )


class NewPriority(ActionBody):
    """The place among jobs that were not sent yet."""

    priority: int = Field(ge=-1000, le=1000, description="0 is normal, higher goes first.")


class Destination(ActionBody):
    """Where a job's work shall go."""

    backend: str = Field(pattern=BACKEND_PATTERN, max_length=200, description="As provider:backend.")


class CancelledExperiment(ResponseModel):
    """A stopped experiment, and those of its jobs that had not ended."""

    experiment: str
    state: Literal["stopped"]
    jobs: list[dict[str, Any]] = Field(
        description="`job`, `backend`, `state` as it stands now, and `problem` where its provider could not be asked."
    )
