"""What leaves this machine for a hybrid solver, and the way back from its answer: one assignment of the model's variables.

The answer is a sample set of dimod. Its energy must be that of the assignment in the model, so that bits in another order, or of
another model, are found out.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qhybrid_pipelines.core.errors import CorruptResult, Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import RawResult
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.execution.counts import counts_of_one_circuit, verify_counts
from qhybrid_pipelines.execution.dwave.decoding import check_equal, open_result, read_micros
from qhybrid_pipelines.execution.dwave.hybrid_solvers import HybridSolver
from qhybrid_pipelines.execution.dwave.payload import label_of

PROBLEM_TYPE = "bqm"
#: Energies may differ by rounding: relative, and to the sum of all coefficients.
_ENERGY_TOLERANCE = 1e-9


def check_batch(batch: HybridBatch, solver: HybridSolver) -> None:
    """Check what would be refused, before anything is sent.

    Raises:
        Rejected: it is not one problem, a number is not finite, or a limit is exceeded.
    """
    shortest = solver.shortest_run(batch.width)
    if batch.seeds.shape != (1, 1) or batch.shots != 1:
        problem = (
            f"{batch.points * batch.repetitions} problems; {batch.backend} takes one in a job, and gives one answer"
        )
    elif not all(np.isfinite(one).all() for one in (batch.model.linear, batch.model.couplings, batch.model.offset)):
        problem = "the model has coefficients that are not finite"
    elif not 1 <= batch.width <= solver.most_variables:
        problem = f"{batch.width} variables; {batch.backend} takes 1 to {solver.most_variables}"
    elif not shortest <= batch.time_limit <= solver.longest_run:
        problem = f"{batch.time_limit:g} s; {batch.backend} takes {shortest:g} to {solver.longest_run:g} s for {batch.width} variables"
    else:
        return
    raise Rejected(problem)


def problem_body(batch: HybridBatch, solver: HybridSolver, token: str, *, upload_id: str, home_id: str = "") -> bytes:
    """Return the body of the request that submits a batch of one problem, whose model was uploaded."""
    problem = {
        "solver": {"name": solver.name},
        "type": PROBLEM_TYPE,
        "label": label_of(token, home_id, batch),
        "data": {"format": "ref", "data": upload_id},
        "params": {"time_limit": batch.time_limit},
    }
    return json.dumps([problem], separators=(",", ":"), allow_nan=False).encode()


def decode(raw: RawResult, batch: HybridBatch) -> pa.Table:
    """Return the counts of a raw result in `COUNTS_SCHEMA`: its best assignment, once.

    Raises:
        CorruptResult: cut off, not of this problem or batch, or an energy is not that of its assignment in the model.
    """
    params, answer = open_result(raw, batch, PROBLEM_TYPE)
    check_equal("time limit", params.get("time_limit"), batch.time_limit)
    check_equal("number of answers", 1, batch.shots)
    assignments, energies = _sample_set(answer, batch.width)
    expected = batch.model.assignment_energies(assignments)
    scale = abs(batch.model.offset) + np.abs(batch.model.linear).sum() + np.abs(batch.model.couplings).sum()
    if not np.allclose(energies, expected, rtol=_ENERGY_TOLERANCE, atol=_ENERGY_TOLERANCE * max(1.0, float(scale))):
        raise CorruptResult("the answer's energies are not those of its assignments in the model")
    best = assignments[int(np.argmin(expected))]
    counts = counts_of_one_circuit(best[None, :], np.ones(1, dtype=np.int64))
    verify_counts(counts, batch)
    return counts


def charged_micros(answer: Any) -> float | None:
    """Return the time that is charged for an answer in microseconds, None where it does not say."""
    return _time(answer, "charge_time")


def times(answer: Any) -> dict[str, float]:
    """Return what an answer says of its making in seconds: all of it, and what quantum computers were used for."""
    named = (("device_seconds", "run_time"), ("qpu_seconds", "qpu_access_time"))
    return {ours: micros * 1e-6 for ours, theirs in named if (micros := _time(answer, theirs)) is not None}


def _time(answer: Any, name: str) -> float | None:
    data = answer.get("data") if isinstance(answer, dict) else None
    info = data.get("info") if isinstance(data, dict) else None
    return read_micros(info.get(name)) if isinstance(info, dict) else None


def _sample_set(answer: dict[str, Any], width: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Return assignments, shape ``(rows, n)`` of 0 and 1 where 1 is spin -1, and the energies that the answer states."""
    import dimod

    if answer.get("format") != "bq":
        raise CorruptResult(f"the answer has format {str(answer.get('format'))[:40]!r}, not bq")
    sample_set: Any = dimod.SampleSet
    try:
        found = sample_set.from_serializable(answer["data"])
        variables = [int(variable) for variable in found.variables]
        spins = np.asarray(found.record.sample, dtype=np.int64)
        energies = np.asarray(found.record.energy, dtype=np.float64)
        is_spin = found.vartype is dimod.SPIN
    except Exception as error:  # noqa: BLE001 - whatever a damaged document makes of dimod
        raise CorruptResult(f"the answer's sample set cannot be read: {type(error).__name__}") from None
    if sorted(variables) != list(range(width)) or spins.ndim != 2 or spins.shape != (len(energies), width):
        raise CorruptResult(f"the answer has {spins.shape} values, expected {width} variables")
    if not len(spins) or not np.isin(spins, (-1, 1) if is_spin else (0, 1)).all():
        raise CorruptResult("the answer has no row, or values that no variable can have")
    ordered = spins[:, np.argsort(variables)]
    ones = ordered < 0 if is_spin else ordered == 0  # x = (1 + s) / 2 there, and 1 - x here
    return ones.astype(np.uint8), energies
