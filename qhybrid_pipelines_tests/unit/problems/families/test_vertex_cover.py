"""Vertex cover against enumeration, a mixed-integer solver, matchings, and published independent sets."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ProblemSpec
from qhybrid_pipelines.problems.families.vertex_cover import FAMILY, Options, make_instance
from qhybrid_pipelines.problems.graphs import make_weighted_graph, networkx_graph
from qhybrid_pipelines.problems.sources import load_instance
from qhybrid_pipelines_tests.support.family_cases import FamilyCases, PublishedOptimum
from qhybrid_pipelines_tests.support.instance_files import instance_files


def objective_and_feasibility(payload, x):
    chosen = [weight for weight, bit in zip(payload["weights"], x, strict=True) if bit]
    return sum(chosen), all(x[i] or x[j] for i, j in payload["edges"])


def complement_of(file):
    """A largest independent set leaves a smallest cover: T. Gallai (1959)."""
    [nodes] = [int(line.split()[2]) for line in file.text.splitlines() if line.startswith("p ")]
    return PublishedOptimum(
        name=f"{file.instance} as vertex cover",
        problem={"family": "vertex_cover", "source": str(file.path), "format": "dimacs_edge"},
        best_known=nodes - file.best_known,
    )


CASES = FamilyCases(
    small={
        "random_graph": [
            {"nodes": 9, "probability": 0.4, "seed": 1, "weighted": True},
            {"nodes": 8, "probability": 0.2, "seed": 2},
        ],
        "random_regular": [{"nodes": 8, "degree": 3, "seed": 7}],
    },
    definition=objective_and_feasibility,
    published=[complement_of(file) for file in instance_files("independent_set")],
)


def build(weights, pairs):
    graph = make_weighted_graph(map(str, range(len(weights))), [(i, j, 1.0) for i, j in pairs], weights)
    return make_instance(graph, name="by hand", source="generator:by hand", best_known=None)


def least_weight(instance):
    """The optimum by HiGHS, on the covering constraints themselves."""
    weights, edges = np.array(instance.payload["weights"]), instance.payload["edges"]
    rows = np.zeros((max(1, len(edges)), len(weights)))
    for row, (i, j) in zip(rows, edges, strict=False):
        row[[i, j]] = 1
    covered = LinearConstraint(rows, lb=[1] * len(edges) or [0])
    return milp(weights, constraints=covered, integrality=np.ones(len(weights)), bounds=Bounds(0, 1)).fun


@st.composite
def instances(draw):
    size = draw(st.integers(1, 8))
    pairs = (
        draw(st.lists(st.sampled_from(list(itertools.combinations(range(size), 2))), unique=True)) if size > 1 else []
    )
    return build(draw(st.lists(st.integers(1, 40).map(lambda k: k / 8), min_size=size, max_size=size)), pairs)


@settings(deadline=None, max_examples=60)
@given(instances(), st.integers(0, 3))
def test_the_solver_proves_what_enumeration_finds_and_greedy_drops_what_is_needless(instance, seed):
    every = [list(x) for x in itertools.product((0, 1), repeat=instance.size)]
    values = [objective_and_feasibility(instance.payload, x) for x in every]
    optimum = min(value for value, feasible in values if feasible)
    answer = FAMILY.solve(instance, seed)
    assert answer.optimal
    assert (answer.bound, *objective_and_feasibility(instance.payload, answer.assignment.tolist())) == (
        optimum,
        optimum,
        True,
    )
    greedy = FAMILY.greedy(instance, seed).tolist()
    assert objective_and_feasibility(instance.payload, greedy)[1]
    for node in np.flatnonzero(greedy):
        without = [bit if v != node else 0 for v, bit in enumerate(greedy)]
        assert not objective_and_feasibility(instance.payload, without)[1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_mixed_integer_solver_finds_the_same_optimum(seed):
    source = {"generator": "random_graph", "nodes": 40, "probability": 0.15, "weighted": True, "seed": seed}
    instance = load_instance(ProblemSpec.model_validate({"family": "vertex_cover", "source": source}), lambda _: b"")
    answer = FAMILY.solve(instance, seed)
    assert answer.optimal
    assert FAMILY.feasible(instance, answer.assignment[None])[0]
    assert (
        answer.bound == FAMILY.objective(instance, answer.assignment[None])[0] == pytest.approx(least_weight(instance))
    )


def test_on_a_bipartite_graph_the_least_cover_is_as_large_as_the_largest_matching():
    """D. Kőnig (1931)."""
    graph = networkx_graph("davis_southern_women")
    women = {node for node, side in graph.nodes(data="bipartite") if side == 0}
    matching = nx.bipartite.maximum_matching(graph, top_nodes=women)
    instance = FAMILY.from_graph(graph, "davis_southern_women", Options())
    assert FAMILY.solve(instance, 0).bound == len(matching) / 2


def test_weights_decide():
    star = [(0, 1), (0, 2), (0, 3)]
    assert FAMILY.solve(build([2.5, 1, 1, 1], star), 0).assignment.tolist() == [1, 0, 0, 0]
    assert FAMILY.solve(build([3.5, 1, 1, 1], star), 0).assignment.tolist() == [0, 1, 1, 1]


def test_without_edges_nothing_is_chosen():
    instance = build([1, 2], [])
    assert FAMILY.solve(instance, 0).bound == 0
    assert FAMILY.greedy(instance, 0).tolist() == [0, 0]
    assert FAMILY.penalised_model(instance).penalty_weight == 0


def test_what_is_uncovered_is_named():
    instance = build([1, 1, 1], [(0, 1), (1, 2)])
    assert FAMILY.violation(instance, np.array([1, 0, 0], dtype=np.uint8)) == (
        "uncovered: neither 1 nor 2 chosen; 1 in all"
    )


@pytest.mark.parametrize("weights", [[], [1.0, 0.0], [1.0, -2.0]])
def test_what_makes_no_instance_is_refused(weights):
    with pytest.raises(InvalidInput) as caught:
        build(weights, [])
    assert caught.value.field == "problem.source"


def test_an_index_base_is_for_edge_lists_alone():
    read = FAMILY.parsers["edge_list"]
    assert read("2\n0 1\n", Options(index_base=0), "pair.txt").size == 2
    with pytest.raises(InvalidInput, match="counts from 0 or from 1"):
        read("2\n0 1\n", Options(), "pair.txt")
    for refused in (
        lambda: FAMILY.parsers["csv_edges"]("i,j\na,b\n", Options(index_base=1), "pair.csv"),
        lambda: FAMILY.from_graph(nx.path_graph(2), "path", Options(index_base=1)),
    ):
        with pytest.raises(InvalidInput, match="for format edge_list only"):
            refused()
