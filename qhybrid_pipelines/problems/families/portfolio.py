"""Portfolio with a fixed number of holdings: choose ``K`` of ``n`` assets, each with the same share ``1 / K``.

With ``x`` the choice, ``w = x / K`` its weights, ``mu`` the mean returns and ``S`` their covariance per period, minimise

    risk_aversion * w @ S @ w - mu @ w        subject to   sum x = K.

The value is the loss that an investor accepts instead of the portfolio: its variance, priced in units of return by the
risk aversion, less its mean return; negative where the return is worth the risk. Since the weights add up to 1 it does
not grow with ``K``. It equals the form ``lam * x @ S @ x - mu @ x`` of much QAOA work times ``1 / K``, with
``lam = risk_aversion / K``.

Sources: H. Markowitz, J. Finance 7, 77 (1952); T.-J. Chang et al., Computers and Operations Research 27, 1271 (2000).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, model_validator

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import name_without_ending
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel
from qhybrid_pipelines.problems.family import (
    Family,
    FamilyReduction,
    Parser,
    PenalisedModel,
    SolverResult,
    Substitution,
)
from qhybrid_pipelines.problems.family_defaults import FamilyDefaults
from qhybrid_pipelines.problems.formats import asset_tables, orlib_port
from qhybrid_pipelines.problems.instance import Instance, Sense
from qhybrid_pipelines.problems.proofs import ObjectiveRounding
from qhybrid_pipelines.problems.quadratic import pair_sums
from qhybrid_pipelines.problems.solvers import portfolio as solvers
from qhybrid_pipelines.problems.solvers.choice import (
    I64,
    CardinalityProblem,
    fix_by_bound,
    most_promising_subset,
    smallest_exact_penalty,
)
from qhybrid_pipelines.problems.solvers.row_blocks import weighted_sums

if TYPE_CHECKING:
    import dimod

#: Penalty weight in units of the least that makes every minimum of the penalised form an optimum; see `penalised_model`.
PENALTY_FACTOR = 1.05

DEFAULT_RISK_AVERSION = 10.0
RISK_AVERSION = "Price of one unit of variance in units of return; 10 weighs both about equally on weekly returns."


class Options(StrictModel):
    """What a specification may say about a portfolio."""

    best_known: float | None = Field(default=None, description="Best known loss, where a source states one.")
    cardinality: int | None = Field(default=None, ge=1, description="Number of assets to hold, K; files need it.")
    risk_aversion: float = Field(default=DEFAULT_RISK_AVERSION, ge=0, description=RISK_AVERSION)


class FactorModel(StrictModel):
    """Parameters of `factor_model`: returns moved by common factors and by noise of each asset's own."""

    assets: int = Field(ge=1, le=500, description="Number of assets, n.")
    cardinality: int = Field(ge=1, description="Number of assets to hold, K.")
    factors: int = Field(default=3, ge=1, le=50, description="Number of common factors; the first is the market.")
    risk_aversion: float = Field(default=DEFAULT_RISK_AVERSION, ge=0, description=RISK_AVERSION)
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")

    @model_validator(mode="after")
    def _check_asset_count(self) -> FactorModel:
        if self.cardinality > self.assets:
            raise ValueError(f"{self.cardinality} assets are to be held, there are {self.assets}")
        return self


def make_instance(
    assets: orlib_port.Assets,
    *,
    cardinality: int | None,
    risk_aversion: float,
    name: str,
    source: str,
    best_known: float | None,
    assets_named: tuple[str, ...] | None = None,
) -> Instance:
    """Return the instance of ``K`` holdings among assets, which are counted from 1 where they have no names.

    Raises:
        InvalidInput: ``K`` is missing or above ``n``, or nothing tells the assets apart.
    """
    size = len(assets.means)
    if cardinality is None or cardinality > size:
        raise InvalidInput(
            "the number of assets to hold is missing"
            if cardinality is None
            else f"{cardinality} assets are to be held, there are {size}",
            remedy=f"Declare options.cardinality: 1 to {size}; it is part of the question and has no default.",
            field="problem.options.cardinality",
        )
    if not assets.means.any() and not (risk_aversion and assets.covariance.any()):
        raise InvalidInput("all returns and all risks are 0", remedy="Give assets that differ.", field="problem.source")
    return Instance(
        name=name,
        family="portfolio",
        variables=assets_named or tuple(f"asset{i}" for i in range(1, size + 1)),
        payload={
            "means": assets.means.tolist(),
            # One triangle, row by row with the diagonal: what is stored cannot be asymmetric.
            "covariance_upper": assets.covariance[np.triu_indices(size)].tolist(),
            "cardinality": cardinality,
            "risk_aversion": float(risk_aversion),
        },
        best_known=best_known,
        source=source,
    )


def factor_model(parameters: BaseModel) -> Instance:
    """Return assets like weekly returns of stocks: loadings on factors, noise of their own, mean 0.4 % +- 0.3 %.

    All assets load on the market with about 1, on the other factors with about 0 +- 1; the market moves by 2 % per
    period, the other factors by 1 %, each asset by itself by 1 % to 4 %.
    """
    assert isinstance(parameters, FactorModel)
    random = generator(parameters.seed, "portfolio", "factor_model")
    loadings = random.standard_normal((parameters.factors, parameters.assets)) * 0.01
    loadings[0] = 0.02 + 0.006 * random.standard_normal(parameters.assets)
    own = random.uniform(0.01, 0.04, size=parameters.assets)
    means = 0.004 + 0.003 * random.standard_normal(parameters.assets)
    # Factor by factor: a matrix product may round differently on another machine and so change the content hash.
    covariance = np.diag(own**2)
    for factor in loadings:
        covariance += np.outer(factor, factor)
    return make_instance(
        orlib_port.Assets(means=means, covariance=covariance),
        cardinality=parameters.cardinality,
        risk_aversion=parameters.risk_aversion,
        name="factor_model_n{assets}_k{cardinality}_f{factors}_s{seed}".format(**parameters.model_dump()),
        source="generator:factor_model",
        best_known=None,
    )


#: Reads text to the assets' names, where the format has any, and their moments.
_READERS: Mapping[str, Callable[[str, str], tuple[tuple[str, ...] | None, orlib_port.Assets]]] = MappingProxyType(
    {
        "orlib_port": lambda text, file: (None, orlib_port.read(text, file=file)),
        "returns_csv": lambda text, file: asset_tables.read_returns(text, file=file),
        "prices_csv": lambda text, file: asset_tables.read_prices(text, file=file),
        "moments_csv": lambda text, file: asset_tables.read_moments(text, file=file),
    }
)


def _parser(name: str) -> Parser:
    def parse(text: str, options: BaseModel, file: str) -> Instance:
        assert isinstance(options, Options)
        names, assets = _READERS[name](text, file)
        return make_instance(
            assets,
            assets_named=names,
            cardinality=options.cardinality,
            risk_aversion=options.risk_aversion,
            name=name_without_ending(file),
            source=f"file:{file}",
            best_known=options.best_known,
        )

    return parse


def _assets(instance: Instance) -> orlib_port.Assets:
    means = np.array(instance.payload["means"], dtype=np.float64)
    upper = np.zeros((len(means), len(means)))
    upper[np.triu_indices(len(means))] = instance.payload["covariance_upper"]
    return orlib_port.Assets(means=means, covariance=upper + np.triu(upper, k=1).T)


def _cardinality_problem(instance: Instance) -> CardinalityProblem:
    """Return the instance as a choice of ``K`` of ``n``, ``linear @ x + x @ matrix @ x``."""
    assets, cardinality = _assets(instance), instance.payload["cardinality"]
    return CardinalityProblem(
        linear=-assets.means / cardinality,
        matrix=assets.covariance * (instance.payload["risk_aversion"] / cardinality**2),
        chosen=cardinality,
    )


def _qubo(problem: CardinalityProblem) -> tuple[F64, npt.NDArray[np.int32], F64]:
    """Return ``(linear, pairs, quadratic)`` of the objective over 0 and 1; all pairs ``i < j``."""
    pairs = np.stack(np.triu_indices(problem.size, k=1), axis=1).astype(np.int32)
    return problem.linear + np.diag(problem.matrix), pairs, 2 * problem.matrix[pairs[:, 0], pairs[:, 1]]


class Portfolio(FamilyDefaults):
    """The family; see the module."""

    name = "portfolio"
    title = "Portfolio with a fixed number of holdings"
    sense: Sense = "min"
    unit = "risk-adjusted loss"
    answer_words = ("{name} is not held", "{name} is held")
    options: type[BaseModel] = Options
    parsers: Mapping[str, Parser] = MappingProxyType({name: _parser(name) for name in _READERS})
    file_suffixes: Mapping[str, str] = MappingProxyType({})
    generators: Mapping[str, tuple[type[BaseModel], Callable[[BaseModel], Instance]]] = MappingProxyType(
        {"factor_model": (FactorModel, factor_model)}
    )
    solver_name = "bounds_and_enumeration"
    may_fix_ones = True

    def model(self, instance: Instance) -> dimod.ConstrainedQuadraticModel:
        """Return: minimise the loss with ``sum x_i = K``."""
        import dimod

        problem, names = _cardinality_problem(instance), list(instance.variables)
        linear, pairs, quadratic = _qubo(problem)
        terms = (pairs[:, 0], pairs[:, 1], quadratic)
        loss = dimod.BinaryQuadraticModel.from_numpy_vectors(linear, terms, 0.0, dimod.BINARY, variable_order=names)
        model = dimod.ConstrainedQuadraticModel()  # type: ignore[no-untyped-call]
        model.set_objective(loss)
        model.add_constraint_from_iterable([(name, 1) for name in names], "==", problem.chosen, label="cardinality")
        return model

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return ``loss + A * (sum x - K)^2``, with ``A`` just above what keeps every minimum at ``K`` assets.

        Where ``smallest_exact_penalty`` is 0 or close to it, the assets ask for ``K`` by themselves; a visible weight, 5 % of the
        largest linear term, then does no harm.
        """
        problem = _cardinality_problem(instance)
        linear, pairs, quadratic = _qubo(problem)
        penalty = PENALTY_FACTOR * max(smallest_exact_penalty(problem), 0.05 * float(np.abs(linear).max()))
        model = IsingModel.from_qubo(
            linear + penalty * (1 - 2 * problem.chosen), pairs, quadratic + 2 * penalty, penalty * problem.chosen**2
        )
        return PenalisedModel(model=model, penalty_weight=penalty, sign=1)

    def objective(self, instance: Instance, assignments: U8) -> F64:
        """Return the loss of each row by the formula of the module, whatever number of assets it holds."""
        linear, pairs, quadratic = _qubo(_cardinality_problem(instance))
        return weighted_sums(linear, assignments) + pair_sums(assignments, pairs, quadratic)

    def feasible(self, instance: Instance, assignments: U8) -> npt.NDArray[np.bool_]:
        """Return which rows hold ``K`` assets."""
        return np.asarray(assignments.sum(axis=1, dtype=np.int64) == instance.payload["cardinality"])

    def violation(self, instance: Instance, assignment: U8) -> str:
        """Return how many assets are held and how many should be; empty when they agree."""
        held, wanted = int(assignment.sum(dtype=np.int64)), instance.payload["cardinality"]
        return "" if held == wanted else f"cardinality: {held} assets held instead of {wanted} ({held - wanted:+d})"

    def repair(self, instance: Instance, assignments: U8) -> U8:
        """Return rows that hold ``K`` assets, one exchanged at a time for the least loss; see ``repair_cardinality``."""
        return solvers.repair_cardinality(_cardinality_problem(instance), assignments)

    def cardinality(self, instance: Instance) -> int | None:
        """Return ``K``."""
        return int(instance.payload["cardinality"])

    def reductions(self, instance: Instance, max_qubits: int) -> list[FamilyReduction]:
        """Return what bounds prove about every optimum, then a subproblem of assets around the incumbent.

        The first needs an incumbent, which the family's own swap search gives; the second is a heuristic and only
        there where the first leaves more than ``max_qubits`` assets.
        """
        problem = _cardinality_problem(instance)
        incumbent, _ = solvers.swap_search(problem, seed=0)
        ones, zeros = fix_by_bound(problem, problem.value(incumbent))
        found = [_family_reduction("reduced_cost", ones, zeros, exact=True)]
        free = np.setdiff1d(np.arange(problem.size), np.concatenate([ones, zeros]))
        if len(free) > max_qubits:
            chosen, left_out = most_promising_subset(problem.subproblem(ones, free), incumbent[free], max_qubits)
            found.append(_family_reduction("box_relaxation", free[chosen], free[left_out], exact=False))
        return [reduction for reduction in found if reduction.substitutions]

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:
        """Return what values and bounds of the choice are rounded by."""
        return ObjectiveRounding(error=_cardinality_problem(instance).rounding)

    def greedy(self, instance: Instance, seed: int) -> U8:
        """Return ``K`` assets, each in turn the one that adds least to the loss."""
        return solvers.greedy_portfolio(_cardinality_problem(instance), seed)

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Return the best by swap search, bounds and enumeration; see ``solvers.solve``."""
        return solvers.solve(_cardinality_problem(instance), seed)

    def features(self, instance: Instance) -> dict[str, float]:
        """Return sizes, moments of the returns, and how large the choice is."""
        assets, chosen = _assets(instance), instance.payload["cardinality"]
        variances, eigenvalues = np.diag(assets.covariance), np.linalg.eigvalsh(assets.covariance)
        return {
            "assets": float(instance.size),
            "cardinality": float(chosen),
            "risk_aversion": instance.payload["risk_aversion"],
            "log10_choices": math.log10(math.comb(instance.size, chosen)),
            "mean_return_mean": float(assets.means.mean()),
            "deviation_mean": float(np.sqrt(variances).mean()),
            "share_of_largest_factor": float(eigenvalues[-1] / variances.sum()) if variances.any() else 0.0,
            "penalty_weight": self.penalised_model(instance).penalty_weight,
        }


def _family_reduction(step_name: str, ones: I64, zeros: I64, *, exact: bool) -> FamilyReduction:
    fixed = [(v, 1) for v in ones.tolist()] + [(v, 0) for v in zeros.tolist()]
    return FamilyReduction(
        step_name=step_name,
        exact=exact,
        substitutions=tuple(Substitution(variable=v, constant=x) for v, x in sorted(fixed)),
        note=f"{len(ones)} held, {len(zeros)} left out",
    )


FAMILY: Family = Portfolio()
