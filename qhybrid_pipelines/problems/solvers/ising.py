"""One classical solver for unconstrained families: enumerate, relax, search, prove; each step only where it can pay."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.classical import exhaustive
from qhybrid_pipelines.classical.energy_resolution import energy_resolution
from qhybrid_pipelines.classical.exact import exact_minimum
from qhybrid_pipelines.classical.reduction.substitution import VariableMap, substitute
from qhybrid_pipelines.core.binary_models.bits import U8, unpack
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.seeds import derive_seed
from qhybrid_pipelines.problems.solvers import cp_sat, semidefinite
from qhybrid_pipelines.problems.solvers.granularity import energy_step, round_bound_to_step
from qhybrid_pipelines.problems.solvers.spins import energies, greedy_placement, tabu_search

#: Tabu steps, over all starts: one to three seconds, whatever the size. Each step looks at every variable once.
_STEPS_PER_VARIABLE, _MIN_STEPS, _MAX_UPDATES = 100, 10_000, 200_000_000

#: Hyperplanes through the relaxation's vectors, and how many of the best ones the search starts from.
_HYPERPLANES, _STARTS = 64, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class IsingMinimum:
    """What was found.

    Attributes:
        assignment: shape ``(n,)``.
        optimal: no energy is lower; proved.
        lower_bound: proved bound on the energy.
        evaluations: energies of an enumeration, or steps of the search.
    """

    assignment: U8
    optimal: bool
    lower_bound: float
    evaluations: int


def minimise(model: IsingModel, seed: int) -> IsingMinimum:
    """Return a low energy of a model and what is proved about it.

    Up to 20 variables by enumeration. Above that: hyperplane rounding of the semidefinite relaxation (greedy placement
    where that is too large), tabu search from there, and CP-SAT where the model is sparse.
    """
    if model.size <= exhaustive.MAX_VARIABLES:
        return _enumerate(model)
    bound, starts = _relax(model, seed)
    steps = min(max(_STEPS_PER_VARIABLE * model.size, _MIN_STEPS), _MAX_UPDATES // model.size) // len(starts)
    found = [tabu_search(model, start, derive_seed(seed, k), steps=steps) for k, start in enumerate(starts)]
    best = found[int(energies(model, np.stack(found)).argmin())]
    energy = float(energies(model, best[None])[0])
    if not _meets(model, energy, bound):
        proof = cp_sat.prove_optimum(model, best, seed)
        if proof is not None:
            best = proof.assignment
            energy = float(energies(model, best[None])[0])
            bound = energy if proof.optimal else max(proof.lower_bound, bound)
    optimal = _meets(model, energy, bound)
    return IsingMinimum(
        assignment=best, optimal=optimal, lower_bound=energy if optimal else bound, evaluations=steps * len(starts)
    )


def _enumerate(model: IsingModel) -> IsingMinimum:
    """Enumerate every outcome; where too many are equal up to rounding, the bound is by that much lower."""
    exact = exact_minimum(model)
    word = exhaustive.find_minimum(model)[0] if exact is None else exact
    energy = float(model.diagonal[word])
    return IsingMinimum(
        assignment=unpack(np.array([word], dtype=np.uint64), model.size)[0],
        optimal=exact is not None,
        lower_bound=energy if exact is not None else float(model.diagonal.min()) - energy_resolution(model),
        evaluations=1 << model.size,
    )


def _meets(model: IsingModel, energy: float, bound: float) -> bool:
    """Return whether an energy is the lowest one that the bound allows: no tolerance, but the step between energies."""
    step = energy_step(model)
    return energy <= bound if step is None else energy < bound + step / 2


def _relax(model: IsingModel, seed: int) -> tuple[float, U8]:
    """Return a bound, sharpened to the next possible energy, and starts ``(k, n)``."""
    if model.size > semidefinite.MAX_SPINS:
        no_term_frustrated = model.offset - np.abs(model.linear).sum() - np.abs(model.couplings).sum()
        return float(no_term_frustrated), greedy_placement(model, seed)[None]
    found = semidefinite.relaxation_vectors(model, seed)
    bound = semidefinite.lower_bound(model, found)
    rows = semidefinite.hyperplane_roundings(model, found, seed, count=_HYPERPLANES)
    best = np.argsort(energies(model, rows), kind="stable")[:_STARTS]
    return round_bound_to_step(model, bound), rows[best]


def minimise_mapped(model: IsingModel, variables: VariableMap, seed: int) -> IsingMinimum:
    """Return what :func:`minimise` finds on the remaining variables of an exact reduction, mapped back."""
    found = minimise(substitute(model, variables), seed)
    return dataclasses.replace(found, assignment=_expand(variables, found.assignment))


def _expand(variables: VariableMap, reduced: U8) -> U8:
    """Return the assignment ``(n,)`` that the values of the remaining variables stand for."""
    assignment = variables.value.copy()
    copied = variables.root >= 0
    assignment[copied] ^= reduced[variables.root[copied]]
    return assignment
