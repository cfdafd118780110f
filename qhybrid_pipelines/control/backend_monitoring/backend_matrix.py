"""The capability matrix: one row per backend, of what its adapter declares, what its provider says and what the policy allows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.policy.rules import PolicyRequest, decide
from qhybrid_pipelines.core.errors import InvalidInput, ProviderError
from qhybrid_pipelines.core.jobs.backend_declaration import Declaration
from qhybrid_pipelines.core.jobs.circuit_jobs import BackendStatus, Capabilities
from qhybrid_pipelines.core.specifications.experiment_specification import DataClass
from qhybrid_pipelines.core.text.spelling import closest_match
from qhybrid_pipelines.execution.registry import declaration_of, declarations

#: A backend's row, by column of the table `backend_capabilities`.
MatrixRow = dict[str, Any]


def backend_matrix(control_plane: ControlPlane) -> list[MatrixRow]:
    """Return a row per backend of every provider, sorted by name; one whose provider nobody has set up is not asked.

    What an adapter declares is there for each of them; limits, queue and region only where the provider answered. Calibrations are those
    that the ledger has seen: nothing is asked for them.
    """
    calibrated = control_plane.ledger.calibrated_at()
    return [_row(control_plane, backend, calibrated.get(backend)) for backend in sorted(control_plane.backends)]


def backend_row(control_plane: ControlPlane, backend: str) -> MatrixRow:
    """Return the row of one backend; no other is asked.

    Raises:
        InvalidInput: there is none of that name.
    """
    known = sorted(control_plane.backends)
    if backend not in known:
        raise InvalidInput(
            f"there is no backend {backend[:80]!r}",
            remedy=f"{closest_match(backend, known)} `qhybrid backends` lists those there are.".strip(),
            field="BACKEND",
        )
    return _row(control_plane, backend, control_plane.ledger.calibrated_at().get(backend))


def _row(control_plane: ControlPlane, backend: str, calibrated_at: datetime | None) -> MatrixRow:
    dispatcher = control_plane.dispatcher
    said: MatrixRow = {}
    declared = declaration_of(backend)
    problem = dispatcher.missing_setting(backend)
    if problem is None:
        try:
            found = dispatcher.capabilities(backend)
            declared = found.declared or declared
            said = _stated(found) | {"data_classes": allowed_data_classes(control_plane, found)}
            said |= _status(dispatcher.status(backend))
        except (InvalidInput, ProviderError) as error:
            problem = str(error)
    return {
        **(_declared(declared) if declared is not None else {}),
        **said,
        "backend": backend,
        "provider": backend.partition(":")[0],
        "reachable": problem is None,
        "problem": problem,
        "calibrated_at": calibrated_at,
    }


def allowed_data_classes(control_plane: ControlPlane, capabilities: Capabilities) -> list[str]:
    """Return the classes of data of which the policy lets the smallest free request go to a backend, or asks a person about it."""
    dispatcher = control_plane.dispatcher
    return [
        data_class
        for data_class in get_args(DataClass)
        if decide(
            dispatcher.policy,
            PolicyRequest(
                principal=dispatcher.deployment.principal,
                environment=dispatcher.deployment.environment,
                backend=capabilities.backend,
                mode=capabilities.mode,
                shots=1,
                cost_usd=0.0,
                data_class=data_class,
                region=capabilities.region,
            ),
        ).verdict
        != "deny"
    ]


def _declared(declaration: Declaration) -> MatrixRow:
    return {
        "vendor": declaration.vendor,
        "plane": declaration.plane,
        "price_model": declaration.price_model,
        "price_source": declaration.price_source,
        "dedupe": declaration.dedupe,
        "states": [state.value for state in declaration.states],
        "times": list(declaration.times),
        "queue_figures": list(declaration.queue_figures),
        "queue": declaration.queue,
        "limits": declaration.limits,
        "calibration": declaration.calibration,
        "credential": declaration.credential,
        "transport": declaration.transport,
        "region_source": declaration.region,
        "sdks": declaration.sdks,
        "observability": declaration.observability,
        "security": declaration.security,
        "integration": declaration.integration,
        "evidence": declaration.evidence,
        "evidence_on": declaration.evidence_on.isoformat(),
    }


def _stated(found: Capabilities) -> MatrixRow:
    return {
        "mode": found.mode,
        "simulator": found.simulator,
        "noisy": found.noisy,
        "immediate": found.immediate,
        "max_qubits": found.max_qubits,
        "min_shots": found.min_shots,
        "max_shots": found.max_shots,
        "max_circuits_per_job": found.max_circuits_per_job,
        "max_gates_per_job": found.max_gates_per_job,
        "max_executions_per_job": found.max_executions_per_job,
        "min_executions_per_job": found.min_executions_per_job,
        "estimations": list(found.estimations),
        "suppression": list(found.suppression),
        "native_gates": list(found.native_gates),
        "parametric": found.parametric,
        "dedupe": found.dedupe,
        "listing_lag_seconds": found.listing_lag_seconds,
        "states": [state.value for state in found.states],
        "engines": list(found.engines),
        "sdks": found.sdks,
        "queue": found.queue,
        "observability": found.observability,
        "security": found.security,
        "integration": found.integration,
        "region": found.region,
    }


def _status(seen: BackendStatus) -> MatrixRow:
    return {"online": seen.online, "queued_jobs": seen.queued_jobs, "queue_seconds": seen.queue_seconds}


def declared_groups() -> tuple[Declaration, ...]:
    """Return what the adapters declare, one entry per group of backends; nobody is asked."""
    return declarations()
