"""The tiers of service: how long work of each kind may take, how often it is polled, and who is told what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel

DAY_SECONDS = 86_400.0

#: States of a job that people may want to hear of.
NotifiableState = Literal[
    "AWAITING_APPROVAL", "SUBMIT_UNKNOWN", "VERIFIED", "FAILED", "REJECTED", "CANCELLED", "EXPIRED"
]


def as_tuple(value: Any) -> Any:
    """Let a person write one value without brackets."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


class Retry(StrictModel):
    """What one call does about a provider that asks to come back later; a later call continues in any case."""

    submissions: int = Field(default=0, ge=0, le=20, description="Further tries within one call.")
    wait_seconds: float = Field(default=0.0, ge=0, le=600, description="Longest wait for one of them.")


class Tier(StrictModel):
    """The rules of one tier."""

    deadline_seconds: float = Field(gt=0, description="From planning; then the job is cancelled and ends EXPIRED.")
    poll_min_seconds: float = Field(gt=0, description="Between two polls of a young job.")
    poll_max_seconds: float = Field(gt=0, description="Between two polls of an old job.")
    cancel_grace_seconds: float = Field(
        default=900.0, ge=0, description="How long a provider may take to confirm that an overdue job was cancelled."
    )
    result_grace_seconds: float = Field(
        default=3600.0,
        ge=0,
        description="How long a result that is refused is fetched again by itself before it waits for a person.",
    )
    saturation_tolerance: float = Field(
        default=1.0, gt=0, description="Factor on the limits of routing.saturation; below 1 is less patient."
    )
    retry: Retry = Field(default_factory=Retry)
    notify: Annotated[tuple[NotifiableState, ...], BeforeValidator(as_tuple)] = Field(
        default=("AWAITING_APPROVAL", "SUBMIT_UNKNOWN", "FAILED", "EXPIRED"), description="States to tell people about."
    )

    @model_validator(mode="after")
    def _polls_get_rarer(self) -> Tier:
        if self.poll_max_seconds < self.poll_min_seconds:
            raise ValueError("poll_max_seconds must be at least poll_min_seconds")
        return self


class Interactive(Tier):
    """Somebody is waiting at the screen."""

    deadline_seconds: float = Field(default=900.0, gt=0)
    poll_min_seconds: float = Field(default=2.0, gt=0)
    poll_max_seconds: float = Field(default=15.0, gt=0)
    cancel_grace_seconds: float = Field(default=120.0, ge=0)
    result_grace_seconds: float = Field(default=300.0, ge=0)
    saturation_tolerance: float = Field(default=0.25, gt=0)
    retry: Retry = Retry(submissions=2, wait_seconds=5.0)


class Batch(Tier):
    """The result is wanted within a day."""

    deadline_seconds: float = Field(default=DAY_SECONDS, gt=0)
    poll_min_seconds: float = Field(default=10.0, gt=0)
    poll_max_seconds: float = Field(default=300.0, gt=0)
    retry: Retry = Retry(submissions=3, wait_seconds=30.0)


class Scheduled(Tier):
    """A benchmark or a nightly run: patient, and quiet."""

    deadline_seconds: float = Field(default=3 * DAY_SECONDS, gt=0)
    poll_min_seconds: float = Field(default=60.0, gt=0)
    poll_max_seconds: float = Field(default=1800.0, gt=0)
    saturation_tolerance: float = Field(default=4.0, gt=0)
    retry: Retry = Retry(submissions=3, wait_seconds=120.0)
    notify: Annotated[tuple[NotifiableState, ...], BeforeValidator(as_tuple)] = ("SUBMIT_UNKNOWN", "FAILED", "EXPIRED")


class Tiers(StrictModel):
    """The rules of all tiers."""

    interactive: Interactive = Field(default_factory=Interactive)
    batch: Batch = Field(default_factory=Batch)
    scheduled: Scheduled = Field(default_factory=Scheduled)

    def of(self, name: str) -> Tier:
        """Return the rules of one tier.

        Raises:
            KeyError: there is no tier of this name.
        """
        tiers: dict[str, Tier] = {
            "interactive": self.interactive,
            "batch": self.batch,
            "scheduled": self.scheduled,
        }
        return tiers[name]
