"""Sampling as an annealer might: classical simulated annealing on the qubit graph, driven inexactly.

Fields and couplings miss their values by a Gaussian error that one programming fixes for all its reads, so that reads of one
problem are not independent runs, and weak chains break. Sweeps follow the annealing time. This does not model quantum annealing.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhybrid_pipelines.emulator.sapi.problems import Problem, as_ising
from qhybrid_pipelines.emulator.sapi.solvers import CHAIN_RANGE, FIELD_RANGE, run_times

SWEEPS_PER_US, MOST_SWEEPS = 10, 1000
"""Sweeps over all qubits per microsecond of annealing, and at most."""
BETA_RANGE = (0.1, 8.0)
"""Inverse temperature at the beginning and at the end, per unit of the machine."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Distinct or single outcomes of a problem.

    Attributes:
        ups: shape ``(rows, k)``: 1 where a used qubit is up, which is spin +1 or 1 in a QUBO.
        energies: of each row, without noise and scaling.
        occurrences: how many reads each row stands for.
    """

    ups: NDArray[np.uint8]
    energies: NDArray[np.float64]
    occurrences: NDArray[np.int32]


def sample(problem: Problem, seed: int) -> Samples:
    """Return the samples of a problem; a pure function, safe in any thread.

    Args:
        problem: as it was accepted.
        seed: of the errors of programming and of the annealing; below ``2**31``.
    """
    import dimod
    from dwave.samplers import SimulatedAnnealingSampler

    random = np.random.default_rng(seed)
    fields, couplings = as_ising(problem)
    if problem.params.get("auto_scale", True):
        scale = _largest_scale(fields, couplings)
        fields, couplings = fields * scale, couplings * scale
    fields = fields + random.normal(0.0, problem.solver.field_noise, size=len(fields))
    couplings = couplings + random.normal(0.0, problem.solver.coupling_noise, size=len(couplings))
    driven = dimod.BinaryQuadraticModel.from_numpy_vectors(
        fields, (problem.couplers[:, 0], problem.couplers[:, 1], couplings), 0.0, dimod.SPIN
    )
    times = run_times(len(problem.qubits), problem.params)
    sampler: Any = SimulatedAnnealingSampler
    found = sampler().sample(
        driven,
        num_reads=problem.reads,
        num_sweeps=int(min(MOST_SWEEPS, max(1, round(SWEEPS_PER_US * times.anneal)))),
        beta_range=BETA_RANGE,
        seed=seed,
    )
    columns = np.argsort(np.asarray(found.variables, dtype=np.int64))
    ups = (found.record.sample[:, columns] > 0).astype(np.uint8)
    return _as_asked(problem, ups)


def _as_asked(problem: Problem, ups: NDArray[np.uint8]) -> Samples:
    """Return reads in the order in which they came, or, as is usual, distinct ones by energy."""
    occurrences = np.ones(len(ups), dtype=np.int64)
    raw = problem.params.get("answer_mode") == "raw"
    if not raw:
        ups, occurrences = np.unique(ups, axis=0, return_counts=True)
    energies = _energies(problem, ups)
    order = np.arange(len(ups)) if raw else np.argsort(energies, kind="stable")
    order = order[: int(problem.params.get("max_answers", len(order)))]
    return Samples(ups=ups[order], energies=energies[order], occurrences=occurrences[order].astype(np.int32))


def _energies(problem: Problem, ups: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return energies as they were asked for, without the offset, which clients add themselves."""
    values = ups.astype(np.float64) if problem.type == "qubo" else 2.0 * ups - 1.0
    products = values[:, problem.couplers[:, 0]] * values[:, problem.couplers[:, 1]]
    return np.asarray(values @ problem.linear + products @ problem.quadratic)


def _largest_scale(fields: NDArray[np.float64], couplings: NDArray[np.float64]) -> float:
    """Return the largest factor that keeps everything in range."""
    bounds = []
    for values, (low, high) in ((fields, FIELD_RANGE), (couplings, CHAIN_RANGE)):
        least, most = float(values.min(initial=0.0)), float(values.max(initial=0.0))
        bounds += [limit / value for limit, value in ((low, least), (high, most)) if value]
    return min(bounds, default=1.0)


def answer_body(problem: Problem, samples: Samples) -> dict[str, Any]:
    """Return an answer in the format ``qp``: rows of bits padded to bytes, the first used qubit in the highest bit."""
    return {
        "format": "qp",
        "num_variables": problem.solver.all_qubits,
        "active_variables": _base64(problem.qubits.astype("<i4")),
        "solutions": _base64(np.packbits(samples.ups, axis=1, bitorder="big")),
        "energies": _base64(samples.energies.astype("<f8")),
        "num_occurrences": _base64(samples.occurrences.astype("<i4")),
        "timing": run_times(len(problem.qubits), problem.params).as_timing(),
    }


def _base64(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()
