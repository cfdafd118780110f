"""Reading submitted problems: what is asked for, or the error that the interface tells about each of them.

A problem's numbers come in the format ``qp``: little-endian doubles in base64, one field per working qubit with NaN for those
that are not used, then one coupling per coupler between used qubits.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhybrid_pipelines.emulator.sapi.solvers import (
    ANNEALING_TIME_RANGE,
    CHAIN_RANGE,
    FIELD_RANGE,
    NUM_READS_RANGE,
    RUN_LIMIT_US,
    SOLVERS,
    THERMALIZATION_RANGE,
    Solver,
    WorkingGraph,
    run_times,
)

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

LONGEST_LABEL = 1024
LARGEST_NUMBER = 1e300
"""Of an offset, and of all coefficients together; JSON has whole numbers that no float can hold."""


class SapiError(Exception):
    """A request, or one problem of it, cannot be served.

    Args:
        code: HTTP status, also told in the body.
        message: one sentence.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def body(self) -> dict[str, Any]:
        """Return the error as the interface writes it."""
        return {"error_code": self.code, "error_msg": str(self)}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem as it was asked for.

    Attributes:
        solver: that samples it.
        type: ``ising`` or ``qubo``.
        label: free text or None.
        params: as sent.
        qubits: numbers of the used qubits, ascending, shape ``(k,)``.
        linear: of each of them, in the units of ``type``.
        couplers: places in ``qubits`` of the couplers between used qubits, shape ``(m, 2)``.
        quadratic: of each of them.
        offset: of the energy.
    """

    solver: Solver
    type: str
    label: str | None
    params: Mapping[str, Any]
    qubits: I64
    linear: F64
    couplers: I64
    quadratic: F64
    offset: float

    @property
    def reads(self) -> int:
        """How often it is sampled."""
        return int(self.params.get("num_reads", 1))


def read_problem(given: Any, graph_of: Callable[[Solver], WorkingGraph]) -> Problem:
    """Read one problem.

    Args:
        given: one entry of the body.
        graph_of: tells what works of a solver now.

    Raises:
        SapiError: naming the field.
    """
    if not isinstance(given, dict):
        raise SapiError(400, "A problem is not a JSON object.")
    solver, graph_id = _solver(given.get("solver"))
    graph = graph_of(solver)
    if graph_id is not None and graph_id != graph.graph_id:
        raise SapiError(404, f"{solver.name} has no graph {graph_id}; its graph is {graph.graph_id}.")
    kind = given.get("type")
    if kind not in ("ising", "qubo"):
        raise SapiError(400, f"type {kind!r} is not supported by {solver.name}; it samples ising and qubo.")
    label, params = read_label(given), read_params(given, _CHECKS)
    linear, quadratic, offset, used, couplers = _qp(given.get("data"), graph)
    problem = Problem(
        solver=solver,
        type=kind,
        label=label,
        params=params,
        qubits=graph.qubits[used],
        linear=linear,
        couplers=couplers,
        quadratic=quadratic,
        offset=offset,
    )
    _check_run(problem)
    return problem


def as_ising(problem: Problem) -> tuple[F64, F64]:
    """Return the fields and couplings of a problem in spins, by ``x = (1 + s) / 2`` for a QUBO; constants are dropped."""
    if problem.type == "ising":
        return problem.linear, problem.quadratic
    ends = np.concatenate([problem.couplers[:, 0], problem.couplers[:, 1]])
    shares = np.bincount(ends, weights=np.tile(problem.quadratic, 2) / 4, minlength=len(problem.qubits))
    return problem.linear / 2 + shares, problem.quadratic / 4


def _solver(identity: Any) -> tuple[Solver, str | None]:
    """Read which solver is meant; older clients give its name as a text."""
    name = identity.get("name") if isinstance(identity, dict) else identity
    if not isinstance(name, str) or name not in SOLVERS:
        raise SapiError(404, f"There is no solver {name!r}.")
    version = identity.get("version") if isinstance(identity, dict) else None
    graph_id = version.get("graph_id") if isinstance(version, dict) else None
    return SOLVERS[name], None if graph_id is None else str(graph_id)


def read_label(given: Mapping[str, Any]) -> str | None:
    """Read the label of a problem. Raises `SapiError` for one that is too long or not a text."""
    label = given.get("label")
    if label is not None and (not isinstance(label, str) or len(label) > LONGEST_LABEL):
        raise SapiError(400, f"label is not a text of at most {LONGEST_LABEL} characters.")
    return label


def read_params(given: Mapping[str, Any], checks: Mapping[str, Callable[[Any], bool]]) -> dict[str, Any]:
    """Read the parameters of a problem, without those that are null. Raises `SapiError` naming one that is unknown or out of range."""
    stated = given.get("params")
    if stated is None:
        return {}
    if not isinstance(stated, dict):
        raise SapiError(400, "params is not a JSON object.")
    params = {name: value for name, value in stated.items() if value is not None}
    for name, value in params.items():
        check = checks.get(name)
        if check is None:
            raise SapiError(400, f"Parameter {name!r} is not emulated; known: {', '.join(checks)}.")
        if not check(value):
            raise SapiError(400, f"Parameter {name} cannot be {str(value)[:40]!r}.")
    return params


def within(limits: tuple[float, float], *, whole: bool = False) -> Callable[[Any], bool]:
    """Return a check that a value is a number, or a whole one, between two limits."""
    kinds = (int,) if whole else (int, float)
    return lambda value: isinstance(value, kinds) and not isinstance(value, bool) and limits[0] <= value <= limits[1]


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "num_reads": within(NUM_READS_RANGE, whole=True),
    "annealing_time": within(ANNEALING_TIME_RANGE),
    "answer_mode": lambda value: value in ("histogram", "raw"),
    "auto_scale": lambda value: isinstance(value, bool),
    "max_answers": within(NUM_READS_RANGE, whole=True),
    "programming_thermalization": within(THERMALIZATION_RANGE),
    "readout_thermalization": within(THERMALIZATION_RANGE),
}


def _qp(data: Any, graph: WorkingGraph) -> tuple[F64, F64, float, NDArray[np.bool_], I64]:
    """Return fields, couplings, offset, which working qubits are used, and the places of the couplers' ends among those."""
    if not isinstance(data, dict) or data.get("format") != "qp":
        raise SapiError(400, "data.format is not qp.")
    offset = data.get("offset", 0.0)
    if not isinstance(offset, int | float) or isinstance(offset, bool) or abs(offset) > LARGEST_NUMBER:
        raise SapiError(400, f"data.offset is not a number up to {LARGEST_NUMBER:g}.")
    fields = _doubles(data.get("lin"), "lin")
    if len(fields) != len(graph.qubits):
        raise SapiError(400, f"data.lin has {len(fields)} numbers; the solver has {len(graph.qubits)} working qubits.")
    used = ~np.isnan(fields)
    if not used.any():
        raise SapiError(400, "data.lin uses no qubit.")
    place = np.full(int(graph.qubits[-1]) + 1, -1, dtype=np.int64)
    place[graph.qubits[used]] = np.arange(int(used.sum()))
    couplers = place[graph.couplers]
    couplers = couplers[(couplers >= 0).all(axis=1)]
    couplings = _doubles(data.get("quad"), "quad")
    if len(couplings) != len(couplers):
        raise SapiError(
            400, f"data.quad has {len(couplings)} numbers; the used qubits have {len(couplers)} couplers between them."
        )
    if not (np.isfinite(fields[used]).all() and np.isfinite(couplings).all()):
        raise SapiError(400, "data has numbers that are not finite.")
    return fields[used], couplings, float(offset), used, couplers


def _doubles(text: Any, name: str) -> F64:
    try:
        content = base64.b64decode(text, validate=True)
        return np.frombuffer(content, dtype="<f8").astype(np.float64)
    except (TypeError, ValueError, binascii.Error):
        raise SapiError(400, f"data.{name} is not base64 of doubles.") from None


def _check_run(problem: Problem) -> None:
    """Refuse what would take too long, and what is out of range where nothing is scaled."""
    times = run_times(len(problem.qubits), problem.params)
    duration = problem.reads * (times.anneal + times.readout) + float(
        problem.params.get("programming_thermalization", 0.0)
    )
    if duration > RUN_LIMIT_US:
        raise SapiError(
            400, f"Upper limit on user-specified timing related parameters exceeded: {duration:g} > {RUN_LIMIT_US:g}"
        )
    if problem.params.get("auto_scale", True):
        return
    fields, couplings = as_ising(problem)
    for what, values, (low, high) in (("h", fields, FIELD_RANGE), ("J", couplings, CHAIN_RANGE)):
        if values.size and not (low <= values.min() and values.max() <= high):
            raise SapiError(400, f"{what} is out of its range {low:g} to {high:g}, and auto_scale is off.")
