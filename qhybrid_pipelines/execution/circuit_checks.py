"""What clouds of gates would refuse, found out on this machine: templates that cannot be run, and batches beyond a backend's limits."""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import Capabilities, CircuitBatch, Template
from qhybrid_pipelines.execution.engines.aer import measured_qubits, text_problem


def check_template(template: Template) -> None:
    """Check that a template is unitary with one measurement of every qubit at its end.

    Raises:
        Rejected: it is not, or its text is faulty.
    """
    problem = text_problem(template)
    if problem is None and measured_qubits(template.text) is None:
        problem = "the circuit does more than unitary gates and one measurement of every qubit into a bit of its own"
    if problem is not None:
        raise Rejected(problem)


def check_batch(batch: CircuitBatch, capabilities: Capabilities, *, gates_per_circuit: int = 0) -> None:
    """Check what a cloud would refuse, before anything is sent.

    Raises:
        Rejected: bindings or seeds have another shape than they should or are not finite, or a limit is exceeded.
    """
    circuits = batch.points * batch.repetitions
    if batch.bindings.ndim != 2 or batch.bindings.shape[1] != len(batch.template.parameters):
        problem = (
            f"the bindings have shape {batch.bindings.shape}, the template has {len(batch.template.parameters)} inputs"
        )
    elif not np.isfinite(batch.bindings).all():
        problem = "the bindings are not finite"
    elif batch.seeds.shape[0] != batch.points or circuits < 1:
        problem = f"the seeds have shape {batch.seeds.shape}, the bindings {batch.points} points"
    elif not capabilities.min_shots <= batch.shots <= capabilities.max_shots:
        problem = f"{batch.shots} shots; {batch.backend} takes {capabilities.min_shots} to {capabilities.max_shots}"
    elif circuits > capabilities.max_circuits_per_job:
        problem = f"{circuits} circuits; {batch.backend} takes {capabilities.max_circuits_per_job} in one job"
    elif (
        capabilities.max_executions_per_job is not None and circuits * batch.shots > capabilities.max_executions_per_job
    ):
        problem = f"{circuits * batch.shots} shots in all; {batch.backend} takes {capabilities.max_executions_per_job} in one job"
    elif capabilities.max_gates_per_job is not None and circuits * gates_per_circuit > capabilities.max_gates_per_job:
        problem = (
            f"{circuits} circuits of {gates_per_circuit} gates; {batch.backend} takes "
            f"{capabilities.max_gates_per_job} gates in one job"
        )
    elif batch.template.n_qubits > capabilities.max_qubits:
        problem = f"{batch.template.n_qubits} qubits; {batch.backend} has {capabilities.max_qubits}"
    else:
        return
    raise Rejected(problem)
