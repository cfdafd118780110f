"""The neutral graph, and the graphs that ship with NetworkX."""

from __future__ import annotations

import networkx as nx
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.graphs import NETWORKX_GRAPHS, from_networkx, make_weighted_graph, networkx_graph


@pytest.mark.parametrize("name", NETWORKX_GRAPHS)
def test_bundled_graphs_arrive_whole(name):
    original = networkx_graph(name)
    graph = from_networkx(original)
    assert graph.nodes == tuple(map(str, original))
    named = {frozenset((graph.nodes[i], graph.nodes[j])) for i, j in graph.edges.tolist()}
    assert named == {frozenset(map(str, edge)) for edge in original.edges}
    assert graph.weights.sum() == sum(w for *_, w in original.edges(data="weight", default=1))
    assert graph.edges.tolist() == sorted(graph.edges.tolist())
    assert (graph.edges[:, 0] < graph.edges[:, 1]).all()


def test_known_sizes():
    sizes = {name: from_networkx(networkx_graph(name)).size for name in ("karate_club", "tutte", "florentine_families")}
    assert sizes == {"karate_club": 34, "tutte": 46, "florentine_families": 15}


def test_an_unknown_name_lists_those_that_exist():
    with pytest.raises(InvalidInput, match=r"karate_club.*petersen"):
        networkx_graph("karate")
    with pytest.raises(InvalidInput, match=r"Did you mean karate_club\?"):
        networkx_graph("Karate_Klub_graph")
    with pytest.raises(InvalidInput, match="with one of: bull") as caught:
        networkx_graph("xyz")
    assert "Did you mean" not in str(caught.value)
    with pytest.raises(InvalidInput):
        networkx_graph("complete")  # a function of NetworkX, but no bundled graph


def test_node_weights_are_taken_where_any_node_has_one():
    graph = nx.path_graph(3)
    assert from_networkx(graph).node_weights is None
    graph.nodes[1]["weight"] = 4
    assert from_networkx(graph).node_weights.tolist() == [1.0, 4.0, 1.0]


@pytest.mark.parametrize(
    "graph",
    [
        nx.DiGraph([(0, 1)]),
        nx.MultiGraph([(0, 1), (0, 1)]),
        nx.Graph([(0, 0)]),
        nx.Graph([(1, "1")]),
        nx.Graph([(0, 1, {"weight": float("nan")})]),
        nx.Graph([(0, 1, {"weight": "3"})]),
    ],
)
def test_other_graphs_are_refused(graph):
    with pytest.raises(InvalidInput) as caught:
        from_networkx(graph)
    assert caught.value.field == "problem.source"


def test_edges_are_sorted_whatever_their_order():
    graph = make_weighted_graph("abc", [(2, 0, 1.0), (1, 0, 2.0)])
    assert graph.edges.tolist() == [[0, 1], [0, 2]]
    assert graph.weights.tolist() == [2.0, 1.0]
    assert graph.degrees.tolist() == [2, 1, 1]
