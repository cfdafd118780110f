"""What a problem costs: QPU access time by the vendor's published timing model, or the time limit of a hybrid solver, at the price of the operator's contract.

Source of the model: "Operation and Timing", QPU Timing, version 1.0.x of ``problem_timing_data``.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from qhybrid_pipelines.core.errors import InvalidInput, Unavailable
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.circuit_jobs import Estimate
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.execution.dwave.decoding import read_micros
from qhybrid_pipelines.execution.dwave.hybrid_solvers import HybridSolver
from qhybrid_pipelines.execution.dwave.precision import precision_note
from qhybrid_pipelines.execution.dwave.solvers import Annealer

#: Of a second of QPU access time, and of a second of a hybrid solver.
PRICE_VARIABLE, HYBRID_PRICE_VARIABLE = "DWAVE_USD_PER_SECOND", "DWAVE_HYBRID_USD_PER_SECOND"
_REMEDIES = {
    PRICE_VARIABLE: "Give the US dollars that your contract asks for a second of QPU access time, for example 0.55.",
    HYBRID_PRICE_VARIABLE: "Give the US dollars that your contract asks for a second of a hybrid solver's time, for example 0.03.",
}


def usd_per_second(variable: str = PRICE_VARIABLE) -> float:
    """Return the price of a second. Raises `InvalidInput` where nobody has set it: none is published."""
    text = os.environ.get(variable)
    if text is None:
        raise InvalidInput(f"{variable} is not set, and D-Wave publishes no price", remedy=_REMEDIES[variable])
    try:
        price = float(text)
    except ValueError:
        price = -1.0
    if not 0 <= price < float("inf"):
        raise InvalidInput(f"{variable} is {text!r}", remedy=_REMEDIES[variable])
    return price


def hybrid_estimate(solver: HybridSolver, batch: HybridBatch) -> Estimate:
    """Return what a batch for a hybrid solver costs: it works, and charges, for as long as it may.

    Raises:
        InvalidInput: no price is set, or the time limit is shorter or longer than the solver takes.
    """
    price = usd_per_second(HYBRID_PRICE_VARIABLE)
    shortest = solver.shortest_run(batch.width)
    if not shortest <= batch.time_limit <= solver.longest_run:
        raise InvalidInput(
            f"{solver.name} works {shortest:g} to {solver.longest_run:g} s on {batch.width} variables, and {batch.time_limit:g} s are asked for",
            remedy=f"Say annealing: {{time_limit_seconds: {max(shortest, min(batch.time_limit, solver.longest_run)):g}}}.",
            field="annealing.time_limit_seconds",
        )
    seconds = batch.repetitions * batch.time_limit
    return Estimate(
        low_usd=seconds * price,
        high_usd=seconds * price,
        assumptions=f"{batch.repetitions} problems of {batch.width} variables, {batch.time_limit:g} s of the hybrid solver each, at {price:g} USD a second",
        source=f"minimum_time_limit of {solver.name}, {HYBRID_PRICE_VARIABLE}",
    )


def hybrid_cost_usd(charged_micros: float | None) -> float | None:
    """Return what a finished problem cost by the time that its answer charges; None as in `cost_usd`."""
    try:
        return None if charged_micros is None else charged_micros * 1e-6 * usd_per_second(HYBRID_PRICE_VARIABLE)
    except InvalidInput:
        return None


def estimate(annealer: Annealer, batch: AnnealBatch) -> Estimate:
    """Return what a batch costs.

    Raises:
        InvalidInput: no price is set, or a problem asks for longer than the annealer runs.
        Unavailable: the annealer's timing data are of another version.
    """
    price = usd_per_second()
    micros = [_access_micros(annealer, batch.qubits, batch.shots, float(time)) for time in batch.annealing_times]
    seconds = batch.repetitions * sum(micros) * 1e-6 / annealer.quota_conversion_rate
    usd = seconds * price
    problems = batch.points * batch.repetitions
    return Estimate(
        low_usd=usd,
        high_usd=usd,
        assumptions=f"{problems} problems of {batch.shots} reads on {batch.qubits} qubits, {seconds:.3f} s of QPU access at {price:g} USD{precision_note(batch, annealer.graph)}",
        source=f"problem_timing_data {annealer.timing.get('version')} of {annealer.name}, {PRICE_VARIABLE}",
    )


def cost_usd(timing: Any, quota_conversion_rate: float) -> float | None:
    """Return what a finished problem cost by its answer's timing; None where it does not say, or nobody has set a price."""
    micros = read_micros(timing.get("qpu_access_time")) if isinstance(timing, dict) else None
    if micros is None:
        return None
    try:
        return micros * 1e-6 / quota_conversion_rate * usd_per_second()
    except InvalidInput:  # a setting that cannot be read hides no job; the next price to be asked for names it
        return None


def _access_micros(annealer: Annealer, n_qubits: int, reads: int, annealing_time: float) -> float:
    """Return programming and sampling time of one problem."""
    stated = annealer.timing
    if str(stated.get("version", ""))[:4] != "1.0." or stated.get("readout_time_model") != "pwl_log_log":
        raise Unavailable(f"{annealer.name} tells its timing in a form that this adapter does not know")
    try:
        points = np.array(stated["readout_time_model_parameters"], dtype=np.float64).reshape(2, -1)
        readout = float(10 ** np.interp(np.log10(n_qubits), points[0], points[1]))
        thermalization = float(stated["default_readout_thermalization"])
        delay = float(stated["qpu_delay_time_per_sample"]) + thermalization
        programming_thermalization = float(stated["default_programming_thermalization"])
        programming = float(stated["typical_programming_time"]) + programming_thermalization
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"the timing data of {annealer.name} cannot be read: {error}") from None
    run = reads * (annealing_time + readout + thermalization) + programming_thermalization
    if run > annealer.longest_run:
        raise InvalidInput(
            f"{reads} reads of {annealing_time:g} us on {n_qubits} qubits take {run / 1e6:.2f} s, and a problem on {annealer.name} may take "
            f"{annealer.longest_run / 1e6:g} s",
            remedy="Lower annealing.reads or annealing.annealing_time_us, and raise repetitions.",
            field="annealing.reads",
        )
    return programming + reads * (annealing_time + readout + delay)
