"""Binary programme: minimise a quadratic function of variables that are 0 or 1, such that linear constraints hold.

What planners write for CPLEX, Gurobi or SCIP, as long as all variables are binary. The objective is always minimised: a maximum in
a file is negated. An inequality of more than two variables gets slack bits, ``slack of c1: 4`` for "four units of c1 are left
over"; each is one more qubit, and a row whose slack bits say something else than what is left counts as infeasible. Repair sets them.

One constraint that says how many of all variables are 1 becomes a cardinality: the ring mixer keeps it without a penalty.

Sources: F. Glover, G. Kochenberger, Y. Du, 4OR 17, 335 (2019); `solvers.linear_rules` names those of the penalties.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
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
from qhybrid_pipelines.problems.family import BinaryParser, Family, Parser, PenalisedModel, SolverResult
from qhybrid_pipelines.problems.family_defaults import FamilyDefaults
from qhybrid_pipelines.problems.formats import dimod_cqm, lp, mps
from qhybrid_pipelines.problems.instance import Instance, Sense
from qhybrid_pipelines.problems.linear_constraints import BinaryProgram, Relation, make_linear_constraint
from qhybrid_pipelines.problems.proofs import ObjectiveRounding, rounding_of_sums
from qhybrid_pipelines.problems.quadratic import QuadraticForm, make_quadratic_form
from qhybrid_pipelines.problems.solvers import binary_program
from qhybrid_pipelines.problems.solvers.linear_rules import LinearRules, Rule, make_rules, neighbours

if TYPE_CHECKING:
    import dimod

#: Penalty of a broken rule in units of the most that breaking it can win; above 1 is enough, a fraction that float64 holds.
PENALTY_FACTOR = 1 + 1 / 16

#: Most variables with slack bits, and most products of two of them.
MAX_SIZE = 5_000
MAX_PRODUCTS = 400_000


class Options(StrictModel):
    """What a specification may say about a binary programme."""

    best_known: float | None = Field(
        default=None, description="Least known value of the objective as it is minimised, where a source states one."
    )


class Random(StrictModel):
    """Parameters of `random`: whole numbers, and constraints that a hidden assignment keeps."""

    variables: int = Field(ge=1, le=500, description="Number of variables, without slack bits.")
    constraints: int = Field(ge=1, le=200, description="Number of constraints, of at most four variables each.")
    density: float = Field(default=0.5, gt=0, le=1, description="Probability that a product is in the objective.")
    equalities: bool = Field(default=False, description="Whether the constraints are equalities.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")


def make_instance(program: BinaryProgram, *, name: str, source: str, best_known: float | None) -> Instance:
    """Return the instance of a programme.

    Raises:
        InvalidInput: there is nothing to minimise or to keep, the constraints contradict each other, or the numbers are too
            many or too large.
    """
    form = program.objective
    own = len(form.names)
    rules = make_rules(own, program.constraints)
    if not rules.rules and not program.constraints:
        raise InvalidInput(
            "the file has no constraints",
            remedy="Take family qubo, which minimises such a function directly.",
            field="problem.family",
        )
    products = rules.number_of_products() + len(form.pairs)
    if rules.size > MAX_SIZE or products > MAX_PRODUCTS:
        raise InvalidInput(
            f"the programme needs {rules.size:,} variables, {len(rules.slack)} of them slack bits, and up to {products:,} products",
            remedy=f"At most {MAX_SIZE:,} variables and {MAX_PRODUCTS:,} products are supported; take a smaller one.",
            field="problem.source",
        )
    with np.errstate(over="ignore"):
        total = np.abs(form.linear).sum() + np.abs(form.quadratic).sum() + abs(form.offset)
    if not np.isfinite(total):
        raise InvalidInput("the sum of the coefficients overflows", remedy="Scale them.", field="problem.source")
    instance = Instance(
        name=name,
        family="binary_program",
        variables=(*form.names, *rules.slack_names(form.names)),
        payload={
            "linear": (form.linear + 0.0).tolist(),  # -0.0 becomes 0.0: one value, one hash
            "pairs": form.pairs.tolist(),
            "quadratic": form.quadratic.tolist(),
            "offset": form.offset + 0.0,
            "rules": [
                {
                    "name": rule.name,
                    "places": list(rule.places),
                    "weights": list(rule.weights),
                    "bound": rule.bound,
                    "equal": rule.equal,
                    "slack": list(rule.slack_weights),
                }
                for rule in rules.rules
            ],
            **({"negated": True} if form.negated else {}),
        },
        best_known=best_known,
        source=source,
    )
    _fallback(instance)  # raises where there is none
    return instance


def random_program(parameters: BaseModel) -> Instance:
    """Return a random instance; nothing is known about its optimum."""
    assert isinstance(parameters, Random)
    size = parameters.variables
    random = generator(parameters.seed, "binary_program", "random")
    hidden = random.integers(0, 2, size=size)
    i, j = np.triu_indices(size)
    there = (random.random(len(i)) < parameters.density) | (i == j)
    values = (random.integers(1, 11, size=len(i)) * random.choice([-1, 1], size=len(i))).astype(np.float64)
    entries = zip(i[there].tolist(), j[there].tolist(), values[there].tolist(), strict=True)
    names = [f"x{place}" for place in range(1, size + 1)]
    form = make_quadratic_form(names, entries, offdiagonal_factor=1.0)
    constraints = []
    for number in range(1, parameters.constraints + 1):
        places = np.sort(random.choice(size, size=min(size, 4), replace=False))
        weights = random.integers(1, 6, size=len(places)) * random.choice([1, 1, 1, -1], size=len(places))
        reached = int(weights @ hidden[places])
        room = 0 if parameters.equalities else int(random.integers(0, 3))
        terms = list(zip(places.tolist(), weights.astype(float).tolist(), strict=True))
        relation: Relation = "==" if parameters.equalities else "<="
        constraints.append(make_linear_constraint(f"c{number}", terms, relation, float(reached + room)))
    kind = "eq" if parameters.equalities else "le"
    return make_instance(
        BinaryProgram(objective=form, constraints=tuple(constraints)),
        name=f"random-n{size}-{kind}{parameters.constraints}-p{parameters.density:g}-s{parameters.seed}",
        source="generator:random",
        best_known=None,
    )


def _declared(options: BaseModel) -> Options:
    assert isinstance(options, Options)
    return options


def _from_program(program: BinaryProgram, options: BaseModel, file: str) -> Instance:
    return make_instance(
        program,
        name=name_without_ending(file),
        source=f"file:{file}",
        best_known=_declared(options).best_known,
    )


def _parser(reader: Callable[..., BinaryProgram]) -> Parser:
    return lambda text, options, file: _from_program(reader(text, file=file), options, file)


def _cqm(content: bytes, options: BaseModel, file: str) -> Instance:
    return _from_program(dimod_cqm.read_program(content, file=file), options, file)


@lru_cache(maxsize=16)
def _parts_of(canonical: str) -> tuple[QuadraticForm, LinearRules]:
    payload = json.loads(canonical)
    own = len(payload["linear"])
    form = QuadraticForm(
        names=tuple(map(str, range(own))),
        linear=np.array(payload["linear"], dtype=np.float64),
        pairs=np.array(payload["pairs"], dtype=np.int32).reshape(-1, 2),
        quadratic=np.array(payload["quadratic"], dtype=np.float64),
        offset=float(payload["offset"]),
    )
    rules = tuple(
        Rule(
            name=rule["name"],
            places=tuple(rule["places"]),
            weights=tuple(rule["weights"]),
            bound=rule["bound"],
            equal=rule["equal"],
        )
        for rule in payload["rules"]
    )
    return form, LinearRules(own=own, rules=rules)


def _parts(instance: Instance) -> tuple[QuadraticForm, LinearRules]:
    return _parts_of(instance.canonical)


@lru_cache(maxsize=16)
def _fallback_of(canonical: str) -> binary_program.Found:
    form, rules = _parts_of(canonical)
    return binary_program.prove(form, rules, seed=0, hint=None, feasibility_only=True)


def _fallback(instance: Instance) -> U8:
    """Return own values that keep all rules, ``(own,)``.

    Raises:
        InvalidInput: none were found, proved or not.
    """
    found = _fallback_of(instance.canonical)
    if found.assignment is not None:
        return found.assignment
    raise InvalidInput(
        "the constraints contradict each other: no assignment satisfies all of them"
        if found.impossible
        else "no assignment that satisfies all constraints was found",
        remedy="Loosen some of them, or move them into the objective at a price."
        if found.impossible
        else "Loosen some of them; where feasibility is the whole question, take family market_split.",
        field="problem.source",
    )


class ConstrainedBinaryProgram(FamilyDefaults):
    """The family; see the module."""

    name = "binary_program"
    title = "Quadratic binary programme with linear constraints"
    sense: Sense = "min"
    unit = "objective"
    answer_words = ("{name} = 0", "{name} = 1")
    options: type[BaseModel] = Options
    parsers: Mapping[str, Parser] = MappingProxyType({"lp": _parser(lp.read_program), "mps": _parser(mps.read_program)})
    binary_parsers: Mapping[str, BinaryParser] = MappingProxyType({"dimod_cqm": _cqm})
    file_suffixes: Mapping[str, str] = MappingProxyType({".lp": "lp", ".mps": "mps", ".cqm": "dimod_cqm"})
    native_suffixes: frozenset[str] = frozenset({".mps", ".cqm"})
    generators: Mapping[str, tuple[type[BaseModel], Callable[[BaseModel], Instance]]] = MappingProxyType(
        {"random": (Random, random_program)}
    )
    solver_name = "cp_sat"
    may_fix_ones = True

    def model(self, instance: Instance) -> dimod.ConstrainedQuadraticModel:
        """Return: minimise the objective; every rule, with its slack bits as an equality."""
        import dimod

        form, rules = _parts(instance)
        names = instance.variables
        objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
            np.concatenate([form.linear, np.zeros(len(rules.slack))]),
            (form.pairs[:, 0], form.pairs[:, 1], form.quadratic),
            form.offset,
            dimod.BINARY,
            variable_order=names,
        )
        model = dimod.ConstrainedQuadraticModel()  # type: ignore[no-untyped-call]
        model.set_objective(objective)
        column = rules.own
        for index, rule in enumerate(rules.rules):
            terms = [(names[place], weight) for place, weight in zip(rule.places, rule.weights, strict=True)]
            for weight in rule.slack_weights:
                terms.append((names[column], weight))
                column += 1
            relation = "==" if rule.equal or rule.slack_weights else "<="
            model.add_constraint_from_iterable(terms, relation, rule.bound, label=f"{index}: {rule.name}")
        return model

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return the objective with a penalty for each broken rule.

        A broken rule costs at least one penalty, which is more than lies between the least and the greatest value that the
        objective could have if every term were chosen for itself: every minimum keeps all rules.
        """
        form, rules = _parts(instance)
        terms = np.concatenate([form.linear, form.quadratic])
        penalty = PENALTY_FACTOR * float(np.abs(terms).sum()) or 1.0
        model = IsingModel.from_qubo(*binary_program.penalised(form, rules, penalty))
        return PenalisedModel(model=model, penalty_weight=penalty if rules.rules else 0.0, sign=1)

    def objective(self, instance: Instance, assignments: U8) -> F64:
        """Return the objective of each row, whether it keeps the rules or not."""
        form, rules = _parts(instance)
        return binary_program.values(form, np.ascontiguousarray(assignments[:, : rules.own]))

    def feasible(self, instance: Instance, assignments: U8) -> npt.NDArray[np.bool_]:
        """Return which rows keep every rule and whose slack bits say what is left."""
        return _parts(instance)[1].holds(assignments)

    def violation(self, instance: Instance, assignment: U8) -> str:
        """Return the first broken rule and by how much, in whole numbers; empty when feasible."""
        _, rules = _parts(instance)
        slack = rules.slack_matrix @ assignment[rules.own :].astype(np.int64)
        reached = rules.weights @ assignment[: rules.own].astype(np.int64)
        for rule, value, left in zip(rules.rules, reached.tolist(), slack.tolist(), strict=True):
            if rule.equal and value != rule.bound:
                return f"{rule.name}: {value} instead of {rule.bound}"
            if value > rule.bound:
                return f"{rule.name}: {value} instead of at most {rule.bound}"
            if rule.slack_weights and value + left != rule.bound:
                return f"{rule.name}: {rule.bound - value} are left over, and the slack bits say {left}"
        return ""

    def repair(self, instance: Instance, assignments: U8) -> U8:
        """Return rows whose own values keep the rules, flip by flip, with slack bits that say what is left."""
        _, rules = _parts(instance)
        repaired = assignments.copy()
        broken = np.flatnonzero(~rules.holds(assignments))
        own = rules.repaired(np.ascontiguousarray(assignments[broken, : rules.own]), _fallback(instance))
        repaired[broken] = rules.with_slack(own)
        return repaired

    def cardinality(self, instance: Instance) -> int | None:
        """Return how many variables are 1 where one equality of equal weights over all of them is the only rule."""
        _, rules = _parts(instance)
        if len(rules.rules) != 1:
            return None
        [rule] = rules.rules
        over_all = len(rule.places) == rules.own == rules.size
        return abs(rule.bound) if rule.equal and over_all and len(set(rule.weights)) == 1 else None

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:
        """Return the rounding of sums of the objective's coefficients."""
        form, _ = _parts(instance)
        return rounding_of_sums(np.concatenate([form.linear, form.quadratic, [form.offset]]))

    def subproblem(self, instance: Instance, incumbent: U8, size: int, rng: np.random.Generator) -> list[int] | None:
        """Return variables that share rules or products, each with the slack bits of all its rules."""
        form, rules = _parts(instance)
        if not rules.slack or not self.feasible(instance, incumbent[None])[0]:
            return None
        bits: list[set[int]] = [set() for _ in range(rules.own)]
        for column, (index, _) in enumerate(rules.slack, start=rules.own):
            for place in rules.rules[index].places:
                bits[place].add(column)
        near = neighbours(rules, form.pairs)
        chosen: set[int] = set()
        waiting = [int(rng.integers(rules.own))]
        seen = set(waiting)
        while waiting and len(chosen) < size:
            place = waiting.pop(0)
            if len(chosen | {place} | bits[place]) <= size:
                chosen |= {place} | bits[place]
            following = sorted(near[place] - seen)
            waiting += [following[k] for k in rng.permutation(len(following))]
            seen.update(following)
        return sorted(chosen) or None

    def greedy(self, instance: Instance, seed: int) -> U8:  # noqa: ARG002 - the rule knows no chance
        """Return where descent ends that keeps all rules, from nothing chosen and repaired."""
        form, rules = _parts(instance)
        start = rules.repaired(np.zeros((1, rules.own), dtype=np.uint8), _fallback(instance))[0]
        own = binary_program.descend(form, rules, start)
        placed: U8 = rules.with_slack(own[None])[0]
        return placed

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Run CP-SAT from the greedy answer, with a deterministic limit of work."""
        form, rules = _parts(instance)
        start = self.greedy(instance, seed)
        found = binary_program.prove(form, rules, seed=seed, hint=start[: rules.own], feasibility_only=False)
        if found.assignment is None:
            return SolverResult(assignment=start, optimal=False, bound=None, evaluations=found.branches)
        both = np.stack([start[: rules.own], found.assignment])
        best = both[[int(binary_program.values(form, both).argmin())]]
        return SolverResult(
            assignment=rules.with_slack(best)[0],
            optimal=found.optimal,
            bound=found.bound,
            evaluations=found.branches,
        )

    def features(self, instance: Instance) -> dict[str, float]:
        """Return sizes, densities and how tight the rules are."""
        form, rules = _parts(instance)
        sizes = np.abs(np.concatenate([form.linear[form.linear != 0], form.quadratic]))
        lengths = [len(rule.places) for rule in rules.rules]
        own = rules.own
        return {
            "variables": float(own),
            "slack_bits": float(len(rules.slack)),
            "constraints": float(len(rules.rules)),
            "equalities": float(sum(rule.equal for rule in rules.rules)),
            "constraint_length_mean": float(np.mean(lengths)) if lengths else 0.0,
            "density": 2 * len(form.pairs) / (own * (own - 1)) if own > 1 else 0.0,
            "coefficient_max": float(sizes.max()) if len(sizes) else 0.0,
            "penalty_weight": self.penalised_model(instance).penalty_weight,
        }


FAMILY: Family = ConstrainedBinaryProgram()
