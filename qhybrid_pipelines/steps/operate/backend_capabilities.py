"""What each backend can do, as a table to compare them by."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.core.errors import ProviderError
from qhybrid_pipelines.core.jobs import BackendStatus, Capabilities
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def backend_capabilities(control_plane: ControlPlane) -> pa.Table:
    """Return the table `backend_capabilities`: one row per backend of every provider, also of one that does not answer."""
    return from_rows(schemas.BACKEND_CAPABILITIES, [_row(control_plane, backend) for backend in control_plane.backends])


def _row(control_plane: ControlPlane, backend: str) -> Row:
    """Return the row of a backend; one whose provider nobody has set up is not asked."""
    dispatcher = control_plane.dispatcher
    unknown: Row = {column.name: None for column in schemas.BACKEND_CAPABILITIES.columns}
    said: Row = {}
    problem = dispatcher.missing_setting(backend)
    if problem is None:
        try:
            said = _capability_columns(dispatcher.capabilities(backend))
            said |= _status(dispatcher.status(backend))
        except ProviderError as error:
            problem = str(error)
    return {
        **unknown,
        **said,
        "backend": backend,
        "provider": backend.partition(":")[0],
        "reachable": problem is None,
        "problem": problem,
    }


def _capability_columns(found: Capabilities) -> Row:
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
    }


def _status(seen: BackendStatus) -> Row:
    return {"online": seen.online, "queued_jobs": seen.queued_jobs, "queue_seconds": seen.queue_seconds}
