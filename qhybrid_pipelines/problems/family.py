"""What a problem family offers. One file each in `problems/families/`, found by presence; none imports another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.problems.instance import Instance, Sense
from qhybrid_pipelines.problems.proofs import ObjectiveRounding

if TYPE_CHECKING:
    import dimod
    import networkx as nx
    from dimod.higherorder.polynomial import BinaryPolynomial

#: Reads a file's text: (text, options, file name) -> instance. Raises InvalidInput with the line.
Parser = Callable[[str, BaseModel, str], Instance]

#: Reads a file that is not text: (content, options, file name) -> instance. Raises InvalidInput.
BinaryParser = Callable[[bytes, BaseModel, str], Instance]

#: Makes an instance: (parameters of the generator) -> instance. Parameters are a strict pydantic model.
Generator = Callable[..., Instance]


@dataclass(frozen=True, slots=True, kw_only=True)
class PenalisedModel:
    """The unconstrained form of an instance: ``energy = sign * objective + penalty_weight * violation``.

    ``sign`` is -1 for families that maximise, so that lower energy is always better. Variable ``i`` of the model is
    variable ``i`` of the instance.
    """

    model: IsingModel
    penalty_weight: float
    sign: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution:
    """A step of a family's own reduction: ``x_variable = constant``, or ``x_variable = x_copy_of XOR constant``."""

    variable: int
    constant: int
    copy_of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyReduction:
    """What a family's own rules found: substitutions that may be applied in order, and whether an optimum survives."""

    step_name: str
    exact: bool
    substitutions: tuple[Substitution, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverResult:
    """What a family's own classical solver found.

    Attributes:
        assignment: shape ``(n,)``, feasible unless none was found.
        optimal: the solver proved it.
        bound: proved bound on the objective (upper for max, lower for min), or None.
        evaluations: steps as the solver counts them, or None.
    """

    assignment: U8
    optimal: bool
    bound: float | None
    evaluations: int | None


class Family(Protocol):
    """A kind of problem. Functions over many assignments take an ``(m, n)`` matrix of 0 and 1 and are vectorised."""

    name: str
    title: str
    sense: Sense
    unit: str
    #: What a variable that is 0, and one that is 1, says about the thing it is named after; ``{name}`` stands for it.
    answer_words: tuple[str, str]
    #: whether an answer names what is 0 too; not where hundreds of variables stand for choices of which few are taken.
    names_zeros: bool
    #: pydantic model of `problem.options`, with a description per field.
    options: type[BaseModel]
    #: format name -> parser; the formats' own readers are in `problems/formats/`.
    parsers: Mapping[str, Parser]
    #: the same for formats that are not text.
    binary_parsers: Mapping[str, BinaryParser]
    #: file ending (with dot) -> format name, only where the ending leaves no doubt.
    file_suffixes: Mapping[str, str]
    #: those endings that say which family a file is for, when nothing else does: `qhybrid run FILE`.
    native_suffixes: frozenset[str]
    #: generator name -> (strict pydantic model of its parameters, function of that model).
    generators: Mapping[str, tuple[type[BaseModel], Callable[[BaseModel], Instance]]]
    #: name of the solver that `solve` runs, as it appears in the baselines.
    solver_name: str
    #: whether there are instances that fix how many variables are 1, which the ``xy`` mixer then keeps.
    may_fix_ones: bool

    def from_graph(self, graph: nx.Graph[object], name: str, options: BaseModel) -> Instance:
        """Return the instance on a NetworkX graph. Raises InvalidInput for families without graphs."""

    def model(self, instance: Instance) -> dimod.ConstrainedQuadraticModel | BinaryPolynomial:
        """Return the canonical model: the constrained problem, always to be minimised.

        A family without constraints whose objective has products of more than two variables gives a polynomial.
        """

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return the unconstrained form, with the penalty weight that was chosen."""

    def objective(self, instance: Instance, assignments: U8) -> F64:
        """Return the objective of each row in the family's own units, feasible or not."""

    def feasible(self, instance: Instance, assignments: U8) -> npt.NDArray[np.bool_]:
        """Return which rows satisfy every constraint."""

    def violation(self, instance: Instance, assignment: U8) -> str:
        """Return the first violated constraint of one row ``(n,)`` by name and amount; empty when feasible."""

    def repair(self, instance: Instance, assignments: U8) -> U8:
        """Return rows made feasible by a deterministic greedy rule; feasible rows stay as they are.

        A family where feasibility is the whole question (market split) returns the rows unchanged.
        """

    def cardinality(self, instance: Instance) -> int | None:
        """Return how many variables must be 1, or None where the family has no such constraint."""

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:
        """Return how well float64 tells objectives apart; what is called proved rests on it."""

    def reductions(self, instance: Instance, max_qubits: int) -> list[FamilyReduction]:
        """Return the family's own reductions, exact ones first; heuristic ones only as far as ``max_qubits`` needs."""

    def subproblem(self, instance: Instance, incumbent: U8, size: int, rng: np.random.Generator) -> list[int] | None:
        """Return at most ``size`` variables of a subproblem around a feasible incumbent ``(n,)``, the others to be frozen.

        None where any variables may stay together: then some around a cheap flip are taken.
        """

    def greedy(self, instance: Instance, seed: int) -> U8:
        """Return a feasible assignment ``(n,)`` by the family's classic greedy rule."""

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Run the family's own classical solver: deterministic for a seed, bounded by steps and not by the clock."""

    def describe(self, instance: Instance, assignment: U8) -> str:
        """Return in one line what experts call a row ``(n,)``, beside its variables; empty where there is nothing to add."""

    def features(self, instance: Instance) -> dict[str, float]:
        """Return numbers that later stages and analysts use (density, degrees, weight rms, ...)."""
