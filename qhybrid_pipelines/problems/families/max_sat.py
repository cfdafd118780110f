"""Maximum satisfiability: values for variables that falsify clauses of the least total weight, and no hard clause.

Configurations, timetables and diagnoses are written in this form where rules may be broken at a price. The objective is the weight
of the falsified soft clauses, as in the MaxSAT evaluations; weights are whole numbers, and every sum of them is exact. Clauses of
more than two literals get helper variables, ``x1|~x2`` for "x1 or not x2"; each is one more qubit, and a row whose helpers say
something else than they stand for counts as infeasible. Repair sets them.

Sources: the field's survey, C. M. Li, F. Manyà, "MaxSAT, Hard and Soft Constraints", Handbook of Satisfiability (2009);
formulation for quantum annealers: Z. Bian et al., Information and Computation 275, 104609 (2020).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, model_validator

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import name_without_ending
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel
from qhybrid_pipelines.problems.family import Family, FamilyReduction, Parser, PenalisedModel, SolverResult
from qhybrid_pipelines.problems.family_defaults import FamilyDefaults
from qhybrid_pipelines.problems.formats import cnf
from qhybrid_pipelines.problems.instance import Instance, Sense
from qhybrid_pipelines.problems.proofs import ObjectiveRounding
from qhybrid_pipelines.problems.solvers import clauses
from qhybrid_pipelines.problems.solvers.clauses import ShortClauses

if TYPE_CHECKING:
    import dimod

#: Penalty of a helper in units of the weight that rests on it, where above 1 is enough; a fraction that float64 holds.
PENALTY_FACTOR = 1 + 1 / 16

#: Largest total weight: it, its penalties and their quarters in the Ising form stay exact in float64.
MAX_TOTAL_WEIGHT = 2**36

#: Most variables with helpers.
MAX_SIZE = 5_000


class Options(StrictModel):
    """What a specification may say about a formula."""

    best_known: float | None = Field(
        default=None, description="Least known weight of falsified soft clauses, where a source states one."
    )


class Random(StrictModel):
    """Parameters of `random`: clauses drawn evenly, hard ones among those that a hidden assignment satisfies."""

    variables: int = Field(ge=1, le=1_000, description="Number of variables, without helpers.")
    clauses: int = Field(ge=1, le=5_000, description="Number of soft clauses.")
    literals: int = Field(default=3, ge=1, le=10, description="Literals of each clause; above 2 helpers are needed.")
    hard: int = Field(default=0, ge=0, le=5_000, description="Number of hard clauses, satisfiable together.")
    weighted: bool = Field(default=False, description="Weights from 1 to 10 instead of 1.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")

    @model_validator(mode="after")
    def _check_literals(self) -> Random:
        if self.literals > self.variables:
            raise ValueError(f"a clause has {self.literals} literals, and there are {self.variables} variables")
        return self


def make_instance(formula: cnf.Formula, *, name: str, source: str, best_known: float | None) -> Instance:
    """Return the instance of a formula; equal soft clauses become one with the sum of their weights.

    Raises:
        InvalidInput: no clause costs anything, weights are so large that sums are not exact, there are too many variables, or
            no assignment that satisfies all hard clauses was found.
    """
    weights: dict[cnf.Clause, int] = {}
    for weight, clause in formula.soft:
        weights[clause] = weights.get(clause, 0) + weight
    if not weights:
        raise InvalidInput(
            "there is no soft clause that an assignment could falsify",
            remedy="Give some: hard clauses alone leave nothing to choose between, and ask for a SAT solver.",
            field="problem.source",
        )
    if sum(weights.values()) > MAX_TOTAL_WEIGHT:
        raise InvalidInput(
            f"the weights add up to {sum(weights.values())}, and sums above {MAX_TOTAL_WEIGHT} are not exact here",
            remedy="Divide the weights by a common factor.",
            field="problem.source",
        )
    hard = sorted(set(formula.hard))
    soft = sorted((clause, weight) for clause, weight in weights.items())
    short = clauses.shorten(formula.size, hard, [(weight, clause) for clause, weight in soft])
    if short.total_size > MAX_SIZE:
        raise InvalidInput(
            f"the formula needs {short.total_size} variables, {len(short.helpers)} of them for clauses of more than two "
            f"literals, and at most {MAX_SIZE} are supported",
            remedy="Take a smaller formula, or shorter clauses.",
            field="problem.source",
        )
    instance = Instance(
        name=name,
        family="max_sat",
        variables=_variable_names(short),
        payload={
            "variables": formula.size,
            "helpers": [list(pair) for pair in short.helpers],
            "hard": [list(clause) for clause in short.hard],
            "soft": [[weight, list(clause)] for weight, clause in short.soft],
        },
        best_known=best_known,
        source=source,
    )
    if hard and _allowed_values(instance) is None:
        raise InvalidInput(
            "no assignment that satisfies all hard clauses was found",
            remedy="Give some of them a weight, so that they may be falsified; a SAT solver can say which contradict each other.",
            field="problem.source",
        )
    return instance


def _variable_names(short: ShortClauses) -> tuple[str, ...]:
    names = [f"x{v}" for v in range(1, short.size + 1)]
    for pair in short.helpers:
        names.append("|".join(_literal_name(literal, names) for literal in pair))
    return tuple(names)


def _literal_name(literal: int, names: list[str]) -> str:
    name = names[abs(literal) - 1]
    bracketed = f"({name})" if "|" in name else name
    return bracketed if literal > 0 else f"~{bracketed}"


def random_formula(parameters: BaseModel) -> Instance:
    """Return a random instance; nothing is known about its optimum."""
    assert isinstance(parameters, Random)
    random = generator(parameters.seed, "max_sat", "random")
    hidden = random.integers(0, 2, size=parameters.variables)

    def draw() -> cnf.Clause:
        places = np.sort(random.choice(parameters.variables, size=parameters.literals, replace=False))
        signs = random.integers(0, 2, size=parameters.literals)
        return tuple(int(place + 1) if sign else -int(place + 1) for place, sign in zip(places, signs, strict=True))

    hard: list[cnf.Clause] = []
    while len(hard) < parameters.hard:
        clause = draw()
        if any(hidden[abs(literal) - 1] == (literal > 0) for literal in clause):
            hard.append(clause)
    soft = [(int(random.integers(1, 11)) if parameters.weighted else 1, draw()) for _ in range(parameters.clauses)]
    return make_instance(
        cnf.Formula(size=parameters.variables, hard=tuple(hard), soft=tuple(soft)),
        name="random-n{variables}-m{clauses}-k{literals}-h{hard}-w{weighted:d}-s{seed}".format(
            **parameters.model_dump()
        ),
        source="generator:random",
        best_known=None,
    )


def _parser(reader: Callable[..., cnf.Formula]) -> Parser:
    def parse(text: str, options: BaseModel, file: str) -> Instance:
        assert isinstance(options, Options)
        return make_instance(
            reader(text, file=file),
            name=name_without_ending(file),
            source=f"file:{file}",
            best_known=options.best_known,
        )

    return parse


@lru_cache(maxsize=16)
def _short_of(canonical: str) -> ShortClauses:
    payload = json.loads(canonical)
    return ShortClauses(
        size=payload["variables"],
        helpers=tuple((a, b) for a, b in payload["helpers"]),
        hard=tuple(tuple(clause) for clause in payload["hard"]),
        soft=tuple((weight, tuple(clause)) for weight, clause in payload["soft"]),
    )


@lru_cache(maxsize=16)
def _allowed_of(canonical: str) -> U8 | None:
    short = _short_of(canonical)
    found = clauses.cp_sat(short.size, short.own_hard, [], seed=0)
    return None if found is None else found.assignment


def _short(instance: Instance) -> ShortClauses:
    return _short_of(instance.canonical)


def _allowed_values(instance: Instance) -> U8 | None:
    """Return values of the formula's own variables that satisfy its hard clauses, or None where none were found."""
    return _allowed_of(instance.canonical)


def _penalties(short: ShortClauses) -> tuple[float, float]:
    """Return the penalty of a helper that disagrees, and of a falsified hard clause, a whole multiple of it.

    A helper hides at most the weight that rests on it, so more than that is enough. A hard clause has to cost more than the
    optimum, which is at most the total weight.
    """
    total = float(short.weights.sum())
    if not short.helpers:
        return PENALTY_FACTOR * total, PENALTY_FACTOR * total
    helper = PENALTY_FACTOR * float(short.helper_weight.max())
    return helper, helper * -(-PENALTY_FACTOR * total // helper)


class MaxSat(FamilyDefaults):
    """The family; see the module."""

    name = "max_sat"
    title = "Maximum satisfiability (rules that may be broken at a price)"
    sense: Sense = "min"
    unit = "falsified weight"
    answer_words = ("{name} is false", "{name} is true")
    options: type[BaseModel] = Options
    parsers: Mapping[str, Parser] = MappingProxyType(
        {"dimacs_cnf": _parser(cnf.read_cnf), "wcnf": _parser(cnf.read_wcnf)}
    )
    file_suffixes: Mapping[str, str] = MappingProxyType({".cnf": "dimacs_cnf", ".wcnf": "wcnf"})
    native_suffixes: frozenset[str] = frozenset({".cnf", ".wcnf"})
    generators: Mapping[str, tuple[type[BaseModel], Callable[[BaseModel], Instance]]] = MappingProxyType(
        {"random": (Random, random_formula)}
    )
    solver_name = "cp_sat"

    def model(self, instance: Instance) -> dimod.ConstrainedQuadraticModel:
        """Return: minimise the falsified weight, with the hard clauses and what helpers stand for as constraints."""
        import dimod

        short, names = _short(instance), instance.variables
        model = dimod.ConstrainedQuadraticModel()  # type: ignore[no-untyped-call]
        linear, pairs, quadratic, offset = clauses.penalised(short, helper_penalty=0.0, hard_penalty=0.0).to_qubo()
        model.set_objective(
            dimod.BinaryQuadraticModel.from_numpy_vectors(
                linear, (pairs[:, 0], pairs[:, 1], quadratic), offset, dimod.BINARY, variable_order=list(names)
            )
        )

        def at_least_one(literals: cnf.Clause, label: str) -> None:
            terms = [(names[abs(end) - 1], 1 if end > 0 else -1) for end in literals]
            model.add_constraint_from_iterable(terms, ">=", 1 - sum(end < 0 for end in literals), label=label)

        for number, clause in enumerate(short.hard):
            at_least_one(clause, f"hard_{number}")
        for literal, (a, b) in enumerate(short.helpers, start=short.size + 1):
            at_least_one((a, b, -literal), f"helper_{literal}")
            at_least_one((-a, literal), f"helper_{literal}_first")
            at_least_one((-b, literal), f"helper_{literal}_second")
        return model

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return the falsified weight with penalties for helpers and hard clauses; every minimum is an optimum."""
        short = _short(instance)
        helper, hard = _penalties(short)
        model = clauses.penalised(short, helper_penalty=helper, hard_penalty=hard)
        constrained = bool(short.helpers or short.hard)
        return PenalisedModel(model=model, penalty_weight=helper if constrained else 0.0, sign=1)

    def objective(self, instance: Instance, assignments: U8) -> F64:
        """Return the weight of the falsified soft clauses of each row, helpers taken at their word."""
        return clauses.falsified_weight(_short(instance), assignments)

    def feasible(self, instance: Instance, assignments: U8) -> npt.NDArray[np.bool_]:
        """Return which rows satisfy every hard clause and have helpers that say what they stand for."""
        return clauses.is_allowed(_short(instance), assignments)

    def violation(self, instance: Instance, assignment: U8) -> str:
        """Return the first falsified hard clause, or else the first helper that disagrees; empty without any."""
        short, names = _short(instance), list(instance.variables)
        broken = np.flatnonzero(clauses.falsified(short.hard, assignment[None])[0])
        if len(broken):
            words = " or ".join(_literal_name(literal, names) for literal in short.hard[broken[0]])
            return f"hard clause: {words} does not hold; {len(broken)} in all"
        wrong = np.flatnonzero(clauses.set_helpers(short, assignment[None])[0] != assignment)
        if not len(wrong):
            return ""
        return f"helper: {names[wrong[0]]} is not {assignment[wrong[0]]}; {len(wrong)} in all"

    def repair(self, instance: Instance, assignments: U8) -> U8:
        """Return rows with helpers set and hard clauses satisfied, variable by variable; see ``clauses.repair``."""
        wrong = ~self.feasible(instance, assignments)
        repaired = assignments.copy()
        repaired[wrong] = clauses.repair(_short(instance), assignments[wrong], _allowed_values(instance))
        return repaired

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:  # noqa: ARG002 - the same for all
        """Return that there is none: every value is a whole number, at most ``MAX_TOTAL_WEIGHT``."""
        return ObjectiveRounding(error=0.0, step=1.0)

    def reductions(self, instance: Instance, max_qubits: int) -> list[FamilyReduction]:  # noqa: ARG002 - all are exact
        """Return the values that unit and pure literals give, and the helpers that follow from them."""
        short = _short(instance)
        return clauses.reductions(short, clauses.fixed_by_rules(short.size, short.own_hard, short.own_soft))

    def greedy(self, instance: Instance, seed: int) -> U8:
        """Return the assignment of Johnson's rule, repaired where it falsifies a hard clause."""
        short = _short(instance)
        return self._with_helpers(instance, clauses.johnson(short.size, short.own_hard, short.own_soft, seed))

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Run CP-SAT on the clauses as they were given, with a deterministic limit of work."""
        start, short = self.greedy(instance, seed), _short(instance)
        found = clauses.cp_sat(short.size, short.own_hard, short.own_soft, seed, hint=start[: short.size].tolist())
        if found is None:
            return SolverResult(assignment=start, optimal=False, bound=None, evaluations=None)
        return SolverResult(
            assignment=self._with_helpers(instance, found.assignment),
            optimal=found.optimal,
            bound=found.bound,
            evaluations=found.evaluations,
        )

    def _with_helpers(self, instance: Instance, values: U8) -> U8:
        """Return the feasible assignment ``(n,)`` that values of the formula's own variables make."""
        row = np.zeros((1, instance.size), dtype=np.uint8)
        row[0, : len(values)] = values
        repaired: U8 = clauses.repair(_short(instance), row, _allowed_values(instance))[0]
        return repaired

    def features(self, instance: Instance) -> dict[str, float]:
        """Return sizes, lengths of clauses, weights, and what the penalised form makes of them."""
        short = _short(instance)
        size, hard, weights = short.size, short.own_hard, short.weights
        lengths = np.array([len(clause) for clause in (*hard, *(clause for _, clause in short.own_soft))])
        return {
            "formula_variables": float(size),
            "helpers": float(instance.size - size),
            "hard_clauses": float(len(hard)),
            "soft_clauses": float(len(short.soft)),
            "clauses_per_variable": float(len(lengths) / size),
            "literals_mean": float(lengths.mean()),
            "literals_max": float(lengths.max()),
            "weight_total": float(weights.sum()),
            "weight_ratio": float(weights.max() / weights.min()),
            "penalty_weight": self.penalised_model(instance).penalty_weight,
        }


FAMILY: Family = MaxSat()
