"""Linear constraints over variables that are 0 or 1: the neutral value of the formats that have them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from qhybrid_pipelines.problems.quadratic import QuadraticForm

Relation = Literal["<=", ">=", "=="]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearConstraint:
    """``sum_k coefficients[k] x[places[k]]  relation  bound``.

    Attributes:
        name: as the file calls it, or made up from its place.
        places: indices of variables, ascending, distinct.
        coefficients: one for each place, none of them 0.
        relation: between the sum and the bound.
        bound: right-hand side.
    """

    name: str
    places: tuple[int, ...]
    coefficients: tuple[float, ...]
    relation: Relation
    bound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryProgram:
    """Minimise ``objective`` such that every constraint holds; variables are those of the objective."""

    objective: QuadraticForm
    constraints: tuple[LinearConstraint, ...]


def make_linear_constraint(
    name: str, terms: Iterable[tuple[int, float]], relation: Relation, bound: float
) -> LinearConstraint:
    """Return the constraint of terms ``(place, coefficient)`` in any order; those of one variable are added up."""
    sums: dict[int, float] = {}
    for place, coefficient in terms:
        sums[place] = sums.get(place, 0.0) + coefficient
    kept = sorted((place, value) for place, value in sums.items() if value)
    return LinearConstraint(
        name=name,
        places=tuple(place for place, _ in kept),
        coefficients=tuple(value for _, value in kept),
        relation=relation,
        bound=bound,
    )
