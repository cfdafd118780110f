"""The neutral graph that the readers of graph formats and NetworkX hand to families, and the graphs NetworkX ships.

A family decides what nodes and weights mean; here they are only names, index pairs and numbers, in one fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.text.spelling import remedy_for_unknown

if TYPE_CHECKING:
    import networkx as nx

#: Graphs bundled with NetworkX; the function of that library has the name with ``_graph`` after it.
NETWORKX_GRAPHS = (
    "bull",
    "chvatal",
    "cubical",
    "davis_southern_women",
    "desargues",
    "diamond",
    "dodecahedral",
    "florentine_families",
    "frucht",
    "heawood",
    "hoffman_singleton",
    "house",
    "icosahedral",
    "karate_club",
    "krackhardt_kite",
    "les_miserables",
    "moebius_kantor",
    "octahedral",
    "pappus",
    "petersen",
    "tetrahedral",
    "truncated_cube",
    "truncated_tetrahedron",
    "tutte",
)


@dataclass(frozen=True, kw_only=True)
class WeightedGraph:
    """An undirected simple graph with a number on every edge, and perhaps one on every node.

    Attributes:
        nodes: names, in the order of the variables; distinct.
        edges: index pairs ``i < j``, shape ``(m, 2)``, sorted, distinct.
        weights: weight of each edge, shape ``(m,)``, finite; its unit is the family's.
        node_weights: weight of each node, shape ``(n,)``, or None where the source gives none.
    """

    nodes: tuple[str, ...]
    edges: npt.NDArray[np.int32]
    weights: F64
    node_weights: F64 | None

    @property
    def size(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    @property
    def degrees(self) -> npt.NDArray[np.int64]:
        """Number of edges at each node, shape ``(n,)``."""
        return np.bincount(self.edges.ravel(), minlength=self.size)


def make_weighted_graph(
    nodes: Iterable[str],
    weighted_pairs: Iterable[tuple[int, int, float]],
    node_weights: Iterable[float] | None = None,
) -> WeightedGraph:
    """Return the graph of distinct pairs in any order and orientation.

    Who reads a file checks for self-loops and repeats first, because there the line is known.
    """
    rows = sorted((min(i, j), max(i, j), w) for i, j, w in weighted_pairs)
    return WeightedGraph(
        nodes=tuple(nodes),
        edges=np.array([row[:2] for row in rows], dtype=np.int32).reshape(-1, 2),
        weights=np.array([row[2] for row in rows], dtype=np.float64),
        node_weights=None if node_weights is None else np.array(list(node_weights), dtype=np.float64),
    )


def complement(graph: WeightedGraph) -> WeightedGraph:
    """Return the graph of the pairs without an edge, each of weight 1; nodes keep their names and weights."""
    absent = np.triu(np.ones((graph.size, graph.size), dtype=bool), k=1)
    absent[graph.edges[:, 0], graph.edges[:, 1]] = False
    edges = np.argwhere(absent).astype(np.int32)
    return WeightedGraph(nodes=graph.nodes, edges=edges, weights=np.ones(len(edges)), node_weights=graph.node_weights)


def from_networkx(graph: nx.Graph[Any], *, weight: str = "weight") -> WeightedGraph:
    """Return a NetworkX graph as a value: nodes in the graph's own order, named by their text.

    Args:
        graph: an undirected simple graph.
        weight: name of the edge and node attribute that holds the weight; 1 where it is missing. Node weights are
            None where no node has the attribute.

    Raises:
        InvalidInput: directed, a multigraph, a self-loop, two nodes with the same text, or a weight that is no
            finite number.
    """
    if graph.is_directed() or graph.is_multigraph():
        raise InvalidInput(
            "the graph is directed or has parallel edges",
            remedy="Give an undirected simple graph; add the weights of parallel edges up first.",
            field="problem.source",
        )
    index = {node: i for i, node in enumerate(graph)}
    names = [str(node) for node in index]
    if len(set(names)) != len(names):
        raise InvalidInput(
            "two nodes of the graph have the same text",
            remedy="Rename one; nodes are told apart by their text.",
            field="problem.source",
        )
    pairs = []
    for u, v, value in graph.edges(data=weight, default=1):
        if u == v:
            raise InvalidInput(
                f"node {u!s} has an edge to itself", remedy="Remove the self-loop.", field="problem.source"
            )
        pairs.append((index[u], index[v], _finite_number(value, f"edge {u!s} - {v!s}")))
    given = dict(graph.nodes(data=weight))
    node_weights = None
    if any(value is not None for value in given.values()):
        node_weights = [_finite_number(1 if v is None else v, f"node {node!s}") for node, v in given.items()]
    return make_weighted_graph(names, pairs, node_weights)


def networkx_graph(name: str) -> nx.Graph[Any]:
    """Return one of the graphs that ship with NetworkX, for example ``karate_club``.

    Raises:
        InvalidInput: there is none of that name.
    """
    if name not in NETWORKX_GRAPHS:
        raise InvalidInput(
            f"there is no bundled graph {name!r}",
            remedy=remedy_for_unknown(
                name.lower().removesuffix("_graph"), NETWORKX_GRAPHS, "Use networkx: with one of"
            ),
            field="problem.source",
        )
    import networkx as nx

    function: Any = getattr(nx, f"{name}_graph")
    graph: nx.Graph[Any] = function()
    return graph


def _finite_number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise InvalidInput(
            f"the weight of {where} is {value!r}", remedy="Every weight is a finite number.", field="problem.source"
        )
    return float(value)
