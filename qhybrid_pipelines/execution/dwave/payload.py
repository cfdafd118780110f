"""What leaves this machine: fields, couplings, reads, an annealing time and an opaque label. Nothing else.

The label holds the token, the home's id and a digest of the batch; by the digest a result of another batch is found out.
"""

from __future__ import annotations

import base64
import json

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput, Rejected
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.execution.dwave.solvers import Annealer
from qhybrid_pipelines.quantum.annealing.programming import ProgrammedModel, program, random_gauge
from qhybrid_pipelines.quantum.annealing.qubit_graph import QubitGraph

PROBLEM_TYPE = "ising"
_SEPARATOR = "/"


def label_of(token: str, home_id: str, batch: AnnealBatch | HybridBatch) -> str:
    """Return the label of a problem: ``token/home/digest``."""
    return _SEPARATOR.join((token, home_id, batch.payload_sha256[:16]))


def read_label(label: object) -> tuple[str, str, str] | None:
    """Return token, home and digest of a label of ours, None for any other."""
    parts = label.split(_SEPARATOR) if isinstance(label, str) else []
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 and parts[0] else None


def programmed(batch: AnnealBatch, graph: QubitGraph) -> ProgrammedModel:
    """Return what the annealer is programmed with for a batch of one point."""
    gauge = random_gauge(batch.width, seed=batch.gauge_seed, number=int(batch.gauges[0]))
    return program(
        batch.model, batch.embedding, graph, chain_strength_factor=float(batch.chain_strengths[0]), gauge=gauge
    )


def check_batch(batch: AnnealBatch, annealer: Annealer) -> None:
    """Check what would be refused, before anything is sent.

    Raises:
        Rejected: it is not one problem, the embedding is for another qubit graph, a number is not finite or a limit is exceeded.
    """
    low, high = annealer.annealing_times
    if (batch.points, batch.repetitions) != (1, 1) or batch.seeds.shape != (1, 1):
        problem = f"{batch.points * batch.repetitions} problems; {batch.backend} takes one in a job"
    elif batch.embedding.graph_id != annealer.graph.graph_id:
        problem = f"the embedding is for the qubit graph {batch.embedding.graph_id}, and {batch.backend} has {annealer.graph.graph_id} now"
    elif not (np.isfinite(batch.model.linear).all() and np.isfinite(batch.model.couplings).all()):
        problem = "the model has coefficients that are not finite"
    elif not 1 <= batch.shots <= annealer.most_reads:
        problem = f"{batch.shots} reads; {batch.backend} takes 1 to {annealer.most_reads}"
    elif not low <= batch.annealing_times[0] <= high:
        problem = f"{batch.annealing_times[0]:g} us; {batch.backend} anneals {low:g} to {high:g} us"
    else:
        return
    raise Rejected(problem)


def problem_body(batch: AnnealBatch, annealer: Annealer, token: str, *, home_id: str = "") -> bytes:
    """Return the body of the request that submits a batch of one problem.

    Raises:
        Rejected: the embedding or a number does not fit.
    """
    check_batch(batch, annealer)
    try:
        driven = programmed(batch, annealer.graph)
    except InvalidInput as error:
        raise Rejected(str(error)) from None
    linear, quadratic = qp_arrays(driven, annealer.graph)
    problem = {
        "solver": {"name": annealer.name, "version": {"graph_id": annealer.graph.graph_id}},
        "type": PROBLEM_TYPE,
        "label": label_of(token, home_id, batch),
        "data": {"format": "qp", "lin": _base64(linear), "quad": _base64(quadratic), "offset": 0.0},
        "params": {
            "num_reads": batch.shots,
            "annealing_time": float(batch.annealing_times[0]),
            "answer_mode": "histogram",
            "auto_scale": False,  # it is scaled already, and the extended range of chains is only taken as it is
        },
    }
    return json.dumps([problem], separators=(",", ":"), allow_nan=False).encode()


def qp_arrays(driven: ProgrammedModel, graph: QubitGraph) -> tuple[F64, F64]:
    """Return a programmed model in the order of the format ``qp``.

    Returns:
        One field per working qubit, NaN where it is not used; one coupling per coupler between used qubits, 0 where it is not.
    """
    qubits = driven.embedding.qubits
    linear = np.full(len(graph.qubits), np.nan)
    linear[np.searchsorted(graph.qubits, qubits)] = driven.fields
    used = np.zeros(graph.stride, dtype=np.bool_)
    used[qubits] = True
    keys = graph.coupler_keys[used[graph.couplers].all(axis=1)]
    ends = np.sort(qubits[driven.couplers], axis=1).reshape(-1, 2)
    quadratic = np.zeros(len(keys))
    quadratic[np.searchsorted(keys, ends[:, 0] * graph.stride + ends[:, 1])] = driven.couplings
    return linear, quadratic


def _base64(values: F64) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()
