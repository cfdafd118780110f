"""Market split: assign each retailer to one of two divisions so that all products are split as targeted, ``A x = b``.

Small instances are hard and often have one solution or none, so the search for it is the whole problem. Every
assignment therefore counts as feasible and the objective is the squared residual ``|A x - b|^2``; 0 is solved. Were
only solutions feasible, no sampler could be compared with another. ``violation`` still names the first row missed.

Sources: G. Cornuéjols, M. Dawande, INFORMS J. Computing 11, 205 (1999); QOBLIB class 01, arXiv:2504.03832.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import name_without_ending
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel
from qhybrid_pipelines.problems.family import Family, Parser, PenalisedModel, SolverResult
from qhybrid_pipelines.problems.family_defaults import UnconstrainedFamily
from qhybrid_pipelines.problems.formats import qoblib_market_split
from qhybrid_pipelines.problems.instance import Instance, Sense
from qhybrid_pipelines.problems.proofs import ObjectiveRounding
from qhybrid_pipelines.problems.solvers import market_split

if TYPE_CHECKING:
    import dimod

#: Largest squared residual: values, their sums and the quarters of the Ising form all stay exact in float64.
MAX_VALUE = 2**48


class Options(StrictModel):
    """What a specification may say about a market split."""

    best_known: float | None = Field(
        default=None, description="Best known squared residual; 0 where a solution is known to exist."
    )


class Random(StrictModel):
    """Parameters of `random`: coefficients drawn evenly from 1 to a maximum."""

    constraints: int = Field(ge=1, le=50, description="Number of rows (products).")
    variables: int = Field(ge=1, le=500, description="Number of variables (retailers); hard around 10 * (rows - 1).")
    coefficient_max: int = Field(default=50, ge=1, le=10_000, description="Largest coefficient.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")
    planted: bool = Field(
        default=True, description="Targets from a hidden solution; otherwise half of each row's sum, rounded down."
    )


def make_instance(
    coefficients: market_split.I64, targets: market_split.I64, *, name: str, source: str, best_known: float | None
) -> Instance:
    """Return the instance of ``coefficients`` ``(m, n)`` and ``targets`` ``(m,)``, integers from 0.

    Raises:
        InvalidInput: a row without coefficients, or numbers so large that float64 could not hold a residual exactly.
    """
    # Python's integers, because the square of an 18-digit sum has no place in 64 bits.
    totals = [sum(row) for row in coefficients.tolist()]
    if 0 in totals:
        raise InvalidInput(
            f"all coefficients of row {totals.index(0) + 1} are 0",
            remedy="Remove the row: no choice can change its residual.",
            field="problem.source",
        )
    if sum((total + target) ** 2 for total, target in zip(totals, targets.tolist(), strict=True)) > MAX_VALUE:
        raise InvalidInput(
            "the numbers are too large to be exact",
            remedy="Sums of a row and its target up to about 10 million work; divide out common factors.",
            field="problem.source",
        )
    return Instance(
        name=name,
        family="market_split",
        variables=tuple(f"x{i}" for i in range(1, coefficients.shape[1] + 1)),
        payload={"coefficients": coefficients.tolist(), "targets": targets.tolist()},
        best_known=best_known,
        source=source,
    )


def random_split(parameters: BaseModel) -> Instance:
    """Return a random instance; a planted one has the best known residual 0."""
    assert isinstance(parameters, Random)
    random = generator(parameters.seed, "market_split", "random")
    shape = (parameters.constraints, parameters.variables)
    coefficients = random.integers(1, parameters.coefficient_max + 1, size=shape)
    hidden = random.integers(0, 2, size=parameters.variables)
    return make_instance(
        coefficients,
        coefficients @ hidden if parameters.planted else coefficients.sum(axis=1) // 2,
        name="random_m{constraints}_n{variables}_c{coefficient_max}_p{planted:d}_s{seed}".format(
            **parameters.model_dump()
        ),
        source="generator:random",
        best_known=0.0 if parameters.planted else None,
    )


def _from_file(text: str, options: BaseModel, file: str) -> Instance:
    assert isinstance(options, Options)
    equations = qoblib_market_split.read(text, file=file)
    return make_instance(
        equations.coefficients,
        equations.targets,
        name=name_without_ending(file),
        source=f"file:{file}",
        best_known=options.best_known,
    )


def _arrays(instance: Instance) -> tuple[market_split.I64, market_split.I64]:
    """Return ``A``, shape ``(m, n)``, and ``b``, shape ``(m,)``."""
    coefficients = np.array(instance.payload["coefficients"], dtype=np.int64)
    return coefficients, np.array(instance.payload["targets"], dtype=np.int64)


def _qubo(instance: Instance) -> tuple[F64, npt.NDArray[np.int32], F64, float]:
    """Return ``|A x - b|^2`` as ``(linear, pairs, quadratic, offset)`` over 0 and 1."""
    coefficients, targets = _arrays(instance)
    products = coefficients.T @ coefficients
    linear = np.diag(products) - 2 * (targets @ coefficients)
    pairs = np.stack(np.triu_indices(instance.size, k=1), axis=1).astype(np.int32)
    quadratic = 2 * products[pairs[:, 0], pairs[:, 1]]
    return linear.astype(np.float64), pairs, quadratic.astype(np.float64), float(targets @ targets)


class MarketSplit(UnconstrainedFamily):
    """The family; see the module."""

    name = "market_split"
    title = "Market split (constrained search)"
    sense: Sense = "min"
    unit = "squared residual"
    answer_words = ("retailer {name} goes to division 0", "retailer {name} goes to division 1")
    options: type[BaseModel] = Options
    parsers: Mapping[str, Parser] = MappingProxyType({"qoblib_market_split": _from_file})
    file_suffixes: Mapping[str, str] = MappingProxyType({".dat": "qoblib_market_split"})
    native_suffixes: frozenset[str] = frozenset({".dat"})
    generators: Mapping[str, tuple[type[BaseModel], Callable[[BaseModel], Instance]]] = MappingProxyType(
        {"random": (Random, random_split)}
    )
    solver_name = "meet_in_the_middle"

    def model(self, instance: Instance) -> dimod.ConstrainedQuadraticModel:
        """Return: minimise ``|A x - b|^2``, without constraints."""
        import dimod

        linear, pairs, quadratic, offset = _qubo(instance)
        objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
            linear,
            (pairs[:, 0], pairs[:, 1], quadratic),
            offset,
            dimod.BINARY,
            variable_order=list(instance.variables),
        )
        model = dimod.ConstrainedQuadraticModel()  # type: ignore[no-untyped-call]
        model.set_objective(objective)
        return model

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return the squared residual itself: no constraint is left to be penalised."""
        return PenalisedModel(model=IsingModel.from_qubo(*_qubo(instance)), penalty_weight=0.0, sign=1)

    def objective(self, instance: Instance, assignments: U8) -> F64:
        """Return the squared residual of each row, exact."""
        squared: F64 = np.square(market_split.residuals(*_arrays(instance), assignments)).sum(axis=1)
        return squared

    def violation(self, instance: Instance, assignment: U8) -> str:
        """Return the first row that is not met, by how much, and how many there are; empty for a solution."""
        coefficients, targets = _arrays(instance)
        reached = coefficients @ assignment.astype(np.int64)
        missed = np.flatnonzero(reached != targets)
        if not len(missed):
            return ""
        row = missed[0]
        return f"row {row + 1}: {reached[row]} instead of {targets[row]}; {len(missed)} of {len(targets)} rows missed"

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:  # noqa: ARG002 - the same for all
        """Return that there is none: every value is an integer below ``MAX_VALUE``."""
        return ObjectiveRounding(error=0.0, step=1.0)

    def greedy(self, instance: Instance, seed: int) -> U8:
        """Return where steepest descent by single flips ends, from nothing chosen."""
        return market_split.descend(*_arrays(instance), seed)

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Return the best by matching half sums, enumeration or, for large instances, CP-SAT; see ``solvers.solve``."""
        return market_split.solve(*_arrays(instance), seed)

    def features(self, instance: Instance) -> dict[str, float]:
        """Return sizes, coefficients, and how many solutions coefficients like these would lead one to expect.

        The sums ``A x`` of an even random assignment are about normal with mean ``A 1 / 2`` and covariance ``A A^T / 4``;
        ``log10_solutions_expected`` is ``2**n`` times that density at the targets. Directions in which the sums cannot
        move, from rows that repeat others, are left out.
        """
        coefficients, targets = _arrays(instance)
        eigenvalues, directions = np.linalg.eigh(coefficients @ coefficients.T / 4)
        moving = eigenvalues > eigenvalues[-1] * 1e-9
        off = ((targets - coefficients.sum(axis=1) / 2) @ directions)[moving]
        log_density = -0.5 * (np.log(2 * math.pi * eigenvalues[moving]) + off**2 / eigenvalues[moving]).sum()
        expected = instance.size * math.log(2) + float(log_density)
        return {
            "variables": float(instance.size),
            "rows": float(len(targets)),
            "coefficient_mean": float(coefficients.mean()),
            "coefficient_max": float(coefficients.max()),
            "density": float((coefficients > 0).mean()),
            "residual_of_nothing": float(targets @ targets),
            "log10_solutions_expected": expected / math.log(10),
        }


FAMILY: Family = MarketSplit()
