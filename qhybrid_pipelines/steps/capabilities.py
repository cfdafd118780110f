"""What each backend can do, as a table to compare them by."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.control.gateway import Gateway
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def backend_capabilities(gateway: Gateway) -> pa.Table:
    """Return the table `capabilities`, one row per backend of every provider."""
    rows = []
    for provider in gateway.providers.values():
        for backend in provider.backends():
            found = provider.capabilities(backend)
            rows.append(
                {
                    "backend": backend,
                    "provider": provider.name,
                    "simulator": found.simulator,
                    "noisy": found.noisy,
                    "max_qubits": found.max_qubits,
                    "max_shots": found.max_shots,
                    "max_circuits_per_job": found.max_circuits_per_job,
                    "native_gates": list(found.native_gates),
                    "parametric": found.parametric,
                    "dedupe": found.dedupe,
                    "listing_lag_seconds": found.listing_lag_seconds,
                    "states": [state.value for state in found.states],
                    "engines": list(found.engines),
                    "queue": found.queue,
                    "security": found.security,
                }
            )
    return from_rows(schemas.CAPABILITIES, rows)
