"""Clauses of any length as clauses of at most two literals, and what is done with them: greedy, repair, fixing, CP-SAT.

A literal is ``v`` where variable ``v`` (from 1) has to be 1, and ``-v`` where it has to be 0. A clause is falsified where all its
literals are false; for two literals that is a product of two, for more it is not quadratic. There a *helper* variable stands for
"one of these two is true" in place of both, as often as it takes.

Source of the substitution and its penalty: I. G. Rosenberg, Cahiers du Centre d'Etudes de Recherche Operationnelle 17, 71 (1975).
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.seeds import derive_seed_31bit, generator
from qhybrid_pipelines.problems.family import FamilyReduction, SolverResult, Substitution
from qhybrid_pipelines.problems.solvers.cp_sat_solver import repeatable_solver
from qhybrid_pipelines.problems.solvers.row_blocks import apply_in_blocks

Clause = tuple[int, ...]

#: CP-SAT's own unit of work, close to a second; the same on every machine, unlike the clock.
MAX_DETERMINISTIC_TIME = 5.0


@dataclass(frozen=True, kw_only=True)
class ShortClauses:
    """A formula whose clauses have one or two literals, after long ones were split.

    Attributes:
        size: number of the formula's own variables; helpers follow them.
        helpers: the two literals that each helper stands for, in an order in which a helper only needs those before it.
        hard: clauses that have to be satisfied.
        soft: weight, a whole number, and clause. Helpers are in clauses as they are, never negated.
    """

    size: int
    helpers: tuple[tuple[int, int], ...]
    hard: tuple[Clause, ...]
    soft: tuple[tuple[int, Clause], ...]

    @property
    def total_size(self) -> int:
        """Number of variables with helpers."""
        return self.size + len(self.helpers)

    @cached_property
    def weights(self) -> F64:
        """Weights of the soft clauses, shape ``(len(soft),)``."""
        return np.array([weight for weight, _ in self.soft], dtype=np.float64)

    @cached_property
    def own_hard(self) -> tuple[Clause, ...]:
        """The hard clauses without helpers, as long as they were."""
        return tuple(self._written_out(clause)[0] for clause in self.hard)

    @cached_property
    def own_soft(self) -> tuple[tuple[int, Clause], ...]:
        """The soft clauses without helpers, as long as they were."""
        return tuple((weight, self._written_out(clause)[0]) for weight, clause in self.soft)

    @cached_property
    def helper_weight(self) -> F64:
        """For each helper the weight that rests on it: of its soft clauses, or of all where it is part of a hard one."""
        rests = np.zeros(len(self.helpers))
        total = float(self.weights.sum())
        for weight, clause in [(total, clause) for clause in self.hard] + list(self.soft):
            rests[self._written_out(clause)[1]] += weight
        return np.minimum(rests, total)

    def _written_out(self, clause: Clause) -> tuple[Clause, list[int]]:
        """Return the clause without helpers, and the indices of those that were in it."""
        own, used, left = set(), [], list(clause)
        while left:
            literal = left.pop()
            if literal > self.size:
                used.append(literal - self.size - 1)
                left.extend(self.helpers[literal - self.size - 1])
            else:
                own.add(literal)
        return tuple(sorted(own, key=lambda literal: (abs(literal), literal))), used


def shorten(size: int, hard: Sequence[Clause], soft: Sequence[tuple[int, Clause]]) -> ShortClauses:
    """Return the clauses with helpers in place of pairs of literals, the pair that most long clauses share first."""
    clauses = [set(clause) for clause in (*hard, *(clause for _, clause in soft))]
    helpers: list[tuple[int, int]] = []
    places: dict[tuple[int, int], set[int]] = {}

    def count(index: int) -> list[tuple[int, int]]:
        found = list(itertools.combinations(sorted(clauses[index]), 2)) if len(clauses[index]) > 2 else []
        for pair in found:
            places.setdefault(pair, set()).add(index)
        return found

    for index in range(len(clauses)):
        count(index)
    heap = [(-len(found), pair) for pair, found in places.items()]
    heapq.heapify(heap)
    while heap:
        expected, pair = heapq.heappop(heap)
        found = places[pair]
        if len(found) != -expected:  # clauses have changed since it was counted
            if found:
                heapq.heappush(heap, (-len(found), pair))
            continue
        helpers.append(pair)
        added: set[tuple[int, int]] = set()
        for index in sorted(found):
            for old in itertools.combinations(sorted(clauses[index]), 2):
                places[old].discard(index)
            clauses[index].difference_update(pair)
            clauses[index].add(size + len(helpers))
            added.update(new for new in count(index) if size + len(helpers) in new)
        for new in sorted(added):
            heapq.heappush(heap, (-len(places[new]), new))
    short = [tuple(sorted(clause)) for clause in clauses]
    weights = [weight for weight, _ in soft]
    return ShortClauses(
        size=size,
        helpers=tuple(helpers),
        hard=tuple(short[: len(hard)]),
        soft=tuple(zip(weights, short[len(hard) :], strict=True)),
    )


def falsified(clauses: Sequence[Clause], rows: U8) -> npt.NDArray[np.bool_]:
    """Return which of ``k`` clauses of one or two literals are falsified in each row ``(m, n)``, shape ``(m, k)``."""
    ends = np.array([(clause[0], clause[-1]) for clause in clauses], dtype=np.int64).reshape(-1, 2)
    places, wanted = np.abs(ends) - 1, (ends > 0).astype(np.uint8)
    first: npt.NDArray[np.bool_] = rows[:, places[:, 0]] != wanted[:, 0]
    return np.asarray(first & (rows[:, places[:, 1]] != wanted[:, 1]))


def falsified_weight(short: ShortClauses, rows: U8) -> F64:
    """Return the weight of the falsified soft clauses of each row; exact, because weights are whole numbers."""
    soft = [clause for _, clause in short.soft]

    def weigh(block: U8) -> F64:
        weights: F64 = np.where(falsified(soft, block), short.weights, 0.0).sum(axis=1)
        return weights

    return apply_in_blocks(weigh, rows, bytes_per_row=16 * max(1, len(short.soft)))


def set_helpers(short: ShortClauses, rows: U8) -> U8:
    """Return rows whose helpers say what they stand for."""
    result = rows.copy()
    for place, (a, b) in enumerate(short.helpers, start=short.size):
        true_a, true_b = (result[:, abs(end) - 1] == (end > 0) for end in (a, b))
        result[:, place] = true_a | true_b
    return result


def is_allowed(short: ShortClauses, rows: U8) -> npt.NDArray[np.bool_]:
    """Return which rows have helpers that say what they stand for, and falsify no hard clause."""
    agree = np.equal(set_helpers(short, rows), rows).all(axis=1)
    return np.asarray(agree & ~falsified(short.hard, rows).any(axis=1))


def repair(short: ShortClauses, rows: U8, allowed: U8 | None) -> U8:
    """Return rows with helpers that agree and hard clauses that are satisfied.

    While a hard clause is falsified, a variable of it takes the value that it has in ``allowed``, an assignment ``(n,)`` that satisfies
    all of them: each step goes nearer to it, so that it is reached at the latest.
    """
    result = set_helpers(short, rows)
    if allowed is None or not short.hard:
        return result
    active = np.arange(len(rows))
    while True:
        broken = falsified(short.hard, result[active])
        active, broken = active[broken.any(axis=1)], broken[broken.any(axis=1)]
        if not len(active):
            return result
        for row, clause in zip(active.tolist(), broken.argmax(axis=1).tolist(), strict=True):
            variable = next(abs(end) - 1 for end in short.own_hard[clause] if allowed[abs(end) - 1] == (end > 0))
            result[row, variable] = allowed[variable]
        result[active] = set_helpers(short, result[active])


def penalised(short: ShortClauses, *, helper_penalty: float, hard_penalty: float) -> IsingModel:
    """Return the falsified weight, plus penalties for helpers that disagree (1 or 3 times) and for falsified hard clauses."""
    size = short.total_size
    linear, offset = np.zeros(size), 0.0
    products: dict[tuple[int, int], float] = {}

    def add(weight: float, a: int, b: int) -> None:
        """Add ``weight`` where the literals ``a`` and ``b`` are both false."""
        nonlocal offset
        (i, at_i, slope_i), (j, at_j, slope_j) = (
            (abs(end) - 1, 1.0 if end > 0 else 0.0, -1.0 if end > 0 else 1.0) for end in (a, b)
        )
        offset += weight * at_i * at_j
        if i == j:
            linear[i] += weight * slope_i
            return
        linear[i] += weight * slope_i * at_j
        linear[j] += weight * slope_j * at_i
        products[min(i, j), max(i, j)] = products.get((min(i, j), max(i, j)), 0.0) + weight * slope_i * slope_j

    for weight, clause in short.soft:
        add(weight, clause[0], clause[-1])
    for clause in short.hard:
        add(hard_penalty, clause[0], clause[-1])
    for literal, (a, b) in enumerate(short.helpers, start=short.size + 1):
        # With 1 for a false literal: a b - 2 a y - 2 b y + 3 y is 0 for y = a b, and otherwise 1 or 3.
        add(helper_penalty, a, b)
        add(-2 * helper_penalty, a, literal)
        add(-2 * helper_penalty, b, literal)
        add(3 * helper_penalty, literal, literal)
    pairs = np.array(list(products), dtype=np.int32).reshape(-1, 2)
    return IsingModel.from_qubo(linear, pairs, np.array(list(products.values()), dtype=np.float64), offset)


def fixed_by_rules(size: int, hard: Sequence[Clause], soft: Sequence[tuple[int, Clause]]) -> dict[int, int]:
    """Return values of variables (from 0) that some optimum has.

    A hard clause of one literal has to hold; a variable that all clauses that are left want the same way may have that value.
    Source: M. Davis, H. Putnam, Journal of the ACM 7, 201 (1960), rules I and II.
    """
    values: dict[int, int] = {}
    left = [(True, clause) for clause in hard] + [(False, clause) for _, clause in soft]
    while True:
        clauses = []
        for is_hard, clause in left:
            if not any(values.get(abs(literal) - 1) == (literal > 0) for literal in clause):
                clauses.append((is_hard, tuple(literal for literal in clause if abs(literal) - 1 not in values)))
        left = clauses
        wanted = {literal for is_hard, clause in left if is_hard and len(clause) == 1 for literal in clause}
        if not wanted:
            occurring = {literal for _, clause in left for literal in clause}
            free = set(range(1, size + 1)) - {place + 1 for place in values}
            wanted = {v if v in occurring else -v for v in free if not {v, -v} <= occurring}
        if not wanted:
            return values
        values |= {abs(literal) - 1: int(literal > 0) for literal in wanted}


def reductions(short: ShortClauses, values: dict[int, int]) -> list[FamilyReduction]:
    """Return the steps that set variables to ``values`` (from 0), and helpers to what then follows."""
    if not values:
        return []
    found = [
        FamilyReduction(
            step_name="unit_and_pure_literals",
            exact=True,
            substitutions=tuple(Substitution(variable=v, constant=x) for v, x in sorted(values.items())),
            note=f"{len(values)} variables that hard clauses force, or that all clauses want the same way",
        )
    ]
    known, follows = dict(values), []
    for place, ends in enumerate(short.helpers, start=short.size):
        true = [known[abs(end) - 1] == (end > 0) for end in ends if abs(end) - 1 in known]
        free = [end for end in ends if abs(end) - 1 not in known]
        if any(true) or not free:
            known[place] = int(any(true))
            follows.append(Substitution(variable=place, constant=known[place]))
        elif len(free) == 1:
            follows.append(Substitution(variable=place, constant=int(free[0] < 0), copy_of=abs(free[0]) - 1))
    if follows:
        note = f"{len(follows)} helpers of long clauses that these settle, or make copies"
        found.append(FamilyReduction(step_name="helpers", exact=True, substitutions=tuple(follows), note=note))
    return found


def johnson(size: int, hard: Sequence[Clause], soft: Sequence[tuple[int, Clause]], seed: int) -> U8:
    """Return the values ``(size,)`` of the greedy rule for maximum satisfiability, in a seeded order of variables.

    Each variable takes the value that satisfies more weight, a clause with ``k`` undecided literals counted with ``2**-k``; a hard
    clause weighs more than all soft ones. Source: D. S. Johnson, Journal of Computer and System Sciences 9, 256 (1974).
    """
    heavy = 1 + sum(weight for weight, _ in soft)
    clauses = [(heavy, clause) for clause in hard] + list(soft)
    occurrences: dict[int, list[int]] = {}
    for index, (_, clause) in enumerate(clauses):
        for literal in clause:
            occurrences.setdefault(literal, []).append(index)
    undecided = [len(clause) for _, clause in clauses]
    satisfied = [False] * len(clauses)

    def gain(literal: int) -> float:
        open_ones = (i for i in occurrences.get(literal, []) if not satisfied[i])
        return math.fsum(clauses[i][0] * 2.0 ** -undecided[i] for i in open_ones)

    values = np.zeros(size, dtype=np.uint8)
    for variable in generator(seed, "clauses", "johnson").permutation(size).tolist():
        literal = variable + 1 if gain(variable + 1) >= gain(-variable - 1) else -variable - 1
        values[variable] = literal > 0
        for index in occurrences.get(literal, []):
            satisfied[index] = True
        for index in occurrences.get(-literal, []):
            undecided[index] -= 1
    return values


def cp_sat(
    size: int, hard: Sequence[Clause], soft: Sequence[tuple[int, Clause]], seed: int, hint: Iterable[int] | None = None
) -> SolverResult | None:
    """Return the best values ``(size,)`` and a bound by CP-SAT, with a deterministic limit of work.

    Returns:
        None where no assignment that satisfies the hard clauses was found: there is none, or the limit came first.
    """
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    variables = [model.new_bool_var(f"x{v}") for v in range(1, size + 1)]

    def literals(clause: Clause) -> list[cp_model.LiteralT]:
        return [variables[v - 1] if v > 0 else variables[-v - 1].negated() for v in clause]

    for clause in hard:
        model.add_bool_or(literals(clause))
    lost = []
    for weight, clause in soft:
        fails = model.new_bool_var("")
        model.add_bool_or([*literals(clause), fails])
        lost.append(weight * fails)
    if lost:
        model.minimize(sum(lost))
    for variable, value in zip(variables, hint or (), strict=False):
        model.add_hint(variable, bool(value))
    solver = repeatable_solver(seed=derive_seed_31bit(seed, "clauses", "cp_sat"), max_work=MAX_DETERMINISTIC_TIME)
    solver.parameters.absolute_gap_limit = 0.0  # a gap is a whole number
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return SolverResult(
        assignment=np.array([solver.boolean_value(variable) for variable in variables], dtype=np.uint8),
        optimal=status == cp_model.OPTIMAL,
        bound=float(math.ceil(solver.best_objective_bound - 1e-6)) if lost else 0.0,
        evaluations=solver.num_branches,
    )
