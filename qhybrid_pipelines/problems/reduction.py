"""From an instance to the kernel that is worth sending to a QPU, rung by rung.

The ladder: validate, the family's exact rules, then components and roof duality until neither finds anything, the
family's heuristic rules, an incumbent and a window around it. The family's rules go first because they reason about
the instance as it was given; components and roof duality reason about whatever model is left, and are sound after
anything. Every rung is logged with what it fixed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhybrid_pipelines.classical.exhaustive import minimum
from qhybrid_pipelines.classical.reduction.components import components, solve_small_components
from qhybrid_pipelines.classical.reduction.roof_duality import persistent_values
from qhybrid_pipelines.classical.reduction.subproblem import select_window
from qhybrid_pipelines.classical.reduction.substitution import VariableMap
from qhybrid_pipelines.core.bits import U8, assignment_text
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.ising import IsingModel
from qhybrid_pipelines.core.reduced_model import Kernel
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specification import ExperimentSpec
from qhybrid_pipelines.problems.evaluation import Problem, best_of
from qhybrid_pipelines.problems.family import Family, FamilyReduction
from qhybrid_pipelines.problems.incumbents import Incumbent, find_incumbent, incumbent_of
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.post_processing import repair
from qhybrid_pipelines.problems.reduction_steps import Ladder, follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """A kernel, what is known before it is solved, and how it came about; columns of `storage.schemas.KERNELS`."""

    instance: str
    kernel: Kernel
    solved_by_reduction: bool
    incumbent: U8
    incumbent_source: str
    incumbent_objective: float
    kernel_optimum: float
    kernel_optimum_assignment: U8
    kernel_minimum_energy: float
    penalty_weight: float
    rungs: tuple[dict[str, Any], ...]
    rung_seconds: tuple[float, ...]
    reduce_seconds: float

    def to_row(self) -> dict[str, Any]:
        """Return the row of the table `kernels`, without its experiment."""
        return {
            "instance": self.instance,
            "n_qubits": self.kernel.size,
            "exact": self.kernel.exact,
            "solved_by_reduction": self.solved_by_reduction,
            "cardinality": self.kernel.cardinality,
            "incumbent": assignment_text(self.incumbent),
            "incumbent_source": self.incumbent_source,
            "incumbent_objective": self.incumbent_objective,
            "kernel_optimum": self.kernel_optimum,
            "kernel_optimum_assignment": assignment_text(self.kernel_optimum_assignment),
            "kernel_minimum_energy": self.kernel_minimum_energy,
            "penalty_weight": self.penalty_weight,
            "model": canonical_json(self.kernel.model.to_dict()),
            "root": self.kernel.root.tolist(),
            "value": self.kernel.value.tolist(),
            "rungs": list(self.rungs),
            "rung_seconds": list(self.rung_seconds),
            "reduce_seconds": self.reduce_seconds,
        }


def kernel_from_row(row: Mapping[str, Any]) -> Kernel:
    """Return the kernel kept in a row of the table `kernels`."""
    return Kernel(
        model=IsingModel.from_dict(json.loads(row["model"])),
        root=np.array(row["root"], dtype=np.int32),
        value=np.array(row["value"], dtype=np.uint8),
        cardinality=row["cardinality"],
        exact=row["exact"],
    )


def reduce_instance(family: Family, instance: Instance, spec: ExperimentSpec) -> Reduction:
    """Return the kernel of an instance, at most ``spec.reduce.max_qubits`` wide, with its ceiling and the log.

    Raises:
        InvalidInput: the model has coefficients that are no finite numbers, or ``lineage.incumbent`` does not fit.
    """
    started = time.perf_counter()
    problem = Problem.of(family, instance)
    model = problem.penalised.model
    _check(problem)
    ladder = Ladder(model=model, variables=VariableMap.identity(model.size))
    size = f"{model.size} variables, {len(model.pairs)} couplings"
    ladder.climb("validate", lambda: None, note=f"{size}, all coefficients finite")
    _climb_rungs_without_incumbent(problem, spec, ladder)
    solved = ladder.model.size == 0
    incumbent = _of_reduction(problem, ladder) if solved else _climb_to_the_incumbent(problem, spec, ladder)
    kernel = _kernel(problem, ladder)
    word, energy = minimum(kernel.model, kernel.cardinality)
    best = repair(problem, kernel.expand(np.array([word], dtype=np.uint64)))
    optimum, (objective, _) = best_of(problem, best)
    return Reduction(
        instance=instance.name,
        kernel=kernel,
        solved_by_reduction=solved,
        incumbent=incumbent.assignment,
        incumbent_source=incumbent.source,
        incumbent_objective=incumbent.worth[0],
        kernel_optimum=objective,
        kernel_optimum_assignment=optimum,
        kernel_minimum_energy=energy,
        penalty_weight=problem.penalised.penalty_weight,
        rungs=tuple(ladder.rungs),
        rung_seconds=tuple(ladder.seconds),
        reduce_seconds=time.perf_counter() - started,
    )


def _check(problem: Problem) -> None:
    model = problem.penalised.model
    if not (np.isfinite(model.linear).all() and np.isfinite(model.couplings).all() and np.isfinite(model.offset)):
        raise InvalidInput(
            f"the model of instance {problem.instance.name!r} has coefficients that are no finite numbers",
            remedy="Scale the weights of the instance down.",
            field="problem.source",
        )


def _climb_rungs_without_incumbent(problem: Problem, spec: ExperimentSpec, ladder: Ladder) -> None:
    found = problem.family.reductions(problem.instance, spec.reduce.max_qubits)
    for reduction in found:
        if reduction.exact:
            _climb_family_rung(ladder, reduction)
    cardinality = problem.family.cardinality(problem.instance)
    if cardinality is None:
        _climb_generic_rungs(ladder)
    else:
        _climb_forced_rung(ladder, cardinality)
    for reduction in found:
        if not reduction.exact and ladder.model.size > spec.reduce.max_qubits:
            _climb_family_rung(ladder, reduction)


def _climb_family_rung(ladder: Ladder, reduction: FamilyReduction) -> None:
    def step() -> VariableMap | None:
        found = follow(ladder.variables, reduction.substitutions)
        # A guess that leaves nothing to be solved would pass for a solution.
        return found if found.size or reduction.exact else None

    ladder.climb(reduction.rung, step, note=reduction.note, exact=reduction.exact)


def _climb_generic_rungs(ladder: Ladder) -> None:
    """Split into components and fix persistent values until neither rung settles anything more.

    Both keep an optimum of the penalised model, which is one of the instance. They are not used where the number of
    ones is fixed: its penalty couples everything with everything and leaves them nothing to find.
    """
    settled = True
    while settled and ladder.model.size:
        parts = len(components(ladder.model))
        note = "connected" if parts == 1 else f"{parts} found; all but the largest solved by enumeration"
        settled = ladder.fix("components", solve_small_components, note=note)
        settled |= ladder.fix("roof_duality", persistent_values, note="values that some optimum has")


def _climb_forced_rung(ladder: Ladder, cardinality: int) -> None:
    """Settle everything where the number of ones leaves no choice."""
    size, ones = ladder.model.size, _cardinality_left(ladder, cardinality)
    if size and ones in (0, size):
        value = int(ones > 0)
        note = f"{ones} of {size} have to be 1: no choice is left"
        ladder.fix("cardinality", lambda _: dict.fromkeys(range(size), value), note=note)


def _climb_to_the_incumbent(problem: Problem, spec: ExperimentSpec, ladder: Ladder) -> Incumbent:
    """Find the incumbent and, where too many variables are left, freeze all but a window at its values."""
    found: list[Incumbent] = []
    ladder.climb(
        "incumbent",
        lambda: found.append(find_incumbent(problem, spec)),
        note=lambda: f"{found[0].source}, objective {found[0].worth[0]:.6g}",
    )
    incumbent, size = found[0], spec.reduce.max_qubits
    if ladder.model.size > size:

        def frozen(model: IsingModel) -> dict[int, int]:
            current = _values_left(ladder.variables, incumbent.assignment)
            window = select_window(
                model,
                current,
                size=size,
                rng=generator(spec.seed, "window"),
                keep_cardinality=problem.family.cardinality(problem.instance) is not None,
            )
            outside = np.setdiff1d(np.arange(model.size), window)
            return dict(zip(outside.tolist(), current[outside].tolist(), strict=True))

        note = f"{size} variables around a cheap flip stay, the others are frozen as in the incumbent"
        ladder.fix("window", frozen, note=note, exact=False)
    return incumbent


def _values_left(variables: VariableMap, assignment: U8) -> U8:
    """Return the values of the variables that are left in an instance assignment ``(n,)``.

    Of several variables that copy the same one the first counts.
    """
    values = np.zeros(variables.size, dtype=np.uint8)
    copies = np.flatnonzero(variables.root >= 0)[::-1]
    values[variables.root[copies]] = assignment[copies] ^ variables.value[copies]
    return values


def _of_reduction(problem: Problem, ladder: Ladder) -> Incumbent:
    return incumbent_of(problem, repair(problem, ladder.variables.value[None, :]), "reduction")


def _kernel(problem: Problem, ladder: Ladder) -> Kernel:
    cardinality = problem.family.cardinality(problem.instance)
    return Kernel(
        model=ladder.model,
        root=ladder.variables.root,
        value=ladder.variables.value,
        cardinality=None if cardinality is None else _cardinality_left(ladder, cardinality),
        exact=ladder.exact,
    )


def _cardinality_left(ladder: Ladder, cardinality: int) -> int:
    """Return how many of the variables that are left must be 1; a family with a cardinality makes no copies."""
    constant = ladder.variables.root < 0
    assert (~constant).sum() == ladder.model.size
    return cardinality - int(ladder.variables.value[constant].sum())
