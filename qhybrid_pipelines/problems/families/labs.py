r"""Low-autocorrelation binary sequences: for each length there is one problem, and no better method than search is known.

A sequence :math:`s \in \{-1, +1\}^N` has the autocorrelations :math:`C_k = \sum_{i=1}^{N-k} s_i s_{i+k}`, and
:math:`E = \sum_{k=1}^{N-1} C_k^2` is to be least, or the merit factor :math:`N^2 / (2 E)` largest. Squared out these are products of two and of
four spins, which the reduced model, the simulator and the circuits keep as they are: no helper variables are added. Every sequence is feasible.

Sources: M. Golay, IEEE Trans. Inf. Theory 23, 43 (1977), for the merit factor; J. Bernasconi, J. Physique 48, 559 (1987), for the energy;
T. Packebusch, S. Mertens, J. Phys. A 49, 165001 (2016), for the optima and the symmetries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, Field

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel
from qhybrid_pipelines.problems.family import Family, FamilyReduction, PenalisedModel, SolverResult, Substitution
from qhybrid_pipelines.problems.family_defaults import UnconstrainedFamily
from qhybrid_pipelines.problems.instance import Instance, Sense
from qhybrid_pipelines.problems.proofs import ObjectiveRounding
from qhybrid_pipelines.problems.solvers import labs

if TYPE_CHECKING:
    from dimod.higherorder.polynomial import BinaryPolynomial

#: Longest sequence: its model has about 21,000 products of four spins.
MAX_LENGTH = 64


class Options(StrictModel):
    """What a specification may say about a sequence."""

    best_known: float | None = Field(
        default=None, description="Least known energy; up to length 40 the published one is taken."
    )


class Length(StrictModel):
    """Parameters of `length`: there is one problem for each."""

    n: int = Field(ge=3, le=MAX_LENGTH, description="Number of elements of the sequence.")


def sequence_of_length(parameters: BaseModel) -> Instance:
    """Return the instance of a length, with the published least energy, where there is one here, as what to compare with."""
    assert isinstance(parameters, Length)
    size = parameters.n
    best = labs.OPTIMA.get(size)
    return Instance(
        name=f"labs_n{size}",
        family="labs",
        variables=tuple(f"s{i}" for i in range(1, size + 1)),
        payload={"n": size},
        best_known=None if best is None else float(best),
        source="generator:length",
    )


def _terms(size: int) -> tuple[labs.I64, F64]:
    """Return the products of two factors of each squared autocorrelation, ``(t, 4)``, and what each counts; the constant last."""
    shift, first, second = np.mgrid[1:size, 0:size, 0:size].reshape(3, -1)
    used = (first < second) & (second + shift < size)
    shift, first, second = shift[used], first[used], second[used]
    members = np.stack([first, first + shift, second, second + shift], axis=1)
    constant = np.full((1, 4), -1)
    weights = np.append(np.full(len(members), 2.0), size * (size - 1) / 2)
    return np.concatenate([members, constant]), weights


class Labs(UnconstrainedFamily):
    """The family; see the module."""

    name = "labs"
    title = "Low-autocorrelation binary sequences"
    sense: Sense = "min"
    unit = "energy"
    answer_words = ("element {name} is +1", "element {name} is -1")
    options: type[BaseModel] = Options
    generators: Mapping[str, tuple[type[BaseModel], Callable[[BaseModel], Instance]]] = MappingProxyType(
        {"length": (Length, sequence_of_length)}
    )
    solver_name = "sequence_search"

    def model(self, instance: Instance) -> BinaryPolynomial:
        """Return the energy as a polynomial over spins, without constraints."""
        from dimod import SPIN
        from dimod.higherorder.polynomial import BinaryPolynomial

        members, weights = _terms(instance.size)
        # Every variable is there, also the middle one of three, which no product has.
        polynomial: dict[tuple[str, ...], float] = {(name,): 0.0 for name in instance.variables}
        for term, weight in zip(members.tolist(), weights.tolist(), strict=True):
            # A spin that occurs twice cancels.
            once = tuple(instance.variables[i] for i in sorted(set(term)) if i >= 0 and term.count(i) == 1)
            polynomial[once] = polynomial.get(once, 0.0) + weight
        found: BinaryPolynomial = BinaryPolynomial(polynomial, SPIN)
        return found

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return the energy itself: no constraint is left to be penalised."""
        model = IsingModel.from_spin_terms(instance.size, *_terms(instance.size))
        return PenalisedModel(model=model, penalty_weight=0.0, sign=1)

    def objective(self, instance: Instance, assignments: U8) -> F64:  # noqa: ARG002 - the rows say the length
        """Return the energy of each row, exact."""
        return labs.energies(assignments).astype(np.float64)

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:  # noqa: ARG002 - the same for all
        """Return that there is none: energies are integers."""
        return ObjectiveRounding(error=0.0, step=1.0)

    def reductions(self, instance: Instance, max_qubits: int) -> list[FamilyReduction]:
        """Return that the first two elements are +1: flipping all elements, or every second one, changes no energy.

        Nothing where the rest is still too large: a window of an incumbent has the elements beside it as they are.
        """
        if instance.size - 2 > max_qubits:
            return []
        return [
            FamilyReduction(
                step_name="sequence_symmetry",
                exact=True,
                substitutions=(Substitution(variable=0, constant=0), Substitution(variable=1, constant=0)),
                note="flipping all elements, or every second one, changes no energy: the first two are +1",
            )
        ]

    def greedy(self, instance: Instance, seed: int) -> U8:  # noqa: ARG002 - one start, one way down
        """Return where steepest descent by single flips ends, from equal elements."""
        return labs.descend(np.zeros(instance.size, dtype=np.uint8))

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Return an optimum by enumeration up to symmetry, or for long sequences the best of a tabu search; see ``solvers.labs``."""
        return labs.solve(instance.size, seed)

    def describe(self, instance: Instance, assignment: U8) -> str:
        """Return the sequence by the lengths of its runs, and its merit factor."""
        runs = [len(list(run)) for _, run in groupby(assignment.tolist())]
        energy = int(labs.energies(assignment[None])[0])
        return (
            f"run lengths {' '.join(map(str, runs))}, beginning with {'-1' if assignment[0] else '+1'}; "
            f"merit factor {instance.size**2 / (2 * energy):.4g}"
        )

    def features(self, instance: Instance) -> dict[str, float]:
        """Return the length, the least energy that parity allows, and the best known merit factor where one is stated."""
        found = {"length": float(instance.size), "energy_bound": float(labs.least_possible(instance.size))}
        if instance.best_known:
            found["merit_factor_best_known"] = instance.size**2 / (2 * instance.best_known)
        return found


FAMILY: Family = Labs()
