"""Parameter sweeps: which angles are tried.

Point 0 is always the undisturbed best guess: the centre that was asked for, else the table, else the ramp. The further
points are its neighbours in the manner of the strategy. A point depends on the reduced model, the specification and its own
index; `SweepPlan.angle_source` says where each one comes from, and why when it is not what was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import Mixer
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, FileSource
from qhybrid_pipelines.quantum.angle_search import MAX_QUBITS, AngleOptimiser, optimise_angles
from qhybrid_pipelines.quantum.fixed_angles import table_angles
from qhybrid_pipelines.quantum.hardware_efficient import count_angles
from qhybrid_pipelines.quantum.low_discrepancy import spread_evenly
from qhybrid_pipelines.quantum.mixers import choose_mixer
from qhybrid_pipelines.quantum.ramps import cost_scale, ramp
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit, check_width

#: Neighbours of the table's angles scale all gammas and all betas by a factor from 1 -+ this.
NEIGHBOURHOOD = 0.15
#: Total time of a ramp relative to the reference, shortest and longest.
RAMP_TIMES = (1 / 3, 2.0)
#: Largest slopes of the lattice, radians; at one layer the middle of the ramp then reaches 1.5 and pi / 4.
MAX_LATTICE_SLOPES = (3.0, np.pi / 2)
#: Box of random angles: gammas from 0 to this (times the cost's scale), betas from minus a quarter turn to 0; radians.
RANDOM_BOX = (2.0, np.pi / 2)
#: Spread of a start near zero for circuits that nothing is known about, radians.
NEAR_ZERO_SPREAD = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """The points of a sweep.

    Attributes:
        angles: shape ``(points, angles of the ansatz)``, radians; for QAOA gammas first, then betas.
        angle_source: per point.
        layers: gammas in a row of ``angles``; 0 for an ansatz without gammas and betas.
        optimised_expectation: exact mean energy at the optimised angles; None where none were optimised.
    """

    strategy: str
    angles: F64
    angle_source: tuple[str, ...]
    layers: int
    optimised_expectation: float | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Return the columns of the table `parameter_sweeps` but the experiment, one row per point."""
        return [
            {
                "point": point,
                "strategy": self.strategy,
                "angle_source": source,
                "gammas": row[: self.layers],
                "betas": row[self.layers :] if self.layers else [],
                "angles": row,
                "optimised_expectation": self.optimised_expectation,
            }
            for point, (source, row) in enumerate(zip(self.angle_source, self.angles.tolist(), strict=True))
        ]


def plan_sweep(
    reduced_model: ReducedModel,
    spec: ExperimentSpec,
    circuit: UserCircuit | None = None,
    *,
    optimise: AngleOptimiser = optimise_angles,
    given: F64 | None = None,
) -> SweepPlan:
    """Return the parameter points of an experiment; none for a reduced model without variables.

    An experiment that anneals has no angles; its points are its settings, and on a hybrid solver it has one.

    Args:
        reduced_model: what is to be solved.
        spec: names ansatz and strategy.
        circuit: from a file, in place of the ansatz; its inputs are the angles.
        optimise: gives the best angles for strategy ``auto``.
        given: a person's own angles for strategy ``given``, shape ``(points, angles of the circuit)``, radians.

    Raises:
        InvalidInput: the mixer or the circuit does not fit the reduced model, or the centre or the given angles have the wrong
            number of angles or are not finite.
    """
    if reduced_model.size == 0:
        return SweepPlan(strategy=spec.sweep.strategy, angles=np.empty((0, 0)), angle_source=(), layers=0)
    if spec.annealing is not None and spec.annealing.is_hybrid:
        limit = (f"hybrid solver, {spec.annealing.time_limit_seconds:g} s",)
        return SweepPlan(strategy="hybrid", angles=np.empty((1, 0)), angle_source=limit, layers=0)
    if spec.annealing is not None:
        said = tuple(
            f"{time:g} us, chain strength {factor:g}, gauge {gauge}" for time, factor, gauge in spec.annealing.settings
        )
        return SweepPlan(strategy="annealing", angles=np.empty((len(said), 0)), angle_source=said, layers=0)
    if circuit is not None:
        check_width(circuit, reduced_model)
    if spec.sweep.strategy == "given":
        plan = _plan_given(reduced_model, spec, circuit, given)
    elif circuit is not None:
        plan = _plan_user_circuit(len(circuit.inputs), spec)
    elif spec.ansatz.is_qaoa:
        plan = _plan_qaoa(reduced_model, spec, optimise)
    else:
        plan = _plan_free(count_angles(reduced_model.size, spec.ansatz.depth), spec, "a hardware-efficient circuit")
    if not np.isfinite(plan.angles).all():
        raise InvalidInput(
            "the sweep has angles that are not finite", remedy="Give finite angles in radians.", field="sweep.center"
        )
    return plan


def _plan_qaoa(reduced_model: ReducedModel, spec: ExperimentSpec, optimise: AngleOptimiser) -> SweepPlan:
    layers, sweep, n_neighbours = spec.ansatz.depth, spec.sweep, spec.sweep.points - 1
    mixer = choose_mixer(reduced_model, spec)
    scale = cost_scale(reduced_model.model, constant_ones=mixer == "xy")
    best, source = _best_guess(reduced_model, spec, mixer, scale)
    expectation = None
    match sweep.strategy:
        case "auto":
            if reduced_model.size <= MAX_QUBITS:
                found = optimise(reduced_model, mixer, layers)
                best, source, expectation = found.angles, found.describe(), found.expectation
            else:
                source += (
                    f" (not optimised: {reduced_model.size} qubits, and at most {MAX_QUBITS} are simulated for that)"
                )
            points, label = _random_in_box(best, np.repeat([scale, 1.0], layers), spec), "near optimised"
        case "ramp":
            best, source = ramp(layers, scale=scale), "ramp"
            points, label = best * _ramp_times(n_neighbours)[:, None], "ramp"
        case "fixed_angles":
            points, label = (
                _scale_by_kind(best, 1 + NEIGHBOURHOOD * (2 * spread_evenly(n_neighbours, 2) - 1)),
                f"near {source}",
            )
        case "grid":
            points, label = _lattice(layers, n_neighbours, scale), "grid"
        case "random":
            box = np.repeat([RANDOM_BOX[0] * scale, -RANDOM_BOX[1]], layers)
            points, label = box * generator(spec.seed, "sweep", "random").random((n_neighbours, 2 * layers)), "random"
        case "refine":
            points, label = _random_in_box(best, np.repeat([scale, 1.0], layers), spec), f"near {source}"
        case "optimise":  # the others depend on what the backend answers
            points, label = np.empty((0, 2 * layers)), source
    return replace(_plan(spec, best, source, points, label, layers=layers), optimised_expectation=expectation)


def _plan_given(
    reduced_model: ReducedModel, spec: ExperimentSpec, circuit: UserCircuit | None, given: F64 | None
) -> SweepPlan:
    """Plan for the angles of a person's own file."""
    layers = spec.ansatz.depth
    if circuit is not None:
        count, gammas = len(circuit.inputs), 0
    elif spec.ansatz.is_qaoa:
        count, gammas = 2 * layers, layers
    else:
        count, gammas = count_angles(reduced_model.size, layers), 0
    if given is None or given.ndim != 2 or given.shape[1] != count:
        found = "none" if given is None else given.shape[-1]
        raise InvalidInput(
            f"the circuit has {count} angles, and the file {found} a point",
            remedy="Name every angle of the circuit in the first line of the file.",
            field="sweep.file",
        )
    name = spec.sweep.file.file if isinstance(spec.sweep.file, FileSource) else spec.sweep.file
    return SweepPlan(strategy="given", angles=given, angle_source=(f"given: {name}",) * len(given), layers=gammas)


def check_sweep(spec: ExperimentSpec, count: int) -> None:
    """Check that a centre has as many angles as the circuit.

    Raises:
        InvalidInput: it has not.
    """
    center = spec.sweep.center
    if center is not None and len(center) != count:
        raise InvalidInput(
            f"sweep.center has {len(center)} angles, the circuit {count}",
            remedy="Give every angle of the circuit, or leave the centre out.",
            field="sweep.center",
        )


def _plan_user_circuit(count: int, spec: ExperimentSpec) -> SweepPlan:
    """Plan for a circuit from a file; without inputs it is one point."""
    if count == 0:
        check_sweep(spec, count)
        if spec.sweep.is_loop:
            raise InvalidInput(
                "the circuit has no inputs, so that there is nothing to optimise",
                remedy="Give it `input float` angles, or leave the sweep out.",
                field="sweep.strategy",
            )
        nothing = np.empty((1, 0))
        return SweepPlan(
            strategy=spec.sweep.strategy, angles=nothing, angle_source=("the circuit has no inputs",), layers=0
        )
    return _plan_free(count, spec, "a circuit from a file")


def _plan_free(count: int, spec: ExperimentSpec, what: str) -> SweepPlan:
    """Plan for a circuit whose ``count`` angles have no known meaning: grids, random points and boxes are possible."""
    sweep, n_neighbours = spec.sweep, spec.sweep.points - 1
    rng = generator(spec.seed, "sweep", "free")
    check_sweep(spec, count)
    if sweep.center is not None:
        best, source = np.array(sweep.center), _centre_name(spec)
    else:
        best, source = NEAR_ZERO_SPREAD * rng.standard_normal(count), "random near zero"
    if sweep.strategy == "optimise":
        return _plan(spec, best, source, np.empty((0, count)), source, layers=0)
    if sweep.strategy == "refine":
        return _plan(
            spec, best, source, _random_in_box(best, np.full(count, NEAR_ZERO_SPREAD), spec), f"near {source}", layers=0
        )
    if sweep.strategy == "random":
        return _plan(spec, best, source, rng.uniform(-np.pi, np.pi, (n_neighbours, count)), "random", layers=0)
    if sweep.strategy == "grid":
        return _plan(spec, best, source, np.pi * (2 * spread_evenly(n_neighbours, count) - 1), "grid", layers=0)
    source = f"random near zero: {sweep.strategy} has no meaning for {what}"
    return _plan(spec, best, source, NEAR_ZERO_SPREAD * rng.standard_normal((n_neighbours, count)), source, layers=0)


def _plan(spec: ExperimentSpec, best: F64, source: str, points: F64, label: str, *, layers: int) -> SweepPlan:
    return SweepPlan(
        strategy=spec.sweep.strategy,
        angles=np.concatenate([best[None], points]),
        angle_source=(source, *[label] * len(points)),
        layers=layers,
    )


def _best_guess(reduced_model: ReducedModel, spec: ExperimentSpec, mixer: Mixer, scale: float) -> tuple[F64, str]:
    layers = spec.ansatz.depth
    if spec.sweep.center is not None:
        return np.array(spec.sweep.center), _centre_name(spec)
    if mixer != "x":
        return ramp(layers, scale=scale), "ramp: the table is for the x mixer"
    angles, reason = table_angles(reduced_model.model, layers)
    if angles is None:
        return ramp(layers, scale=scale), f"ramp: {reason}"
    return angles, f"table: {reason}"


def _centre_name(spec: ExperimentSpec) -> str:
    return "parent round" if spec.lineage.parent else "centre"


def _scale_by_kind(angles: F64, factors: F64) -> F64:
    """Scale all gammas by the first column of ``factors`` and all betas by the second."""
    return angles * np.repeat(factors, len(angles) // 2, axis=1)


def _ramp_times(points: int) -> F64:
    """Return total times on a geometric grid, without the grid's time nearest to the reference, which is point 0."""
    times = np.geomspace(*RAMP_TIMES, points + 1)
    return np.delete(times, np.abs(np.log(times)).argmin())


def _lattice(layers: int, points: int, scale: float) -> F64:
    """Return ramps over a lattice of gamma slopes (slow) and beta slopes (fast); at one layer of the angles themselves."""
    rows = max(1, round(np.sqrt(points)))
    columns = -(-points // rows)
    cells = np.stack(np.divmod(np.arange(points), columns), axis=1) + 0.5
    slopes = cells / (rows, columns) * MAX_LATTICE_SLOPES
    return _scale_by_kind(ramp(layers, gamma_slope=1.0, beta_slope=1.0, scale=scale), slopes)


def _random_in_box(center: F64, default_width: F64, spec: ExperimentSpec) -> F64:
    """Return seeded points of the box around ``center``; where an angle is 0, ``default_width`` says how wide the box is."""
    width = spec.sweep.spread * np.where(center == 0, default_width, np.abs(center))
    draws = generator(spec.seed, "sweep", "refine").uniform(-1, 1, (spec.sweep.points - 1, len(center)))
    return np.asarray(center + width * draws, dtype=np.float64)
