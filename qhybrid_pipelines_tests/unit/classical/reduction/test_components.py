"""Connected components, against NetworkX, and the exactness of solving small ones."""

from __future__ import annotations

import networkx as nx
import numpy as np
from hypothesis import given, settings

from qhybrid_pipelines.classical.reduction.components import components, restrict_model, solve_small_components
from qhybrid_pipelines_tests.support.small_ising_models import all_assignments, ising_models, make_model


@settings(deadline=None)
@given(model=ising_models(min_size=1))
def test_components_are_those_of_the_graph(model):
    graph = nx.Graph(model.pairs.tolist())
    graph.add_nodes_from(range(model.size))
    found = [part.tolist() for part in components(model)]
    assert sorted(found) == sorted(sorted(part) for part in nx.connected_components(graph))
    assert [len(part) for part in found] == sorted((len(part) for part in found), reverse=True)


@settings(deadline=None)
@given(model=ising_models(min_size=2))
def test_solving_small_components_keeps_an_optimum_and_the_largest_component(model):
    fixed = solve_small_components(model)
    rows = all_assignments(model.size)
    optima = rows[model.assignment_energies(rows) <= model.assignment_energies(rows).min() + 1e-9]
    assert (optima[:, list(fixed)] == list(fixed.values())).all(axis=1).any()
    assert set(fixed) == set(range(model.size)) - set(components(model)[0].tolist())


def test_a_large_component_is_left():
    chain = {(i, i + 1): 1.0 for i in range(24)} | {(30 + i, 31 + i): 1.0 for i in range(21)}
    model = make_model(np.zeros(52), chain)
    assert [len(part) for part in components(model)] == [25, 22, 1, 1, 1, 1, 1]
    assert sorted(solve_small_components(model)) == [25, 26, 27, 28, 29]


def test_restrict_keeps_what_lies_inside():
    model = make_model([1.0, 2.0, 3.0], {(0, 1): 5.0, (1, 2): 7.0}, 4.0)
    part = restrict_model(model, np.array([1, 2], dtype=np.int32))
    assert part.linear.tolist() == [2.0, 3.0]
    assert part.pairs.tolist() == [[0, 1]]
    assert part.couplings.tolist() == [7.0]


def test_an_empty_model_has_no_components():
    assert components(make_model([], {})) == []
