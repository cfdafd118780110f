"""The terms add up to every family's own objective, and those of a cut are its edges."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.anytime.objective_terms import objective_terms
from qhybrid_pipelines.problems.evaluation import evaluate
from qhybrid_pipelines_tests.support.small_problems import (
    HIGHER_ORDER,
    QUADRATIC_SOURCES,
    SMALL_SOURCES,
    all_rows,
    small_problem,
)


@pytest.mark.parametrize(
    ("family", "source"), QUADRATIC_SOURCES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_they_add_up_to_the_objective(family, source):
    problem = small_problem(family, source)
    rows = all_rows(problem.instance.size)
    rows = rows[evaluate(problem, rows).feasible]
    terms = objective_terms(problem, rows[:4])
    found = terms.values(rows) @ terms.coefficients + terms.offset
    stated = problem.penalised_model.sign * evaluate(problem, rows).objective
    np.testing.assert_allclose(found, stated, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("family", sorted(HIGHER_ORDER))
def test_products_of_more_than_two_variables_are_refused(family):
    problem = small_problem(family, next(source for name, source in SMALL_SOURCES if name == family))
    with pytest.raises(InvalidInput, match="not a sum over variables and pairs"):
        objective_terms(problem, all_rows(problem.instance.size)[:2])


def test_the_terms_of_a_cut_are_its_edges():
    problem = small_problem("maxcut", {"generator": "erdos_renyi", "nodes": 9, "probability": 0.5, "seed": 2})
    terms = objective_terms(problem, all_rows(problem.instance.size)[:1])
    assert terms.in_spins
    assert not terms.is_linear
    edges = sorted(map(tuple, np.sort(terms.places, axis=1).tolist()))
    assert edges == sorted((i, j) for i, j, *_ in problem.instance.payload["edges"])


def test_an_objective_that_is_something_else_is_refused():
    problem = small_problem("independent_set", {"generator": "random_graph", "nodes": 8, "probability": 0.4})

    class Other(type(problem.family)):
        def objective(self, instance, assignments):
            return super().objective(instance, assignments) ** 2 + 3

    other = type(problem)(family=Other(), instance=problem.instance, penalised_model=problem.penalised_model)
    with pytest.raises(InvalidInput, match="not a sum"):
        objective_terms(other, all_rows(8)[1:3])
