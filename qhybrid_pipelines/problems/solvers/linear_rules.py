r"""Linear constraints over 0 and 1 as rules that a quadratic penalty can state, and what is done with them.

Each constraint becomes, in whole numbers, one of three rules:

- *excluded values*, for at most two variables: the penalty is 1 at every combination that breaks it;
- *at most one* of several variables: the penalty counts the pairs that are both 1;
- *a sum*, ``w x = t``: the penalty is ``(w x - t)^2``. An inequality ``a x <= b`` becomes one with slack bits, whose weights are
  1, 2, 4, ... and a rest, so that they reach every value from 0 to ``b - min(a x)`` and none beyond it.

Every penalty is a whole number, 0 where the rule holds. Slack bits are variables of the instance and follow its own ones.

Sources: F. Glover, G. Kochenberger, Y. Du, 4OR 17, 335 (2019) for the penalties of small constraints; slack bits with a rest as
A. Lucas, Frontiers in Physics 2, 5 (2014), section 2.4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.linear_constraints import LinearConstraint
from qhybrid_pipelines.problems.quadratic import sum_of_products
from qhybrid_pipelines.problems.solvers.row_blocks import apply_in_blocks

I64 = npt.NDArray[np.int64]

#: Largest value of a sum in whole numbers: its square, and sums of some squares, stay exact in float64.
MAX_SUM = 2**22


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``sum_k weights[k] x[places[k]] <= bound``, or ``== bound`` where ``equal``, in whole numbers without common factor.

    Attributes:
        name: of the constraint.
        places: indices of own variables, ascending.
        weights: one for each place, none of them 0.
        bound: right-hand side.
        equal: whether the sum has to reach the bound.
    """

    name: str
    places: tuple[int, ...]
    weights: tuple[int, ...]
    bound: int
    equal: bool

    @property
    def lowest(self) -> int:
        """The least value of the sum."""
        return sum(weight for weight in self.weights if weight < 0)

    @property
    def highest(self) -> int:
        """The greatest value of the sum."""
        return sum(weight for weight in self.weights if weight > 0)

    @property
    def excludes_values(self) -> bool:
        """Whether its penalty names the values that break it."""
        return len(self.places) <= 2

    @property
    def is_at_most_one(self) -> bool:
        """Whether its penalty counts pairs."""
        return not self.equal and self.bound == 1 and all(weight == 1 for weight in self.weights)

    @property
    def slack_weights(self) -> tuple[int, ...]:
        """Weights of the slack bits; empty where the penalty needs none."""
        if self.equal or self.excludes_values or self.is_at_most_one:
            return ()
        reach = self.bound - self.lowest
        powers = [1 << k for k in range((reach + 1).bit_length() - 1)]
        rest = reach - sum(powers)
        return (*powers, rest) if rest else tuple(powers)


def make_rule(constraint: LinearConstraint) -> Rule | None:
    """Return the constraint in whole numbers; None where every assignment keeps it.

    Raises:
        InvalidInput: names the constraint: no assignment can keep it, or its numbers have no common step of useful size.
    """
    # The bound keeps its own fractions: 2 x <= 3.5 is x <= 1, not a finer step of the weights.
    weights = [Fraction(repr(float(value))) for value in constraint.coefficients]
    bound = Fraction(repr(float(constraint.bound)))
    if constraint.relation == ">=":
        weights, bound = [-weight for weight in weights], -bound
    denominator = math.lcm(*(weight.denominator for weight in weights))
    integers = [int(weight * denominator) for weight in weights]
    divisor = math.gcd(*integers) or 1
    integers, bound = [value // divisor for value in integers], bound * denominator / divisor
    equal = constraint.relation == "=="
    rule = Rule(
        name=constraint.name,
        places=constraint.places,
        weights=tuple(integers),
        bound=math.floor(bound),
        equal=equal,
    )
    if (equal and not (bound.denominator == 1 and rule.lowest <= bound <= rule.highest)) or bound < rule.lowest:
        raise InvalidInput(
            f"no assignment satisfies the constraint {constraint.name!r}",
            remedy="Check its sign and its right-hand side.",
            field="problem.source",
        )
    if (not equal and rule.highest <= rule.bound) or not integers:
        return None
    if max(rule.highest - rule.lowest, abs(rule.bound)) > MAX_SUM:
        raise InvalidInput(
            f"the numbers of the constraint {constraint.name!r} have no common step of useful size",
            remedy=f"Round them, so that in units of their common step the sum stays within {MAX_SUM:,}.",
            field="problem.source",
        )
    return rule


@dataclass(frozen=True, kw_only=True)
class LinearRules:
    """Rules over ``own`` variables and the slack bits that follow them, in the order of the rules.

    Attributes:
        own: number of the program's own variables.
        rules: none of them holds for every assignment.
    """

    own: int
    rules: tuple[Rule, ...]

    @cached_property
    def slack(self) -> tuple[tuple[int, int], ...]:
        """(index of the rule, weight) of each slack bit."""
        return tuple((index, weight) for index, rule in enumerate(self.rules) for weight in rule.slack_weights)

    @property
    def size(self) -> int:
        """Number of variables with slack bits."""
        return self.own + len(self.slack)

    def slack_names(self, own_names: Iterable[str]) -> list[str]:
        """Return a name for each slack bit that no variable has; rules may share a name."""
        taken, names = set(own_names), []
        for index, weight in self.slack:
            plain = name = f"slack of {self.rules[index].name}: {weight}"
            number = 1
            while name in taken:
                number += 1
                name = f"{plain} ({number})"
            taken.add(name)
            names.append(name)
        return names

    @cached_property
    def weights(self) -> I64:
        """Weights of the own variables, shape ``(rules, own)``."""
        matrix = np.zeros((len(self.rules), self.own), dtype=np.int64)
        for row, rule in enumerate(self.rules):
            matrix[row, list(rule.places)] = rule.weights
        return matrix

    @cached_property
    def slack_matrix(self) -> I64:
        """Weights of the slack bits, shape ``(rules, slack bits)``."""
        matrix = np.zeros((len(self.rules), len(self.slack)), dtype=np.int64)
        for column, (row, weight) in enumerate(self.slack):
            matrix[row, column] = weight
        return matrix

    @cached_property
    def bounds(self) -> I64:
        """Right-hand sides, shape ``(rules,)``."""
        return np.array([rule.bound for rule in self.rules], dtype=np.int64)

    @cached_property
    def must_equal(self) -> npt.NDArray[np.bool_]:
        """Which rules are met by their bound alone once slack is counted, shape ``(rules,)``."""
        return np.array([rule.equal or bool(rule.slack_weights) for rule in self.rules], dtype=np.bool_)

    @cached_property
    def equal(self) -> npt.NDArray[np.bool_]:
        """Which rules are equalities of own variables, shape ``(rules,)``."""
        return np.array([rule.equal for rule in self.rules], dtype=np.bool_)

    def excess(self, own: U8) -> I64:
        """Return by how much each row ``(m, own)`` breaks each rule, shape ``(m, rules)``; 0 where it is kept."""
        over: I64 = own.astype(np.int64) @ self.weights.T - self.bounds
        return np.where(self.equal, np.abs(over), np.maximum(over, 0))

    def holds(self, rows: U8) -> npt.NDArray[np.bool_]:
        """Return which rows ``(m, size)`` keep all rules, with slack bits that say what is left."""

        def kept(block: U8) -> npt.NDArray[np.bool_]:
            sums = block[:, : self.own].astype(np.int64) @ self.weights.T
            sums += block[:, self.own :].astype(np.int64) @ self.slack_matrix.T
            kept_each: npt.NDArray[np.bool_] = np.where(self.must_equal, sums == self.bounds, sums <= self.bounds)
            result: npt.NDArray[np.bool_] = np.all(kept_each, axis=1)
            return result

        return apply_in_blocks(kept, rows, bytes_per_row=24 * (self.size + len(self.rules)))

    def with_slack(self, own: U8) -> U8:
        """Return rows ``(m, own)`` that keep all rules with the slack bits that say so, shape ``(m, size)``."""
        left = self.bounds - own.astype(np.int64) @ self.weights.T
        bits = np.zeros((len(own), len(self.slack)), dtype=np.uint8)
        column = 0
        for index, rule in enumerate(self.rules):
            count = len(rule.slack_weights)
            if not count:
                continue
            remaining = left[:, index].copy()
            # The rest comes first, and only where the powers of two do not reach.
            powers = count if rule.slack_weights[-1] == 1 << (count - 1) else count - 1
            if powers < count:
                taken = remaining > (1 << powers) - 1
                bits[:, column + powers] = taken
                remaining -= taken * rule.slack_weights[-1]
            bits[:, column : column + powers] = (remaining[:, None] >> np.arange(powers)) & 1
            column += count
        return np.concatenate([own, bits], axis=1)

    def penalty(self) -> tuple[F64, npt.NDArray[np.int32], F64, float]:
        """Return the sum of the penalties of all rules, ``(linear, pairs, quadratic, offset)`` over 0 and 1."""
        from scipy.sparse import csr_array, triu

        linear = np.zeros(self.size, dtype=np.int64)
        products: list[tuple[int, int, int]] = []
        offset = 0
        sums = []
        for index, rule in enumerate(self.rules):
            if rule.excludes_values:
                offset += _add_excluded(rule, linear, products)
            elif rule.is_at_most_one:
                products += [(i, j, 1) for i, j in itertools.combinations(rule.places, 2)]
            else:
                sums.append(index)
        matrix = csr_array(np.concatenate([self.weights, self.slack_matrix], axis=1)[sums])
        targets = self.bounds[sums]
        square = matrix.T @ matrix
        linear += square.diagonal() - 2 * (matrix.T @ targets)
        offset += int(targets @ targets)
        above = triu(square, k=1).tocoo()
        extra = np.array(products, dtype=np.int64).reshape(-1, 3)
        pairs, quadratic = sum_of_products(
            self.size,
            (np.stack([above.row, above.col], axis=1), 2.0 * above.data),
            (extra[:, :2], extra[:, 2].astype(np.float64)),
        )
        return linear.astype(np.float64), pairs, quadratic, float(offset)

    def number_of_products(self) -> int:
        """Return at most how many products of two variables the penalty has."""
        return sum(math.comb(len(rule.places) + len(rule.slack_weights), 2) for rule in self.rules)

    def repaired(self, own: U8, fallback: U8) -> U8:
        """Return rows ``(m, own)`` made to keep all rules: the flip that takes most from what is broken, again and again.

        A row that no single flip improves becomes ``fallback`` ``(own,)``, which keeps them.
        """

        def descend(block: U8) -> U8:
            rows = block.copy()
            active = np.flatnonzero(self.excess(rows).any(axis=1))
            for _ in range(4 * self.own):
                if not len(active):
                    break
                current = rows[active].astype(np.int64)
                over = current @ self.weights.T - self.bounds
                before = self._total(over)
                # (rows, own, rules): what each flip would leave of each rule
                after = self._total(over[:, None, :] + (1 - 2 * current)[:, :, None] * self.weights.T[None])
                best = after.argmin(axis=1)
                reached = after[np.arange(len(active)), best]
                better = reached < before
                rows[active[better], best[better]] ^= 1
                rows[active[~better]] = fallback
                active = active[better & (reached > 0)]
            rows[active] = fallback
            return rows

        return apply_in_blocks(descend, own, bytes_per_row=17 * self.own * max(1, len(self.rules)))

    def _total(self, over: I64) -> I64:
        total: I64 = np.where(self.equal, np.abs(over), np.maximum(over, 0)).sum(axis=-1)
        return total


def _add_excluded(rule: Rule, linear: I64, products: list[tuple[int, int, int]]) -> int:
    """Add the penalty of a rule over one or two variables; return its constant part."""
    constant = 0
    for values in itertools.product((0, 1), repeat=len(rule.places)):
        reached = sum(weight * value for weight, value in zip(rule.weights, values, strict=True))
        if reached == rule.bound or (not rule.equal and reached < rule.bound):
            continue
        # The product of x or 1 - x over the places is 1 at these values only.
        first, sign = rule.places[0], 2 * values[0] - 1
        constant_factor, linear_factor = 1 - values[0], sign
        if len(rule.places) == 1:
            constant += constant_factor
            linear[first] += linear_factor
            continue
        second, other_sign, other_constant = rule.places[1], 2 * values[1] - 1, 1 - values[1]
        constant += constant_factor * other_constant
        linear[first] += linear_factor * other_constant
        linear[second] += constant_factor * other_sign
        products.append((first, second, linear_factor * other_sign))
    return constant


def make_rules(own: int, constraints: Iterable[LinearConstraint]) -> LinearRules:
    """Return the rules of constraints over ``own`` variables; see ``make_rule`` for what is raised."""
    made = (make_rule(constraint) for constraint in constraints)
    return LinearRules(own=own, rules=tuple(rule for rule in made if rule is not None))


def neighbours(rules: LinearRules, pairs: npt.NDArray[np.int32]) -> list[set[int]]:
    """Return for each own variable those that share a rule or a product with it."""
    near: list[set[int]] = [set() for _ in range(rules.own)]
    groups: list[Sequence[int]] = [rule.places for rule in rules.rules]
    groups += pairs.tolist()
    for group in groups:
        for place in group:
            near[place].update(group)
    return near
