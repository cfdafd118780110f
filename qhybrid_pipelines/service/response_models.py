"""The bodies of the interface, as its description (OpenAPI) shows them; `service.resources` fills them in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: The state of an experiment. It is never one word "running": that says neither who has it nor what it waits for.
State = Literal["accepted", "refused", "due", "with_provider", "needs_a_person", "stopped", "decided"]


class ResponseModel(BaseModel):
    """A body; what it does not name is not sent."""

    model_config = ConfigDict(extra="forbid")


class ProblemDocument(BaseModel):
    """What every answer that is not a success is (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="about:blank; `code` tells the kinds apart.")
    title: str = Field(description="The words of the status.")
    status: int
    detail: str = Field(description="What is wrong, one sentence.")
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(description="Stable: decide by it.")
    field: str | None = Field(description="The field of the body, the parameter or the header that is meant.")
    file: str | None = Field(description="The file, among those that were sent with it, that is meant.")
    line: int | None = Field(description="1-based line, where one is known.")
    remedy: str = Field(description="What to do about it, one sentence.")
    correlation_id: str = Field(description="Finds this request in the service's log; also in X-Correlation-Id.")


class ExperimentSummary(ResponseModel):
    """An experiment in a list."""

    experiment: str
    owner: str | None
    tags: list[str]
    archived: bool
    href: str


class ExperimentPage(ResponseModel):
    """Some experiments; the header `Link` names the next page."""

    items: list[ExperimentSummary]
    next: str | None = Field(description="Address of the next page; null at the end.")


class BackendState(ResponseModel):
    """The state of an experiment on one backend."""

    backend: str
    state: State
    reason: str
    due: list[str] = Field(description="Stages that are due.")
    jobs: dict[str, int] = Field(description="Its jobs by state.")
    problems: list[str] = Field(description="What its jobs complain of.")


class ExperimentDetail(ExperimentSummary):
    """An experiment: its state is its own page, asked for again after `Retry-After` until nothing changes any more."""

    state: State
    reason: str
    accepted_at: datetime | None = Field(description="When the service accepted it; null where it came another way.")
    specification: dict[str, Any] | None = Field(description="As registered, with hashes in place of files.")
    backends: list[BackendState]
    results: str
    jobs: str


class Results(ResponseModel):
    """What an experiment came to; empty lists before anything is decided."""

    experiment: str
    verdicts: list[dict[str, Any]] = Field(description="One per backend, or per model of a learning experiment.")
    answers: list[dict[str, Any]] = Field(description="The current answer, by the names of the problem.")


class Job(ResponseModel):
    """A job of the ledger; money is in US dollars."""

    job: str
    experiment: str
    backend: str
    requested_backend: str
    state: str
    error: str | None
    circuits: int
    shots: int
    attempt: int
    provider_job_id: str | None
    cost_quoted_usd: float
    cost_usd: float | None
    cost_charged_usd: float | None
    principal: str
    approved_by: str | None
    created_at: datetime
    updated_at: datetime
    correlation_id: str
    href: str


class JobPage(ResponseModel):
    """Some jobs by id; the header `Link` names the next page."""

    items: list[Job]
    next: str | None


class JobEvent(ResponseModel):
    """A step of a job, as it was written into the ledger."""

    position: int = Field(description="Over the whole ledger, from 1, without gaps.")
    type: str = Field(description="For example JobCompleted.")
    job: str
    experiment: str
    sequence: int = Field(description="Over the job, from 1.")
    from_state: str | None
    to_state: str
    at: datetime
    clock: Literal["vendor", "observed"]
    raw_status: str | None
    detail: dict[str, Any] | None


class DecisionUpgrade(ResponseModel):
    """That the answer of a decision was upgraded; there is at most one of a decision."""

    number: int = Field(description="Its place among the upgrades of this home.")
    type: Literal["DecisionUpgraded"]
    decision: str
    at: datetime
    subject: str
    family: str
    version: int = Field(description="Of the current answer.")
    source: str = Field(description="Who found it.")
    objective: float | None
    previous_objective: float | None = Field(description="Of the first answer; null where none was feasible.")
    gain: float | None = Field(description="Over the first answer; by the coefficients as stated.")
    href: str = Field(description="Has the answer itself.")


class JobDetail(Job):
    """A job with its events."""

    events: list[JobEvent]


class EventList(ResponseModel):
    """Some events in the order of the ledger; ask on with `after` = `position`."""

    items: list[JobEvent]
    position: int = Field(description="Up to which everything that you may see was shown.")
    next: str | None = Field(description="Address of what comes after; null where nothing is there yet.")


class ExperimentRequest(BaseModel):
    """A specification, and the texts of the files that it names. No file of the service's machine is read."""

    model_config = ConfigDict(extra="forbid")

    specification: dict[str, Any] = Field(description="The fields of docs/experiments.md, without lineage and vary.")
    files: Annotated[dict[str, str | UploadedFile], Field(max_length=4)] = Field(
        default_factory=dict,
        description="Up to four files by name, each a text or an upload; each is named by a field of the specification.",
    )


class Accepted(ResponseModel):
    """What is acknowledged: it is on the disk, and is sent again byte for byte to the same request."""

    request: str
    experiment: str
    state: Literal["accepted"]
    accepted_at: datetime
    href: str


class Outcome(ResponseModel):
    """What was accepted and came to its end while its sender waited."""

    request: str
    experiment: str
    state: Literal["decided", "stopped", "refused"]
    reason: str
    accepted_at: datetime
    href: str
    verdicts: list[dict[str, Any]] = Field(description="One per backend, or per model of a learning experiment.")
    answers: list[dict[str, Any]] = Field(description="The current answer, by the names of the problem.")


class EstimateProblem(ResponseModel):
    """Why a part of an experiment would not go now."""

    code: str
    detail: str
    remedy: str
    field: str | None


class Estimate(ResponseModel):
    """What an experiment would take and cost now; nothing was registered or sent."""

    experiment: str
    rows: list[dict[str, Any]]
    total: dict[str, Any]
    epochs: list[dict[str, Any]]
    circuits: list[dict[str, Any]]
    problems: list[EstimateProblem]


class StoredUpload(ResponseModel):
    """A file of the caller's."""

    sha256: str
    bytes: int
    sent_at: datetime
    href: str


class UploadList(ResponseModel):
    """The caller's files, by hash."""

    items: list[StoredUpload]


class UploadedFile(BaseModel):
    """A file that was sent ahead."""

    model_config = ConfigDict(extra="forbid")

    upload: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of one of the caller's uploads.")


class MoneyQuota(ResponseModel):
    """A budget of the policy that is the caller's own; US dollars."""

    limit_usd: float
    used_usd: float = Field(description="Charged to its jobs, and quoted for those that have not ended.")
    remaining_usd: float
    per: Literal["day", "month", "ever"]
    provider: str | None = Field(description="Whose jobs count; null is all.")
    resets_at: datetime | None


class Quota(ResponseModel):
    """What a caller may ask for and spend; null is as much as it likes."""

    principal: str
    requests: int | None
    per_seconds: int
    at_once: int | None
    money: list[MoneyQuota]


class Health(ResponseModel):
    """The process answers."""

    status: Literal["ok"]
