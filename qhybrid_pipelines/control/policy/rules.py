"""Who may run what where: `policy.yaml` as a strict model, and the pure question that is asked of it before every job.

Deny by default: rules are tried in order, the first one that fits decides, and where none fits the answer is no. Beside
the rules is what the router may do (`routing`) and how patient each tier is (`tiers`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from qhybrid_pipelines.control.ledger.spending import Period, SpendingLimit
from qhybrid_pipelines.control.policy.deployment import Environment
from qhybrid_pipelines.control.policy.retention import Retention
from qhybrid_pipelines.control.policy.tiers import Tiers, as_tuple
from qhybrid_pipelines.core.canonical import content_hash
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.backend_declaration import THIS_MACHINE
from qhybrid_pipelines.core.specifications.experiment_specification import BACKEND_PATTERN, DataClass, StrictModel
from qhybrid_pipelines.core.specifications.specification_text import find_line, read_mapping
from qhybrid_pipelines.core.specifications.validation_messages import first_finding

Mode = Literal["hardware", "simulator", "local-testing", "emulator"]
Verdict = Literal["allow", "deny", "approve"]

#: In the place of a principal: everybody, each alone.
EACH = "*"
BUILT_IN_POLICY = "default_policy.yaml"

#: What may be behind a backend that answers at once.
_LOCAL_MODES: frozenset[Mode] = frozenset({"simulator", "local-testing"})
#: Fields of a rule that fit some work for a backend and not all.
_REQUEST_FIELDS = {"principal", "environment", "mode", "data_class", "max_shots", "max_cost_usd", "above_cost_usd"}

_Globs = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
_Backend = Annotated[str, Field(pattern=BACKEND_PATTERN)]


class Rule(StrictModel):
    """One line of the policy; a field that is left out fits everything."""

    name: str = Field(min_length=1, description="Short name; recorded in the ledger with every decision.")
    then: Verdict = Field(description="allow | deny | approve")
    reason: str = Field(min_length=1, description="Why; shown to whoever is refused or has to approve.")
    principal: _Globs | None = Field(default=None, min_length=1, description="Globs of who asks.")
    environment: Annotated[tuple[Environment, ...], BeforeValidator(as_tuple)] | None = Field(
        default=None, min_length=1, description="dev | test | prod"
    )
    backend: _Globs | None = Field(default=None, min_length=1, description="Globs of full backend names.")
    mode: Annotated[tuple[Mode, ...], BeforeValidator(as_tuple)] | None = Field(
        default=None, min_length=1, description="hardware | simulator | local-testing | emulator"
    )
    region: _Globs | None = Field(
        default=None,
        min_length=1,
        description="Globs of where jobs are processed; a place that is not known fits none.",
    )
    outside_region: _Globs | None = Field(
        default=None, min_length=1, description="Fits every other place than these, also one that is not known."
    )
    data_class: Annotated[tuple[DataClass, ...], BeforeValidator(as_tuple)] | None = Field(
        default=None, min_length=1, description="public | internal | confidential"
    )
    max_shots: int | None = Field(default=None, ge=1, description="Fits requests of at most so many shots in all.")
    max_cost_usd: float | None = Field(default=None, ge=0, description="Fits requests quoted at most so much in all.")
    above_cost_usd: float | None = Field(default=None, ge=0, description="Fits requests quoted above this.")


class BreakerRules(StrictModel):
    """When a backend is left alone for a while."""

    failures: int = Field(default=5, ge=1, le=100, description="Retryable failures in a row that open the breaker.")
    open_seconds: float = Field(default=60.0, gt=0, description="How long it stays open; doubles with each failure.")
    max_open_seconds: float = Field(default=3600.0, gt=0, description="Longest time it stays open.")


class SaturationRules(StrictModel):
    """When a queue counts as full; the tier's tolerance multiplies both limits."""

    queued_jobs: int | None = Field(default=None, ge=0)
    queue_seconds: float | None = Field(default=14_400.0, ge=0)


class CalibrationRules(StrictModel):
    """How old a calibration may be, and what happens to work for a backend with an older one."""

    max_age_seconds: float | None = Field(default=172_800.0, gt=0)
    stale: Literal["refuse", "reroute", "accept"] = "reroute"


class Routing(StrictModel):
    """Where work may go, and when it goes elsewhere."""

    failover: dict[_Backend, Annotated[tuple[_Backend, ...], BeforeValidator(as_tuple)]] = Field(default_factory=dict)
    breaker: BreakerRules = Field(default_factory=BreakerRules)
    saturation: SaturationRules = Field(default_factory=SaturationRules)
    calibration: CalibrationRules = Field(default_factory=CalibrationRules)


class Budget(StrictModel):
    """What all experiments together may spend."""

    usd: float = Field(ge=0, allow_inf_nan=False, description="US dollars, spent or reserved.")
    per: Period = Field(default="month", description="day | month (of the calendar, UTC) | ever")
    provider: str | None = Field(
        default=None, pattern=r"^[a-z][a-z0-9_-]*$", description="Whose jobs count, for example ionq; all if left out."
    )
    principal: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Who asks; '*' is everybody without a budget of their own, each alone; all together if left out.",
    )

    def limit_for(self, principal: str) -> SpendingLimit:
        """Return the limit as the ledger holds it for the jobs of somebody."""
        whose = principal if self.principal == EACH else self.principal
        return SpendingLimit(limit_usd=self.usd, provider=self.provider, per=self.per, principal=whose)


class Policy(StrictModel):
    """The whole file."""

    rules: Annotated[tuple[Rule, ...], BeforeValidator(as_tuple)] = Field(min_length=1)
    budgets: Annotated[tuple[Budget, ...], BeforeValidator(as_tuple)] = ()
    routing: Routing = Field(default_factory=Routing)
    tiers: Tiers = Field(default_factory=Tiers)
    retention: Retention = Field(default_factory=Retention)

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Policy:
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("two rules have the same name")
        return self

    @model_validator(mode="after")
    def _budgets_are_distinct(self) -> Policy:
        kinds = [(budget.provider, budget.per, budget.principal) for budget in self.budgets]
        if len(set(kinds)) != len(kinds):
            raise ValueError("two budgets have the same principal, provider and time")
        return self

    def spending_limits_for(self, principal: str) -> tuple[SpendingLimit, ...]:
        """Return what holds for the jobs of somebody, as the ledger holds it: limits of all together, and their own."""
        own = {(budget.provider, budget.per) for budget in self.budgets if budget.principal == principal}
        return tuple(
            budget.limit_for(principal)
            for budget in self.budgets
            if budget.principal in (None, principal)
            or (budget.principal == EACH and (budget.provider, budget.per) not in own)
        )

    def all_spending_limits(self, principals: Iterable[str]) -> tuple[SpendingLimit, ...]:
        """Return every limit: those of all together, and those of everybody who is named here or in the file."""
        named = [budget.principal for budget in self.budgets if budget.principal not in (None, EACH)]
        everybody = dict.fromkeys([*(name for name in named if name is not None), *sorted(set(principals))])
        together = tuple(budget.limit_for("") for budget in self.budgets if budget.principal is None)
        own = (limit for name in everybody for limit in self.spending_limits_for(name) if limit.principal is not None)
        return (*together, *own)

    @property
    def sha256(self) -> str:
        """SHA-256 of what the policy says; comments and order of fields do not count."""
        # A policy that says nothing of budgets, of whose they are, or of regions, has the hash that it had before there were any.
        # How long artefacts are kept decides about no job.
        said = self.model_dump(mode="json", exclude={"retention"} if self.budgets else {"retention", "budgets"})
        for rule in said["rules"]:
            for name in ("region", "outside_region"):
                if rule[name] is None:
                    del rule[name]
        for budget in said.get("budgets", ()):
            if budget["principal"] is None:
                del budget["principal"]
        return content_hash(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRequest:
    """What somebody wants to do.

    Attributes:
        principal: who.
        backend: full name.
        mode: what is behind that name.
        shots: over all jobs of the request.
        cost_usd: highest quoted cost of all jobs of the request.
        region: where the backend processes jobs; None where nobody says so.
    """

    principal: str
    environment: Environment
    backend: str
    mode: Mode
    shots: int
    cost_usd: float
    data_class: DataClass
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The policy's answer; ``rule`` is None where no rule fitted."""

    verdict: Verdict
    rule: str | None
    reason: str


def decide(policy: Policy, policy_request: PolicyRequest) -> Decision:
    """Return the answer of the first rule that fits, else a denial."""
    for rule in policy.rules:
        if _matches(rule, policy_request):
            return Decision(verdict=rule.then, rule=rule.name, reason=rule.reason)
    return Decision(verdict="deny", rule=None, reason="no rule of the policy allows it")


def may_need_approval(policy: Policy, backend: str) -> bool:
    """Tell whether some work for a backend on this machine has to be approved, by whomever it is and whatever it costs."""
    for rule in policy.rules:
        backend_matches = rule.backend is None or any(fnmatchcase(backend, glob) for glob in rule.backend)
        if (
            not backend_matches
            or not _matches_region(rule, THIS_MACHINE)
            or (rule.mode is not None and _LOCAL_MODES.isdisjoint(rule.mode))
        ):
            continue
        if rule.then == "approve":
            return True
        if rule.model_dump(include=_REQUEST_FIELDS, exclude_none=True) == {}:
            return False  # it settles everything that the rules below could
    return False


def _matches(rule: Rule, policy_request: PolicyRequest) -> bool:
    return (
        (rule.principal is None or any(fnmatchcase(policy_request.principal, glob) for glob in rule.principal))
        and (rule.environment is None or policy_request.environment in rule.environment)
        and (rule.backend is None or any(fnmatchcase(policy_request.backend, glob) for glob in rule.backend))
        and (rule.mode is None or policy_request.mode in rule.mode)
        and _matches_region(rule, policy_request.region)
        and (rule.data_class is None or policy_request.data_class in rule.data_class)
        and (rule.max_shots is None or policy_request.shots <= rule.max_shots)
        and (rule.max_cost_usd is None or policy_request.cost_usd <= rule.max_cost_usd)
        and (rule.above_cost_usd is None or policy_request.cost_usd > rule.above_cost_usd)
    )


def _matches_region(rule: Rule, region: str | None) -> bool:
    """Tell whether a rule fits a place; one that is not known is inside nothing, and so outside everything."""

    def inside(globs: tuple[str, ...]) -> bool:
        return region is not None and any(fnmatchcase(region, glob) for glob in globs)

    return (rule.region is None or inside(rule.region)) and not (
        rule.outside_region is not None and inside(rule.outside_region)
    )


def read_policy(path: Path | None) -> Policy:
    """Return the policy in a file, or the built-in one for None.

    Raises:
        InvalidInput: the file cannot be read, or a field is unknown, missing or wrong; names file, line and field.
    """
    if path is None:
        return parse_policy(_built_in_text(), file=BUILT_IN_POLICY)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"the policy cannot be read: {getattr(error, 'strerror', None) or error}",
            remedy="Name a readable text file in QHYBRID_POLICY, or remove that variable to use the built-in policy.",
            file=str(path),
        ) from None
    return parse_policy(text, file=str(path))


def _built_in_text() -> str:
    return resources.files(__package__).joinpath(BUILT_IN_POLICY).read_text("utf-8")


def parse_policy(text: str, *, file: str) -> Policy:
    """Return the policy that a text holds.

    Raises:
        InvalidInput: names file, line and field.
    """
    if not text.strip():
        raise InvalidInput("the policy is empty", remedy="Write `rules:` and at least one rule.", file=file)
    data, lines = read_mapping(text, file=file)
    if "rules" not in data:  # a section that is left out keeps its default
        data = {"rules": read_mapping(_built_in_text(), file=BUILT_IN_POLICY)[0]["rules"]} | data
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        found = first_finding(error, data, Policy)
        field = ".".join(found.path) or None
        raise InvalidInput(
            found.problem, remedy=found.remedy, file=file, line=find_line(field, lines), field=field
        ) from None
