"""Bodies about endpoints, and the messages that they are sent, as the description of the interface (OpenAPI) shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from qhybrid_pipelines.service.response_models import DecisionUpgrade, JobEvent, ResponseModel
from qhybrid_pipelines.service.webhooks.target_addresses import MAX_URL_LENGTH


class NewEndpoint(BaseModel):
    """Where messages are to go, and about what."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Annotated[str, Field(max_length=MAX_URL_LENGTH)] = Field(description="https://HOST/PATH of a public host.")
    kind: Literal["webhook", "slack"] = Field(
        default="webhook", description="webhook: a signed CloudEvent; slack: a text for a Slack-compatible address."
    )
    types: Annotated[list[str], Field(max_length=64)] | None = Field(
        default=None, description="Only these events, by name, such as JobCompleted; null is all."
    )
    by_tier: bool = Field(default=False, description="Only what the tiers of the policy tell people (their `notify`).")
    after: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = Field(
        default=None, description="Position of the last event that is not sent; null is the last one that there is."
    )


class ReplayRange(BaseModel):
    """Events that are sent once more, with the ids and bodies that they had."""

    model_config = ConfigDict(extra="forbid", strict=True)

    after: Annotated[int, Field(ge=0, le=2**63 - 1)] = Field(description="Those behind this position,")
    until: Annotated[int, Field(ge=1, le=2**63 - 1)] = Field(description="up to and with this one.")


class EndpointBody(ResponseModel):
    """An endpoint, and how far it has got."""

    endpoint: str
    principal: str
    kind: Literal["webhook", "slack", "mail"]
    url: str = Field(description="Of an address that is itself a secret, only the host.")
    types: list[str] | None
    by_tier: bool
    sees_all: bool = Field(description="It is told of everybody's jobs.")
    state: Literal["pending", "active", "disabled"] = Field(
        description="pending until the receiver has acknowledged a first message; a disabled one is told nothing."
    )
    problem: str | None = Field(description="Of the last attempt, or why it is disabled.")
    position: int = Field(description="Up to which event everything is done with.")
    upgrade: int = Field(description="Up to which upgrade of a decision everything is done with.")
    failures: int = Field(description="Attempts in a row that failed.")
    failing_since: datetime | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime
    href: str


class SetAside(ResponseModel):
    """A message that was tried to the end of the schedule."""

    message: str
    position: int | None
    at: datetime
    problem: str


class EndpointDetail(EndpointBody):
    """An endpoint with the messages that were set aside, newest first."""

    dead: list[SetAside]


class EndpointWithSecret(EndpointBody):
    """An endpoint with its secret, which is not shown again."""

    secret: str | None = Field(description="whsec_ and 32 bytes in Base64; null where messages are not signed.")


class NewSecret(ResponseModel):
    """The next secret of an endpoint; the one before signs as well for a day."""

    endpoint: str
    secret: str


class EndpointList(ResponseModel):
    """The caller's endpoints, oldest first."""

    items: list[EndpointBody]


class CloudEvent(BaseModel):
    """What an endpoint is sent: a CloudEvent in structured mode, `application/cloudevents+json`."""

    model_config = ConfigDict(extra="forbid")

    specversion: Literal["1.0"]
    id: str = Field(description="HOME/POSITION: the same for every repetition, so that a receiver takes each once.")
    source: str
    type: str
    subject: str = Field(description="The job, the decision, or the endpoint.")
    time: datetime
    datacontenttype: Literal["application/json"]


class JobCloudEvent(CloudEvent):
    """About a step of a job."""

    sequence: str = Field(description="The position in the ledger, 20 digits: in the order of texts.")
    data: JobEvent


class UpgradeCloudEvent(CloudEvent):
    """About a decision whose answer was upgraded."""

    data: DecisionUpgrade


class NoticeCloudEvent(CloudEvent):
    """About an endpoint: that it is one, or that it was disabled."""

    data: dict[str, Any]
