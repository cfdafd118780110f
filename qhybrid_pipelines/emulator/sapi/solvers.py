"""The emulated annealers: which qubits work, how exactly they can be driven, how fast they are.

Names, sizes and ranges follow D-Wave's published descriptions of its Advantage2 systems; which qubits are broken is drawn from
the emulator's seed. Prices are ours: D-Wave publishes none. Noise ranks methods and predicts no device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]

QPU_SECOND_USD = 0.55
"""What a second of QPU access time is charged in the book."""

NUM_READS_RANGE = (1, 10_000)
ANNEALING_TIME_RANGE = (0.5, 2000.0)
"""Microseconds."""
THERMALIZATION_RANGE = (0.0, 10_000.0)
"""Microseconds, of programming and of readout."""
RUN_LIMIT_US = 1_000_000.0
"""Longest run that one problem may ask for, without the programming itself."""
FIELD_RANGE, COUPLING_RANGE, CHAIN_RANGE = (-4.0, 4.0), (-1.0, 1.0), (-2.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Solver:
    """One annealer.

    Attributes:
        name: as in the interface.
        size: of its Zephyr graph, whose tile is 4.
        working_qubits: of the ``16 size (2 size + 1)`` that the whole graph has.
        broken_couplers: share of the couplers between working qubits.
        field_noise: standard deviation of a field, in units of the machine, fixed for each programming.
        coupling_noise: the same of a coupling.
        average_wait_seconds: virtual seconds that other customers' work takes first.
    """

    name: str
    size: int
    working_qubits: int
    broken_couplers: float = 0.002
    field_noise: float = 0.03
    coupling_noise: float = 0.02
    average_wait_seconds: float = 2.0

    @property
    def all_qubits(self) -> int:
        """Qubits of the whole graph, broken ones too."""
        return 16 * self.size * (2 * self.size + 1)


SOLVERS: Mapping[str, Solver] = MappingProxyType(
    {
        solver.name: solver
        for solver in (
            Solver(name="Advantage2_system1", size=12, working_qubits=4577),
            Solver(name="Advantage2_system4", size=6, working_qubits=1202),
        )
    }
)


@dataclass(frozen=True, kw_only=True, eq=False)
class WorkingGraph:
    """What works of an annealer.

    Attributes:
        graph_id: another set of qubits and couplers has another one.
        qubits: numbers, ascending.
        couplers: shape ``(m, 2)``, sorted.
    """

    graph_id: str
    qubits: I64
    couplers: I64


@lru_cache(maxsize=8)
def working_graph(solver: Solver, seed: int, version: int) -> WorkingGraph:
    """Return the working qubits and couplers of an annealer; a later version has lost others."""
    from dwave.graphs import zephyr_graph

    key = hashlib.sha256(f"annealer/{seed}/{solver.name}/{version}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(key[:8]))
    whole = np.array(sorted(tuple(sorted(edge)) for edge in zephyr_graph(solver.size).edges), dtype=np.int64)
    qubits = np.sort(random.permutation(solver.all_qubits)[: solver.working_qubits])
    between = whole[np.isin(whole, qubits).all(axis=1)]
    return WorkingGraph(
        graph_id=f"01{key.hex()[:8]}",
        qubits=qubits,
        couplers=between[random.random(len(between)) >= solver.broken_couplers],
    )


# microseconds; the readout takes longer the more qubits there are
_PROGRAMMING_US, _PROGRAMMING_THERMALIZATION_US, _READOUT_THERMALIZATION_US = 14_000.0, 1000.0, 0.0
_DELAY_US, _OVERHEAD_US = 20.5, 1500.0
_READOUT_QUBITS, _READOUT_US = (0.0, 1.0, 2.0, 3.0, 3.7), (1.2, 1.45, 1.7, 1.95, 2.1)
DEFAULT_ANNEALING_US = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimes:
    """How long the parts of a run take, microseconds; ``access`` is what is billed."""

    programming: float
    anneal: float
    readout: float
    delay: float
    reads: int

    @property
    def sampling(self) -> float:
        """All reads together."""
        return self.reads * (self.anneal + self.readout + self.delay)

    @property
    def access(self) -> float:
        """Programming and sampling."""
        return self.programming + self.sampling

    def as_timing(self) -> dict[str, float]:
        """Return them as an answer tells them."""
        return {
            "qpu_sampling_time": self.sampling,
            "qpu_anneal_time_per_sample": self.anneal,
            "qpu_readout_time_per_sample": self.readout,
            "qpu_access_time": self.access,
            "qpu_access_overhead_time": _OVERHEAD_US,
            "qpu_programming_time": self.programming,
            "qpu_delay_time_per_sample": self.delay,
            "post_processing_overhead_time": 0.0,
            "total_post_processing_time": 0.0,
        }


def run_times(n_qubits: int, params: Mapping[str, Any]) -> RunTimes:
    """Return how long a problem takes by the published timing model 1.0.0.

    Args:
        n_qubits: that the problem uses.
        params: as they were accepted.
    """
    readout = float(10 ** np.interp(np.log10(max(n_qubits, 1)), _READOUT_QUBITS, _READOUT_US))
    programming = _PROGRAMMING_US + (params.get("programming_thermalization") or _PROGRAMMING_THERMALIZATION_US)
    thermalization = params.get("readout_thermalization") or _READOUT_THERMALIZATION_US
    return RunTimes(
        programming=programming,
        anneal=float(params.get("annealing_time", DEFAULT_ANNEALING_US)),
        readout=readout,
        delay=_DELAY_US + thermalization,
        reads=int(params.get("num_reads", 1)),
    )


@lru_cache(maxsize=8)
def properties(solver: Solver, graph: WorkingGraph) -> dict[str, Any]:
    """Return what an annealer says about itself."""
    return {
        "category": "qpu",
        "chip_id": solver.name,
        "topology": {"type": "zephyr", "shape": [solver.size, 4]},
        "num_qubits": solver.all_qubits,
        "qubits": graph.qubits.tolist(),
        "couplers": graph.couplers.tolist(),
        "h_range": list(FIELD_RANGE),
        "j_range": list(COUPLING_RANGE),
        "extended_j_range": list(CHAIN_RANGE),
        "supported_problem_types": ["ising", "qubo"],
        "parameters": dict(_PARAMETERS),
        "num_reads_range": list(NUM_READS_RANGE),
        "annealing_time_range": list(ANNEALING_TIME_RANGE),
        "default_annealing_time": DEFAULT_ANNEALING_US,
        "programming_thermalization_range": list(THERMALIZATION_RANGE),
        "default_programming_thermalization": _PROGRAMMING_THERMALIZATION_US,
        "readout_thermalization_range": list(THERMALIZATION_RANGE),
        "default_readout_thermalization": _READOUT_THERMALIZATION_US,
        "problem_run_duration_range": [0.0, RUN_LIMIT_US],
        "quota_conversion_rate": 1,
        "problem_timing_data": {
            "version": "1.0.0",
            "typical_programming_time": _PROGRAMMING_US,
            "reverse_annealing_with_reinit_prog_time_delta": 0.0,
            "reverse_annealing_without_reinit_prog_time_delta": 0.0,
            "default_programming_thermalization": _PROGRAMMING_THERMALIZATION_US,
            "default_annealing_time": DEFAULT_ANNEALING_US,
            "readout_time_model": "pwl_log_log",
            "readout_time_model_parameters": [*_READOUT_QUBITS, *_READOUT_US],
            "qpu_delay_time_per_sample": _DELAY_US,
            "reverse_annealing_with_reinit_delay_time_delta": 0.0,
            "reverse_annealing_without_reinit_delay_time_delta": 0.0,
            "default_readout_thermalization": _READOUT_THERMALIZATION_US,
            "decorrelation_max_nominal_anneal_time": 2000.0,
            "decorrelation_time_range": [500.0, 10_000.0],
        },
    }


_PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "num_reads": "Number of reads.",
        "annealing_time": "Microseconds of one anneal.",
        "answer_mode": "histogram or raw.",
        "auto_scale": "Whether fields and couplings are scaled to the ranges.",
        "max_answers": "How many answers come back at most.",
        "programming_thermalization": "Microseconds to wait after programming.",
        "readout_thermalization": "Microseconds to wait after each read.",
    }
)
