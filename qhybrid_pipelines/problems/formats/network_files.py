"""Graph files that NetworkX and SciPy read: GraphML, GML, GEXF, node-link JSON, graph6, Matrix Market.

The edge attribute ``weight`` counts, 1 where it is missing; a node attribute of that name is the node's weight. Nodes are
named by their label where the format has labels and all are distinct, otherwise by their id.

Sources: GraphML, http://graphml.graphdrawing.org; GML, M. Himsolt (1997); GEXF 1.2, https://gexf.net; graph6, B. McKay,
nauty's formats.txt; Matrix Market, R. Boisvert, R. Pozo, K. Remington, NISTIR 5935 (1996).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast
from xml.etree.ElementTree import ParseError

import numpy as np

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.graphs import WeightedGraph, from_networkx, make_weighted_graph

if TYPE_CHECKING:
    import networkx as nx

#: Declarations that make an XML file larger when it is read than it is; no program writes them into a graph.
_XML_DECLARATIONS = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def reader(format_name: str) -> Callable[[str, str], WeightedGraph]:
    """Return what reads a format: (text, file name) -> graph; it raises InvalidInput where the text is not of the format."""
    parse = _PARSERS[format_name]

    def read(text: str, file: str) -> WeightedGraph:
        import networkx as nx

        try:
            return parse(text, file)
        except InvalidInput:
            raise
        except (nx.NetworkXError, ParseError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            line = error.position[0] if isinstance(error, ParseError) else None
            reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
            raise InvalidInput(
                f"this is not a graph in the format {format_name}: {reason}",
                remedy="Check the file with the program that wrote it, or declare another format.",
                file=file,
                line=line,
            ) from None

    return read


def _graphml(text: str, file: str) -> WeightedGraph:
    import networkx as nx

    _refuse_declarations(text, file)
    return _named(nx.parse_graphml(text), label="label")


def _gexf(text: str, file: str) -> WeightedGraph:
    import networkx as nx

    _refuse_declarations(text, file)
    return _named(nx.read_gexf(io.BytesIO(text.encode())), label="label")


def _gml(text: str, file: str) -> WeightedGraph:  # noqa: ARG001 - one signature for all
    import networkx as nx

    return _named(nx.parse_gml(text, label=cast("Any", None)), label="label")


def _node_link(text: str, file: str) -> WeightedGraph:
    import networkx as nx

    data = json.loads(text)
    lists = [name for name in ("edges", "links") if isinstance(data, dict) and name in data]
    if len(lists) != 1 or "nodes" not in data:
        raise InvalidInput(
            "the file has no `nodes` and one of `edges` and `links`",
            remedy="Write it with networkx.node_link_data(graph, edges='edges').",
            file=file,
        )
    return from_networkx(nx.node_link_graph(data, edges=lists[0]))


def _graph6(text: str, file: str) -> WeightedGraph:
    import networkx as nx

    lines = text.split()
    if len(lines) != 1:
        raise InvalidInput(
            f"the file holds {len(lines)} graphs",
            remedy="Keep the line of one graph.",
            file=file,
            line=min(2, len(lines)),
        )
    return from_networkx(nx.from_graph6_bytes(lines[0].encode("ascii")))


def _matrix_market(text: str, file: str) -> WeightedGraph:
    matrix = read_matrix_market(text)
    if matrix.shape[0] != matrix.shape[1] or (abs(matrix - matrix.T) > 0).nnz:
        raise InvalidInput(
            "the matrix is not symmetric, and edges have no direction",
            remedy="Write the symmetric adjacency matrix.",
            file=file,
        )
    if matrix.diagonal().any():
        node = int(np.flatnonzero(matrix.diagonal())[0]) + 1
        raise InvalidInput(
            f"the matrix has an entry on its diagonal, at {node}: an edge joins a node to itself",
            remedy="Remove the diagonal.",
            file=file,
        )
    upper = _upper_triangle(matrix)
    names = map(str, range(1, matrix.shape[0] + 1))
    return make_weighted_graph(names, zip(upper.row.tolist(), upper.col.tolist(), upper.data.tolist(), strict=True))


def read_matrix_market(text: str) -> Any:
    """Return the matrix of a Matrix Market file whole, both halves of a symmetric one, as a SciPy sparse array of float64.

    Raises:
        ValueError: it is not a real Matrix Market file, or has a value that is not finite.
    """
    from scipy.io import mmread
    from scipy.sparse import csr_array

    matrix = csr_array(mmread(io.BytesIO(text.encode())))
    if matrix.dtype.kind == "c":
        raise ValueError("the entries are complex")
    if not np.isfinite(matrix.data).all():
        raise ValueError("an entry is not finite")
    return matrix.astype(np.float64)


def _upper_triangle(matrix: Any) -> Any:
    from scipy.sparse import triu

    return triu(matrix, k=1, format="coo")


def _named(graph: nx.Graph[Any], *, label: str) -> WeightedGraph:
    """Return a graph whose nodes are named by their labels, where each has one and all differ."""
    import networkx as nx

    labels = [data.get(label) for _, data in graph.nodes(data=True)]
    if all(isinstance(one, str) and one for one in labels) and len(set(labels)) == len(labels):
        graph = nx.relabel_nodes(graph, dict(zip(graph, labels, strict=True)))
    return from_networkx(graph)


def _refuse_declarations(text: str, file: str) -> None:
    if (found := _XML_DECLARATIONS.search(text)) is not None:
        raise InvalidInput(
            "the file declares XML entities or a document type, which no graph needs",
            remedy="Remove the declaration.",
            file=file,
            line=text.count("\n", 0, found.start()) + 1,
        )


_PARSERS: Mapping[str, Callable[[str, str], WeightedGraph]] = MappingProxyType(
    {
        "graphml": _graphml,
        "gexf": _gexf,
        "gml": _gml,
        "node_link": _node_link,
        "graph6": _graph6,
        "matrix_market": _matrix_market,
    }
)

#: The formats that this module reads.
FORMATS = tuple(_PARSERS)
