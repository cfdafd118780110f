"""Whether work may run, where, and at what price: everything that is asked before a job is written down.

In this order: limits, price, policy and health of the backend and of those that may stand in for it; the route; then the
template is compiled and the calibration noted, so that the plan says what the shots will be spent on.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qhybrid_pipelines.control.backends.circuit_breaker import blocks_calls
from qhybrid_pipelines.control.backends.health import BackendHealth
from qhybrid_pipelines.control.backends.routing import Candidate, Route, choose_route, objection
from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.jobs.limits import check_limits
from qhybrid_pipelines.control.ledger.port import RequestTerms
from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.control.policy.rules import Decision, Policy, PolicyRequest, decide
from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, Refused, Rejected
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration, Capabilities, CircuitBatch, Compiled, Estimate
from qhybrid_pipelines.execution.compile_cache import LEVEL, SEED
from qhybrid_pipelines.execution.port import calling

#: Modes whose calibration is a property of a real machine and gets old; a simulated device keeps its own for ever.
_DRIFTING = ("hardware", "emulator")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest(RequestTerms):
    """What somebody asks for, apart from the circuits.

    Attributes:
        principal: who asks; empty stands for the principal of this deployment.
        budget_usd: what the experiment may spend over all its backends.
        repeat: run work again, as new jobs, where its last job ended without a result.
        times: how many batches like this are meant to follow each other, this one included; the policy judges them together.
    """

    principal: str = ""
    budget_usd: float
    repeat: bool = False
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The answer for some batches that were requested together on one backend.

    Attributes:
        route: where they go.
        quotes: one per batch, in their order.
        detail: compile and calibration facts, ready for the ledger.
        rejected: why the provider's compiler refuses the template, or None.
    """

    route: Route
    decision: Decision
    quotes: tuple[Estimate, ...]
    detail: Mapping[str, Any]
    calibration: Calibration | None
    rejected: Rejected | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assessment:
    """A candidate with what was found out about it on the way."""

    candidate: Candidate
    capabilities: Capabilities | None = None
    quotes: tuple[Estimate, ...] = ()
    decision: Decision | None = None
    calibration: Calibration | None = None
    error: ProviderError | None = None


class AdmissionControl:
    """Asks limits, prices, policy and health.

    Args:
        context: ledger, providers and time.
        deployment: environment and principal of this process.
        policy: what is allowed.
        health: breakers.
    """

    def __init__(self, context: JobContext, *, deployment: Deployment, policy: Policy, health: BackendHealth) -> None:
        self._context, self._deployment, self._policy, self._health = context, deployment, policy, health

    def admit(self, batches: Sequence[Batch], request: SubmitRequest, names: Sequence[str]) -> Admission:
        """Return where some batches of one template may go, and at what price.

        Args:
            batches: as requested.
            request: who asks for what.
            names: backends that may take them, the wanted one first.

        Raises:
            Refused: no backend may take them; says why for each.
            InvalidInput: there is no such provider or backend.
            ProviderError: the provider did not answer, and nobody may stand in for it.
        """
        wanted, *stand_ins = names
        self.capabilities(wanted)  # a name that does not exist is wrong input, not a reason to go elsewhere
        assessments = [self._assess(wanted, batches, request)]
        routing, tier, now = self._policy.routing, self._policy.tiers.of(request.tier), self._context.time.present()
        if stand_ins and objection(assessments[0].candidate, routing=routing, tier=tier, now=now):
            assessments += [self._assess(name, batches, request) for name in stand_ins]
        route = choose_route([assessment.candidate for assessment in assessments], routing=routing, tier=tier, now=now)
        chosen = next(assessment for assessment in assessments if assessment.candidate.backend == route.backend)
        if chosen.error is not None or chosen.capabilities is None or chosen.decision is None:
            raise chosen.error or Refused(f"'{route.backend}' cannot be asked")
        compiled, rejected = self._prepare(batches[0], chosen.capabilities)
        return Admission(
            route=route,
            decision=chosen.decision,
            quotes=chosen.quotes,
            detail=_detail(route, compiled, chosen.calibration) | _embedding_detail(batches[0]),
            calibration=chosen.calibration,
            rejected=rejected,
        )

    def capabilities(self, backend: str) -> Capabilities:
        """Return what a backend can do.

        Raises:
            InvalidInput: there is no such provider or backend.
        """
        try:
            return self._context.capabilities(backend)
        except Rejected as error:
            raise InvalidInput(
                f"there is no backend '{backend}'",
                remedy=f"Choose one of {', '.join(self._context.provider_for(backend).backends())}.",
                field="backends",
            ) from error

    def gates_per_circuit(self, batch: Batch, capabilities: Capabilities) -> int | None:
        """Return how many gates a circuit of a batch has once compiled; None where the backend limits no gates."""
        if capabilities.max_gates_per_job is None:
            return None
        compiled, _ = self._prepare(batch, capabilities)
        return compiled.gates if compiled is not None else None

    def calibration(self, backend: str) -> Calibration | None:
        """Return the newest calibration of a backend, kept in the ledger."""
        if self.capabilities(backend).engines:
            return None
        calibration = self._context.calibration(backend)
        if calibration is not None:
            self._context.ledger.add_calibration(backend, calibration)
        return calibration

    def _assess(self, backend: str, batches: Sequence[Batch], request: SubmitRequest) -> _Assessment:
        """Return what speaks for and against one candidate."""
        here = [replace(batch, backend=backend) for batch in batches]
        breaker = self._context.ledger.breaker(backend)
        waiting = blocks_calls(breaker, self._context.time.present())
        try:
            capabilities = self.capabilities(backend)
            self._deployment.check_backend(capabilities)
            for batch in here:
                check_limits(batch, capabilities)
            quotes = self._quotes(here)
            decision = self._decide(capabilities, here, quotes, request)
            # A backend that is left alone is not asked how it is.
            status = None if capabilities.immediate or waiting else self._context.status(backend)
            calibration = self.calibration(backend)
        except (Refused, InvalidInput) as error:
            return _Assessment(candidate=Candidate(backend=backend, unsuitable_reason=str(error)))
        except ProviderError as error:
            self._health.record_failure(backend, error)
            return _Assessment(
                candidate=Candidate(backend=backend, breaker=breaker, unreachable_reason=str(error)), error=error
            )
        candidate = Candidate(
            backend=backend,
            breaker=breaker,
            status=status,
            calibration=calibration if capabilities.mode in _DRIFTING else None,
            has_virtual_clock=capabilities.mode == "emulator",
        )
        return _Assessment(
            candidate=candidate, capabilities=capabilities, quotes=quotes, decision=decision, calibration=calibration
        )

    def _quotes(self, batches: Sequence[Batch]) -> tuple[Estimate, ...]:
        """Return the price of each batch; parts of equal size cost the same and are asked for once."""
        known: dict[Hashable, Estimate] = {}
        quotes = []
        for batch in batches:
            size: tuple[Hashable, ...] = (batch.program_id, batch.points * batch.repetitions, batch.shots)
            if isinstance(batch, AnnealBatch):  # what is billed is time
                size += tuple(batch.annealing_times.tolist())
            if size not in known:
                known[size] = self._context.estimate(batch)
            quotes.append(known[size])
        return tuple(quotes)

    def _decide(
        self,
        capabilities: Capabilities,
        batches: Sequence[Batch],
        quotes: Sequence[Estimate],
        request: SubmitRequest,
    ) -> Decision:
        policy_request = PolicyRequest(
            principal=request.principal,
            environment=self._deployment.environment,
            backend=capabilities.backend,
            mode=capabilities.mode,
            shots=request.times * sum(batch.points * batch.repetitions * batch.shots for batch in batches),
            cost_usd=request.times * sum(quote.high_usd for quote in quotes),
            data_class=request.data_class,
            region=capabilities.region,
        )
        decision = decide(self._policy, policy_request)
        if decision.verdict == "deny":
            rule = f"rule '{decision.rule}': " if decision.rule else ""
            raise Refused(
                f"the policy does not let '{policy_request.principal}' run {policy_request.shots} shots with {policy_request.data_class} data for "
                f"${policy_request.cost_usd:.2f} on '{policy_request.backend}' ({policy_request.mode}, {_place(capabilities)}) in {policy_request.environment}: {rule}{decision.reason}"
            )
        return decision

    def _prepare(self, batch: Batch, capabilities: Capabilities) -> tuple[Compiled | None, Rejected | None]:
        """Compile the template, unless that is part of the run."""
        if capabilities.engines or not isinstance(batch, CircuitBatch):  # a model was embedded when it was planned
            return None, None
        provider = self._context.provider_for(capabilities.backend)
        try:
            with calling(provider.name, "prepare"):
                return provider.prepare(batch.template, capabilities.backend, level=LEVEL, seed=SEED), None
        except Rejected as error:
            return None, error


def _place(capabilities: Capabilities) -> str:
    """Return where a backend processes jobs, in words; where nobody says so, how it can be said."""
    if capabilities.region is not None:
        return f"region {capabilities.region}"
    return f"region not known: {capabilities.declared.region}" if capabilities.declared else "region not known"


def calibration_detail(calibration: Calibration | None) -> dict[str, Any]:
    """Return which calibration this is, ready for the ledger; nothing for a backend without one."""
    return {} if calibration is None else dict(calibration.noted)


def _embedding_detail(batch: Batch) -> dict[str, Any]:
    """Return what a plan notes about an embedding; nothing for circuits."""
    if not isinstance(batch, AnnealBatch):
        return {}
    embedding = batch.embedding
    return {
        "embedding_sha256": embedding.sha256,
        "graph_id": embedding.graph_id,
        "qubits": batch.qubits,
        "longest_chain": embedding.longest,
    }


def _detail(route: Route, compiled: Compiled | None, calibration: Calibration | None) -> dict[str, Any]:
    detail: dict[str, Any] = calibration_detail(calibration)
    if compiled is not None:
        detail |= {
            "compiled_sha256": compiled.compiled_sha256,
            "depth": compiled.depth,
            "two_qubit_gates": compiled.two_qubit_gates,
            "compile_seconds": compiled.compile_seconds,
        }
    return detail | ({"route": route.reason} if route.reason else {})
