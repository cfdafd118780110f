"""From an instance to the reduced model that is worth sending to a QPU, step by step.

The steps: validate, the family's exact rules, then components and roof duality until neither finds anything, the
family's heuristic rules, an incumbent and the window around it that holds most. The family's rules go first because they reason about
the instance as it was given; components and roof duality reason about whatever model is left, and are sound after
anything. Every step is logged with what it fixed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from qhybrid_pipelines.classical.reduction.components import components, solve_small_components
from qhybrid_pipelines.classical.reduction.roof_duality import persistent_values
from qhybrid_pipelines.classical.reduction.substitution import VariableMap
from qhybrid_pipelines.core.binary_models.bits import U8, assignment_text
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.seeds import derive_seed, generator
from qhybrid_pipelines.core.specifications.annealing_specification import MAX_ANNEALED_VARIABLES
from qhybrid_pipelines.core.specifications.experiment_specification import HARD_MAX_QUBITS, ExperimentSpec
from qhybrid_pipelines.problems.evaluation import Problem, best_assignment
from qhybrid_pipelines.problems.family import Family, FamilyReduction
from qhybrid_pipelines.problems.incumbents import Incumbent, find_incumbent, make_incumbent
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.lowest_outcome import lowest_outcome
from qhybrid_pipelines.problems.post_processing import repair
from qhybrid_pipelines.problems.reduction_steps import ReductionSteps, follow_substitutions
from qhybrid_pipelines.problems.source_sense import stated
from qhybrid_pipelines.problems.windows import WindowChoice, Windows

#: Returns what is left of a model, and in one line how that came about.
Eliminate: TypeAlias = Callable[[IsingModel], tuple[VariableMap, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """A reduced model, what is known before it is solved, and how it came about; columns of `storage.schemas.REDUCED_MODELS`."""

    instance: str
    reduced_model: ReducedModel
    solved_by_reduction: bool
    incumbent: U8
    incumbent_source: str
    incumbent_objective: float
    reduced_model_optimum: float
    reduced_model_optimum_assignment: U8
    reduced_model_minimum_energy: float
    reduced_model_optimum_proved: bool
    penalty_weight: float
    windows_tried: int | None
    windows_without_headroom: int | None
    step_log: tuple[dict[str, Any], ...]
    step_seconds: tuple[float, ...]
    reduction_seconds: float

    def to_row(self) -> dict[str, Any]:
        """Return the row of the table `reduced_models`, without its experiment."""
        return {
            "instance": self.instance,
            "n_qubits": self.reduced_model.size,
            "exact": self.reduced_model.exact,
            "solved_by_reduction": self.solved_by_reduction,
            "cardinality": self.reduced_model.cardinality,
            "incumbent": assignment_text(self.incumbent),
            "incumbent_source": self.incumbent_source,
            "incumbent_objective": self.incumbent_objective,
            "reduced_model_optimum": self.reduced_model_optimum,
            "reduced_model_optimum_assignment": assignment_text(self.reduced_model_optimum_assignment),
            "reduced_model_minimum_energy": self.reduced_model_minimum_energy,
            "reduced_model_optimum_proved": self.reduced_model_optimum_proved,
            "penalty_weight": self.penalty_weight,
            "windows_tried": self.windows_tried,
            "windows_without_headroom": self.windows_without_headroom,
            "model": canonical_json(self.reduced_model.model.to_dict()),
            "root": self.reduced_model.root.tolist(),
            "value": self.reduced_model.value.tolist(),
            "reduction_steps": list(self.step_log),
            "step_seconds": list(self.step_seconds),
            "reduction_seconds": self.reduction_seconds,
        }


def reduced_model_from_row(row: Mapping[str, Any]) -> ReducedModel:
    """Return the reduced model kept in a row of the table `reduced_models`."""
    return ReducedModel(
        model=IsingModel.from_dict(json.loads(row["model"])),
        root=np.array(row["root"], dtype=np.int32),
        value=np.array(row["value"], dtype=np.uint8),
        cardinality=row["cardinality"],
        exact=row["exact"],
    )


def is_proved(reduced_model_row: Mapping[str, Any]) -> bool:
    """Return whether the optimum in a row of `reduced_models` is exact; older releases knew no other."""
    return reduced_model_row.get("reduced_model_optimum_proved") is not False


def reduce_instance(
    family: Family, instance: Instance, spec: ExperimentSpec, *, eliminate: Eliminate | None = None
) -> Reduction:
    """Return the reduced model of an instance, at most ``spec.widest`` qubits wide, with its ceiling and the log.

    Args:
        family: of the instance.
        instance: the original one.
        spec: of the experiment.
        eliminate: a last, heuristic step, for an ansatz that has one.

    Raises:
        InvalidInput: the model has coefficients that are not finite numbers, it is too large to go unreduced, or
            ``lineage.incumbent`` does not fit.
    """
    started = time.perf_counter()
    problem = Problem.of(family, instance)
    model = problem.penalised_model.model
    _check(problem)
    _check_order(problem, spec)
    steps = ReductionSteps(model=model, variables=VariableMap.identity(model.size))
    size = f"{model.size} variables, {len(model.pairs)} couplings"
    if not model.is_quadratic:
        size += f", {len(model.products)} products of up to {model.products.orders.max()} spins"
    steps.apply("validate", lambda: None, note=f"{size}, all coefficients finite")
    if spec.reduce.rules == "none":
        _check_size(problem, spec)
    else:
        _reduce_without_incumbent(problem, spec, steps)
    solved = steps.model.size == 0
    incumbent, window = (
        (_solved_incumbent(problem, steps), None) if solved else _reduce_around_incumbent(problem, spec, steps)
    )
    if eliminate is not None:
        _eliminate(problem, steps, eliminate, spec.ansatz.kind)
    reduced_model = _build_reduced_model(problem, steps)
    lowest = lowest_outcome(reduced_model, seed=derive_seed(spec.seed, "lowest outcome"))
    best = repair(problem, reduced_model.expand(lowest.bits))
    optimum, (objective, _) = best_assignment(problem, best)
    return Reduction(
        instance=instance.name,
        reduced_model=reduced_model,
        solved_by_reduction=solved,
        incumbent=incumbent.assignment,
        incumbent_source=incumbent.source,
        incumbent_objective=incumbent.solution_value[0],
        reduced_model_optimum=objective,
        reduced_model_optimum_assignment=optimum,
        reduced_model_minimum_energy=lowest.energy,
        reduced_model_optimum_proved=lowest.proved,
        penalty_weight=problem.penalised_model.penalty_weight,
        windows_tried=None if window is None else window.tried,
        windows_without_headroom=None if window is None else window.without_headroom,
        step_log=tuple(steps.step_log),
        step_seconds=tuple(steps.seconds),
        reduction_seconds=time.perf_counter() - started,
    )


def _check(problem: Problem) -> None:
    model = problem.penalised_model.model
    if not (np.isfinite(model.term_sizes).all() and np.isfinite(model.offset)):
        raise InvalidInput(
            f"the model of instance {problem.instance.name!r} has coefficients that are not finite numbers",
            remedy="Scale the weights of the instance down.",
            field="problem.source",
        )


def _check_order(problem: Problem, spec: ExperimentSpec) -> None:
    """Check that what an experiment does with the model can be done with products of more than two spins, if it has any.

    Raises:
        InvalidInput: it anneals, or eliminates variables by pairs.
    """
    if problem.penalised_model.model.is_quadratic:
        return
    terms = f"the family {problem.family.name!r} has products of more than two spins"
    if spec.annealing is not None:
        raise InvalidInput(
            f"{terms}, and an annealer couples two",
            remedy="Leave annealing out and name a backend that runs circuits, which have such terms natively.",
            field="annealing",
        )
    if spec.ansatz.kind == "recursive_qaoa":
        raise InvalidInput(
            f"{terms}, and recursive_qaoa eliminates along fields and couplings",
            remedy="Use ansatz: {kind: qaoa}.",
            field="ansatz.kind",
        )


def _check_size(problem: Problem, spec: ExperimentSpec) -> None:
    """Check that an instance that nothing is taken away from is small enough.

    Raises:
        InvalidInput: it has more variables than the specification allows qubits.
    """
    size = problem.penalised_model.model.size
    if size > spec.widest:
        most = HARD_MAX_QUBITS if spec.annealing is None else MAX_ANNEALED_VARIABLES
        # A complex amplitude is 16 bytes; beyond 40 qubits nobody needs to be told how many.
        state = (
            f"; a state of {size} qubits takes {2 ** (size - 26):g} GiB"
            if 26 <= size <= 40 and spec.annealing is None
            else ""
        )
        raise InvalidInput(
            f"the instance has {size} variables, reduction is switched off, and at most {spec.widest} qubits "
            f"are allowed{state}",
            remedy="Leave `rules: none` out"
            + (
                f", or raise reduce.max_qubits, to {most} at most." if size <= most else ", or take a smaller instance."
            ),
            field="reduce.rules",
        )


def _reduce_without_incumbent(problem: Problem, spec: ExperimentSpec, steps: ReductionSteps) -> None:
    for reduction in problem.family.reductions(problem.instance, spec.widest):
        if reduction.exact:
            _apply_family_step(steps, reduction)
    cardinality = problem.family.cardinality(problem.instance)
    if cardinality is None:
        _apply_generic_steps(steps)
    else:
        _apply_cardinality_step(steps, cardinality)
    if steps.model.size <= spec.widest:
        return
    for reduction in problem.family.reductions(problem.instance, spec.window_qubits):
        if not reduction.exact and steps.model.size > spec.window_qubits:
            _apply_family_step(steps, reduction)


def _apply_family_step(steps: ReductionSteps, reduction: FamilyReduction) -> None:
    def step() -> VariableMap | None:
        found = follow_substitutions(steps.variables, reduction.substitutions)
        # A guess that leaves nothing to be solved would pass for a solution.
        return found if found.size or reduction.exact else None

    steps.apply(reduction.step_name, step, note=reduction.note, exact=reduction.exact)


def _apply_generic_steps(steps: ReductionSteps) -> None:
    """Split into components and fix persistent values until neither settles anything more.

    Both keep an optimum of the penalised model, which is one of the instance. They are not used where the number of
    ones is fixed: its penalty couples everything with everything and leaves them nothing to find.
    """
    settled = True
    while settled and steps.model.size:
        parts = len(components(steps.model))
        note = "connected" if parts == 1 else f"{parts} found; all but the largest solved by enumeration"
        settled = steps.fix_variables("components", solve_small_components, note=note)
        settled |= steps.fix_variables("roof_duality", persistent_values, note="values that some optimum has")


def _apply_cardinality_step(steps: ReductionSteps, cardinality: int) -> None:
    """Settle everything where the number of ones leaves no choice."""
    size, ones = steps.model.size, _remaining_cardinality(steps, cardinality)
    if size and ones in (0, size):
        value = int(ones > 0)
        note = f"{ones} of {size} have to be 1: no choice is left"
        steps.fix_variables("cardinality", lambda _: dict.fromkeys(range(size), value), note=note)


def _reduce_around_incumbent(
    problem: Problem, spec: ExperimentSpec, steps: ReductionSteps
) -> tuple[Incumbent, WindowChoice | None]:
    """Find the incumbent and, where too many variables are left, freeze all but a window at its values."""
    found: list[Incumbent] = []
    steps.apply(
        "incumbent",
        lambda: found.append(find_incumbent(problem, spec)),
        note=lambda: (
            f"{found[0].source}, objective "
            f"{stated(found[0].solution_value[0], negated=problem.instance.is_negated):.6g}"
        ),
    )
    incumbent, size = found[0], spec.window_qubits
    if steps.model.size <= spec.widest:
        return incumbent, None
    windows = Windows(problem, steps.model, steps.variables, incumbent, size=size)
    chosen: list[WindowChoice] = []

    def frozen_values(model: IsingModel) -> dict[int, int]:
        chosen.append(windows.choose(spec.reduce.windows, generator(spec.seed, "window")))
        outside = np.setdiff1d(np.arange(model.size), chosen[0].variables)
        return dict(zip(outside.tolist(), windows.current[outside].tolist(), strict=True))

    steps.fix_variables("subproblem", frozen_values, note=lambda: _describe_choice(chosen[0], size), exact=False)
    return incumbent, chosen[0]


def _eliminate(problem: Problem, steps: ReductionSteps, eliminate: Eliminate, step_name: str) -> None:
    """Take the step of an ansatz that joins variables.

    Raises:
        InvalidInput: the number of ones is fixed, which joined variables could not keep.
    """
    if problem.family.cardinality(problem.instance) is not None:
        raise InvalidInput(
            f"{step_name} joins variables, and the family {problem.family.name!r} fixes how many are 1",
            remedy="Use ansatz: {kind: qaoa}.",
            field="ansatz.kind",
        )
    notes: list[str] = []

    def step() -> VariableMap:
        variables, note = eliminate(steps.model)
        notes.append(note)
        return variables

    steps.apply(step_name, step, note=lambda: notes[0], exact=False)


def _describe_choice(chosen: WindowChoice, size: int) -> str:
    """Return in one line which variables stay, and of how many windows that is the best."""
    if not len(chosen.variables):
        return f"none of {chosen.tried} windows of up to {size} variables holds anything better than the incumbent: all are frozen"
    how = "of the family's choice" if chosen.of_family else "around a cheap flip"
    kept = f"{len(chosen.variables)} variables {how} stay, the others are frozen as in the incumbent"
    if chosen.tried == 1:
        return kept
    return f"{kept}; of {chosen.tried} windows {chosen.without_headroom} hold nothing better than it, and this one most"


def _solved_incumbent(problem: Problem, steps: ReductionSteps) -> Incumbent:
    return make_incumbent(problem, repair(problem, steps.variables.value[None, :]), "reduction")


def _build_reduced_model(problem: Problem, steps: ReductionSteps) -> ReducedModel:
    cardinality = problem.family.cardinality(problem.instance)
    return ReducedModel(
        model=steps.model,
        root=steps.variables.root,
        value=steps.variables.value,
        cardinality=None if cardinality is None else _remaining_cardinality(steps, cardinality),
        exact=steps.exact,
    )


def _remaining_cardinality(steps: ReductionSteps, cardinality: int) -> int:
    """Return how many of the variables that are left must be 1; a family with a cardinality makes no copies."""
    constant = steps.variables.root < 0
    assert (~constant).sum() == steps.model.size
    return cardinality - int(steps.variables.value[constant].sum())
