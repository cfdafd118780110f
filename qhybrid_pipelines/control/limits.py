"""Whether a batch fits a backend at all: asked before anything is written down or paid."""

from __future__ import annotations

from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs import Capabilities, CircuitBatch


def check_limits(batch: CircuitBatch, capabilities: Capabilities) -> None:
    """Return if the batch fits the limits that the provider states.

    Raises:
        Refused: it does not; names the limit and the remedy.
    """
    circuits = batch.points * batch.repetitions
    for what, wanted, limit, remedy in (
        ("qubits", batch.template.n_qubits, capabilities.max_qubits, "Lower reduce.max_qubits"),
        ("shots per circuit", batch.shots, capabilities.max_shots, "Lower shots and raise repetitions"),
        ("circuits", circuits, capabilities.max_circuits_per_job, "Lower sweep.points or repetitions"),
    ):
        if wanted > limit:
            raise Refused(
                f"experiment '{batch.experiment}' needs {wanted} {what}, and '{batch.backend}' takes at most {limit}. "
                f"{remedy}, or name a larger backend."
            )
