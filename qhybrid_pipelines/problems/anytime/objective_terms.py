"""The objective as a sum of terms whose coefficients may turn out otherwise: what noise and scenarios are about.

The terms are those of the family's constrained model: a coefficient for a variable or for a pair of them. Where the same model in
spins has no fields, as for cuts, its couplings are the terms, because there the coefficients of variables are sums of those of pairs
and cannot turn out otherwise by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.evaluation import Problem, objective_tolerance

_NO_FIELD = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveTerms:
    """``sign * objective = offset + sum of coefficients * terms``, to be minimised.

    Attributes:
        places: variables of each term, shape ``(k, 2)``; both are the same where it has one.
        coefficients: shape ``(k,)``.
        offset: what does not depend on the variables.
        in_spins: terms are products of -1 and 1, and not of 0 and 1.
    """

    places: npt.NDArray[np.int64]
    coefficients: F64
    offset: float
    in_spins: bool

    def values(self, assignments: U8) -> F64:
        """Return the terms of each row ``(m, n)``, without coefficients: shape ``(m, k)``."""
        rows = assignments.astype(np.float64)
        if self.in_spins:
            return (1 - 2 * rows[:, self.places[:, 0]]) * (1 - 2 * rows[:, self.places[:, 1]])
        return rows[:, self.places[:, 0]] * rows[:, self.places[:, 1]]

    @property
    def is_linear(self) -> bool:
        """Every term has one variable."""
        return not self.in_spins and bool((self.places[:, 0] == self.places[:, 1]).all())


def objective_terms(problem: Problem, checked: U8) -> ObjectiveTerms:
    """Return the terms of an instance's objective.

    Args:
        problem: the instance.
        checked: rows ``(m, n)``, feasible ones, whose objective must be that of the terms.

    Raises:
        InvalidInput: the family's objective is not such a sum.
    """
    canonical = problem.family.model(problem.instance)
    model = getattr(canonical, "objective", None)
    if model is None:  # a polynomial, with products of more than two variables
        raise _no_sum(problem)
    index = {name: place for place, name in enumerate(problem.instance.variables)}
    in_spins = False
    if not all(name in index for name in model.variables):
        raise _no_sum(problem)
    linear = {index[name]: float(bias) for name, bias in model.linear.items()}
    pairs = {(index[u], index[v]): float(bias) for (u, v), bias in model.quadratic.items()}
    offset = float(model.offset)
    if pairs:
        fields, couplings, spin_offset = _to_spins(linear, pairs, offset)
        largest = max(map(abs, couplings.values()))
        if all(abs(value) <= _NO_FIELD * largest for value in fields.values()):
            linear, pairs, offset, in_spins = {}, couplings, spin_offset, True
    places = [(i, i) for i in linear] + list(pairs)
    terms = ObjectiveTerms(
        places=np.array(places, dtype=np.int64).reshape(-1, 2),
        coefficients=np.array([*linear.values(), *pairs.values()], dtype=np.float64),
        offset=offset,
        in_spins=in_spins,
    )
    sign = problem.penalised_model.sign
    stated = sign * problem.family.objective(problem.instance, checked)
    found = terms.values(checked) @ terms.coefficients + terms.offset
    if any(abs(a - b) > 1e3 * objective_tolerance(a, b) for a, b in zip(stated.tolist(), found.tolist(), strict=True)):
        raise _no_sum(problem)
    return terms


def _to_spins(
    linear: dict[int, float], pairs: dict[tuple[int, int], float], offset: float
) -> tuple[dict[int, float], dict[tuple[int, int], float], float]:
    """Return fields, couplings and offset over spins ``s = 1 - 2 x``."""
    fields = {i: -value / 2 for i, value in linear.items()}
    offset += sum(linear.values()) / 2 + sum(pairs.values()) / 4
    for (i, j), value in pairs.items():
        fields[i] = fields.get(i, 0.0) - value / 4
        fields[j] = fields.get(j, 0.0) - value / 4
    return fields, {pair: value / 4 for pair, value in pairs.items()}, offset


def _no_sum(problem: Problem) -> InvalidInput:
    return InvalidInput(
        f"the objective of {problem.family.name!r} is not a sum over variables and pairs, so noise and scenarios cannot be applied to it",
        remedy="Leave noise and scenarios out.",
        field="noise",
    )
