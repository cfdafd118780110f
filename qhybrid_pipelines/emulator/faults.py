"""The fault plan: a list of rules, each saying on which request of which route what goes wrong, and how often.

A rule is a JSON object::

    route        for example "POST /jobs"; see ROUTES; "*" is every route
    backend      only requests about this backend (POST /jobs, GET /jobs/estimate, GET /backends/..., POST /problems, GET /solvers/...,
                 POST /quantum-task, GET /device/..., POST /ibm/jobs, GET /ibm/backends/...)
    nth          fires from the nth matching request on, counted from 1; or
    probability  fires on each matching request with this probability, drawn from the emulator's seed; or
                 neither: fires on every matching request
    times        how often it fires at most; 1 with nth, else without end
    fault        see FAULTS
    params       what the fault needs, with defaults

Rules and their counts survive a restart. Of several rules that could fire on one request the first does; all of them
have seen the request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from qhybrid_pipelines.core.errors import InvalidInput

ROUTES = frozenset(
    {
        "*",
        "POST /jobs",
        "GET /jobs",
        "DELETE /jobs",
        "GET /jobs/{id}",
        "DELETE /jobs/{id}",
        "GET /jobs/{id}/cost",
        "GET /jobs/{id}/results",
        "GET /jobs/estimate",
        "PUT /jobs/{id}/status/cancel",
        "PUT /jobs/status/cancel",
        "GET /backends",
        "GET /backends/{backend}",
        "GET /backends/{backend}/characterizations",
        "GET /backends/{backend}/characterizations/{id}",
        "GET /whoami",
        # of the annealing face
        "POST /problems",
        "GET /problems",
        "DELETE /problems",
        "GET /problems/{id}",
        "DELETE /problems/{id}",
        "GET /problems/{id}/info",
        "GET /problems/{id}/answer",
        "GET /problems/{id}/messages",
        "POST /bqm/multipart",
        "PUT /bqm/multipart/{id}/part/{id}",
        "GET /bqm/multipart/{id}/status",
        "POST /bqm/multipart/{id}/combine",
        "GET /solvers",
        "GET /solvers/{backend}",
        # of Braket, and of the bucket where its results are
        "POST /quantum-task",
        "GET /quantum-task/{id}",
        "PUT /quantum-task/{id}/cancel",
        "POST /quantum-tasks",
        "GET /device/{backend}",
        "POST /devices",
        "GET /s3/{object}",
        # of IBM's runtime, and of the services for keys and instances
        "POST /ibm/token",
        "POST /ibm/instances",
        "GET /ibm/plan",
        "GET /ibm/usage",
        "GET /ibm/backends",
        "GET /ibm/backends/{backend}",
        "POST /ibm/jobs",
        "GET /ibm/jobs",
        "GET /ibm/jobs/{id}",
        "DELETE /ibm/jobs/{id}",
        "POST /ibm/jobs/{id}/cancel",
        "GET /ibm/jobs/{id}/results",
        "GET /ibm/jobs/{id}/metrics",
        "GET /ibm/jobs/{id}/logs",
        "PUT /ibm/jobs/{id}/tags",
        "GET /ibm/tags",
        "POST /ibm/sessions",
        "GET /ibm/sessions/{id}",
        "PATCH /ibm/sessions/{id}",
        "DELETE /ibm/sessions/{id}/close",
    }
)
"""Names of the routes; all results of a job, its variants' too, are one route."""

_ACCEPTING_ROUTES = ("POST /jobs", "POST /problems", "POST /quantum-task", "POST /ibm/jobs")
"""Where jobs are accepted, which then have a fate."""

Stage = Literal["request", "job", "standing"]

FAULTS: Mapping[str, tuple[Stage, Mapping[str, Any]]] = MappingProxyType(
    {
        # something happens to one request or its answer
        "before_accept": ("request", {"status": 503, "drop": False}),
        "after_accept": ("request", {"status": 504, "drop": False}),
        "gateway": ("request", {"status": 429, "accept": True}),
        "early_answer": ("request", {"what": "empty"}),
        "slow": ("request", {"seconds": 1.0, "accept": "first"}),
        "reset": ("request", {}),
        "truncated_json": ("request", {}),
        "html_200": ("request", {"accept": False}),
        "throttle": ("request", {"n": None, "retry_after": 1}),
        # an accepted job has a fate
        "stuck": ("job", {"state": "ready"}),
        "lost": ("job", {}),
        "failed": ("job", {"code": "QuantumComputerError", "message": "The machine failed during this job."}),
        "result_missing": ("job", {"n": 3}),
        "executables_failed": ("job", {"n": 1, "message": "The device failed during this executable."}),
        # holds as long as the rule is in the plan
        "listing_lag": ("standing", {"seconds": 5.0}),
        "children_lag": ("standing", {"seconds": 5.0}),
        "clock_skew": ("standing", {"seconds": 60.0}),
    }
)
"""Every fault: when it strikes, and its parameters with their defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One rule of a plan; see the module's text."""

    route: str
    fault: str
    backend: str | None = None
    nth: int | None = None
    probability: float | None = None
    times: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stage(self) -> Stage:
        """When the fault strikes."""
        return FAULTS[self.fault][0]

    def fires(self, *, seen: int, fired: int, chance: float) -> bool:
        """Whether it strikes the request that is number ``seen``, having struck ``fired`` times before."""
        if self.times is not None and fired >= self.times:
            return False
        if self.nth is not None:
            return seen >= self.nth
        return self.probability is None or chance < self.probability

    def as_json(self) -> dict[str, Any]:
        """Return the rule as it would be written in a plan."""
        return {
            "route": self.route,
            "backend": self.backend,
            "nth": self.nth,
            "probability": self.probability,
            "times": self.times,
            "fault": self.fault,
            "params": dict(self.params),
        }


def read_plan(text: str, *, file: str | None = None) -> list[FaultRule]:
    """Read a fault plan.

    Raises:
        InvalidInput: naming the rule and the field.
    """
    try:
        given = json.loads(text)
    except ValueError as error:
        raise InvalidInput(
            f"the fault plan is not JSON ({error})", remedy="Write a JSON list of rules.", file=file
        ) from None
    if not isinstance(given, list):
        raise InvalidInput("the fault plan is not a list", remedy="Write a JSON list of rules.", file=file)
    return [_RuleReader(entry, f"[{index}]", file).rule() for index, entry in enumerate(given)]


def chance(seed: int, rule: int, seen: int) -> float:
    """Return a number in [0, 1) that depends on nothing but the seed, the rule's place and the request's number."""
    digest = hashlib.sha256(f"fault/{seed}/{rule}/{seen}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


class _RuleReader:
    """Reads one rule of a plan and knows how to complain about it."""

    def __init__(self, entry: Any, place: str, file: str | None) -> None:
        self._entry, self._place, self._file = entry, place, file

    def invalid(self, problem: str, remedy: str, name: str | None = None) -> InvalidInput:
        """Return the error about one field of the rule, or about the whole."""
        place = f"{self._place}.{name}" if name else self._place
        return InvalidInput(problem, remedy=remedy, file=self._file, field=place)

    def rule(self) -> FaultRule:
        """Read the rule.

        Raises:
            InvalidInput: naming the field.
        """
        entry = self._entry
        if not isinstance(entry, dict):
            raise self.invalid("a rule is not an object", 'Write {"route": ..., "fault": ...}.')
        unknown = sorted(set(entry) - set(FaultRule.__dataclass_fields__))
        if unknown:
            raise self.invalid("unknown field", f"Known are {', '.join(FaultRule.__dataclass_fields__)}.", unknown[0])
        fault = entry.get("fault")
        if not isinstance(fault, str) or fault not in FAULTS:
            raise self.invalid(f"{fault!r} is not a fault", f"Known are {', '.join(FAULTS)}.", "fault")
        backend = entry.get("backend")
        if backend is not None and not isinstance(backend, str):
            raise self.invalid(f"{backend!r} is not a name", 'Name a backend, for example "qpu.aria-1".', "backend")
        params = self._params(fault)
        times = self._count("times", 1 if entry.get("nth") is not None else None)
        return FaultRule(
            route=self._route(fault),
            fault=fault,
            backend=backend,
            nth=self._count("nth", None),
            probability=self._probability(),
            times=params["n"] if fault == "throttle" and params["n"] is not None else times,
            params=params,
        )

    def _route(self, fault: str) -> str:
        """Read the route, which some faults leave no choice of."""
        stage = FAULTS[fault][0]
        route = self._entry.get("route", _USUAL_ROUTES.get(stage))
        if not isinstance(route, str) or route not in ROUTES:
            raise self.invalid(f"{route!r} is not a route", f"Known are {', '.join(sorted(ROUTES))}.", "route")
        if stage == "job" and route not in _ACCEPTING_ROUTES:
            raise self.invalid(
                f"{fault} is the fate of a job",
                f"Its route is one of {', '.join(_ACCEPTING_ROUTES)}.",
                "route",
            )
        given = [name for name in ("nth", "probability", "times") if self._entry.get(name) is not None]
        if stage == "standing" and given:
            raise self.invalid(f"{fault} holds as long as it is in the plan", "Leave this out.", given[0])
        return route

    def _count(self, name: str, default: int | None) -> int | None:
        """Read a whole number from 1."""
        value = self._entry.get(name)
        if value is None:
            return default
        if not _is_whole(value) or value < 1:
            raise self.invalid(f"{value!r} is not a whole number from 1", "Count from 1.", name)
        return int(value)

    def _probability(self) -> float | None:
        """Read the probability."""
        value = self._entry.get("probability")
        if value is None:
            return None
        if not _is_number(value) or not 0 <= value <= 1:
            raise self.invalid(f"{value!r} is not between 0 and 1", "Give a probability.", "probability")
        if self._entry.get("nth") is not None:
            raise self.invalid("nth and probability are both given", "Keep one of them.", "probability")
        return float(value)

    def _params(self, fault: str) -> dict[str, Any]:
        """Read the parameters of a fault over their defaults; each keeps the kind of its default."""
        given, defaults = self._entry.get("params") or {}, FAULTS[fault][1]
        if not isinstance(given, dict):
            raise self.invalid("params is not an object", "Write parameters by name.", "params")
        for name, value in given.items():
            if name not in defaults:
                raise self.invalid(
                    "unknown parameter", f"Known are: {', '.join(defaults) or 'none'}.", f"params.{name}"
                )
            allowed = _CHOICES.get((fault, name))
            if allowed is not None and value not in allowed:
                raise self.invalid(f"{value!r} is not a choice", f"Known are {', '.join(allowed)}.", f"params.{name}")
            if not _like(value, defaults[name]):
                raise self.invalid(f"{value!r} does not fit", f"The default is {defaults[name]!r}.", f"params.{name}")
        return {**defaults, **given}


_USUAL_ROUTES: Mapping[str, str] = MappingProxyType({"job": "POST /jobs", "standing": "*"})
_CHOICES: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType(
    {
        ("slow", "accept"): ("first", "last"),
        ("stuck", "state"): ("submitted", "ready", "started"),
        ("early_answer", "what"): ("empty", "short", "failed", "no_shots"),
    }
)


def _like(value: Any, default: Any) -> bool:
    """Whether a parameter is of the kind of its default; a default of None stands for a count."""
    if isinstance(default, bool | str):
        return isinstance(value, type(default))
    if isinstance(default, float):
        return _is_number(value)
    return (_is_whole(value) and value >= 0) or (value is None and default is None)


def _is_whole(value: Any) -> bool:
    """Whether a JSON value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def matching_rules(rules: Sequence[FaultRule], *, stage: Stage, route: str, backend: str | None) -> list[int]:
    """Return the places of the rules that concern a request."""
    return [
        place
        for place, rule in enumerate(rules)
        if rule.stage == stage and rule.route in ("*", route) and rule.backend in (None, backend)
    ]
