"""One graph in the spellings of the programs that write it, each to the same greatest cut; wrong files name their line."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.io import mmwrite
from scipy.sparse import csr_array

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ProblemSpec
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.sources import guess_format, load_instance, register_source

NODES = 7


def graph(*, unit: bool = False) -> nx.Graph:
    """A graph without symmetry; weights are exact in a few digits."""
    drawn = nx.gnm_random_graph(NODES, 12, seed=4)
    assert nx.is_connected(drawn)
    for place, (u, v) in enumerate(sorted(drawn.edges)):
        drawn.edges[u, v]["weight"] = 1.0 if unit else 0.5 + place * 0.75
    return drawn


def best_cut(drawn: nx.Graph) -> float:
    """By trying every assignment on the graph itself."""
    sides = (np.arange(1 << NODES)[:, None] >> np.arange(NODES)) & 1
    cuts = sum(data["weight"] * (sides[:, u] != sides[:, v]) for u, v, data in drawn.edges(data=True))
    return float(np.max(cuts))


def written(write: Callable[[nx.Graph, io.BytesIO], None]) -> Callable[[], bytes]:
    def make() -> bytes:
        stream = io.BytesIO()
        write(graph(), stream)
        return stream.getvalue()

    return make


def named(prefix: str) -> nx.Graph:
    return nx.relabel_nodes(graph(), {node: f"{prefix}{node}" for node in range(NODES)})


def market(symmetry: str) -> bytes:
    stream = io.BytesIO()
    mmwrite(stream, csr_array(nx.to_numpy_array(graph(), nodelist=range(NODES))), symmetry=symmetry)
    return stream.getvalue()


def metis() -> bytes:
    lines = [" ".join(f"{v + 1} {graph().edges[u, v]['weight']}" for v in sorted(graph()[u])) for u in range(NODES)]
    return "\n".join(["% a comment", f"{NODES} {graph().number_of_edges()} 001", *lines]).encode()


def pandas_edges() -> pd.DataFrame:
    return nx.to_pandas_edgelist(graph())


#: (ending, format to declare or None, options, content)
SPELLINGS: dict[str, tuple[str, str | None, dict[str, object], Callable[[], bytes]]] = {
    "GraphML": (".graphml", None, {}, written(nx.write_graphml)),
    "GraphML with names": (".graphml", None, {}, lambda: "\n".join(nx.generate_graphml(named("city "))).encode()),
    "GraphML packed": (".graphml.gz", None, {}, lambda: gzip.compress(written(nx.write_graphml)())),
    "GML": (".gml", None, {}, written(nx.write_gml)),
    "GML with names": (".gml", None, {}, lambda: "\n".join(nx.generate_gml(named("city "))).encode()),
    "GEXF": (".gexf", None, {}, written(nx.write_gexf)),
    "GEXF 1.1": (".gexf", None, {}, written(lambda g, s: nx.write_gexf(g, s, version="1.1draft"))),
    "node-link, edges": (
        ".json",
        "node_link",
        {},
        lambda: json.dumps(nx.node_link_data(graph(), edges="edges")).encode(),
    ),
    "node-link, links": (
        ".json",
        "node_link",
        {},
        lambda: json.dumps(nx.node_link_data(graph(), edges="links")).encode(),
    ),
    "weighted edge list": (".edgelist", None, {}, written(nx.write_weighted_edgelist)),
    "edge list with dictionaries": (".edgelist", None, {}, written(lambda g, s: nx.write_edgelist(g, s, data=True))),
    "edge list with names": (
        ".txt",
        "named_edges",
        {},
        lambda: "\n".join(nx.generate_edgelist(named("n"), data=["weight"])).encode(),
    ),
    "edge list with comments": (
        ".edgelist",
        None,
        {},
        lambda: b"# from a tool\n" + written(nx.write_weighted_edgelist)(),
    ),
    "Matrix Market, symmetric": (".mtx", None, {}, lambda: market("symmetric")),
    "Matrix Market, general": (".mtx", None, {}, lambda: market("general")),
    "Matrix Market packed": (".mtx.gz", None, {}, lambda: gzip.compress(market("symmetric"))),
    "METIS": (".metis", None, {}, metis),
    "pandas edge list": (".csv", "csv_edges", {}, lambda: pandas_edges().to_csv(index=False).encode()),
    "pandas edge list with its index": (
        ".csv",
        "csv_edges",
        {"columns": "source,target,weight"},
        lambda: pandas_edges().to_csv().encode(),
    ),
    "columns of another name": (
        ".csv",
        "csv_edges",
        {"columns": "from, to, minutes"},
        lambda: (
            pandas_edges()
            .rename(columns={"source": "from", "target": "to", "weight": "minutes"})[["minutes", "to", "from"]]
            .to_csv(index=False)
            .encode()
        ),
    ),
    "adjacency, numbers alone": (
        ".csv",
        "adjacency_csv",
        {},
        lambda: nx.to_pandas_adjacency(graph()).to_csv(header=False, index=False).encode(),
    ),
    "adjacency with names": (".csv", "adjacency_csv", {}, lambda: nx.to_pandas_adjacency(named("x")).to_csv().encode()),
    "rudy under its collection's ending": (
        ".gset",
        None,
        {},
        lambda: "\n".join(
            [
                f"{NODES} {graph().number_of_edges()}",
                *(f"{u + 1} {v + 1} {w}" for u, v, w in graph().edges(data="weight")),
            ]
        ).encode(),
    ),
    "byte-order mark and CRLF": (
        ".csv",
        "csv_edges",
        {},
        lambda: b"\xef\xbb\xbf" + pandas_edges().to_csv(index=False, lineterminator="\r\n").encode(),
    ),
}


def load(folder, name: str, content: bytes, *, family="maxcut", format_name=None, options=None):
    (folder / name).write_bytes(content)
    problem, data = register_source(
        ProblemSpec(family=family, source=name, format=format_name, options=options or {}), folder
    )
    assert data == content
    return load_instance(problem, lambda _: data)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_has_the_same_greatest_cut(tmp_path, spelling):
    ending, format_name, options, content = SPELLINGS[spelling]
    instance = load(tmp_path, f"graph{ending}", content(), format_name=format_name, options=options)
    family = family_named("maxcut")
    sides = ((np.arange(1 << NODES)[:, None] >> np.arange(NODES)) & 1).astype(np.uint8)
    assert instance.size == NODES
    assert family.objective(instance, sides).max() == pytest.approx(best_cut(graph()), abs=1e-12)


def test_graph6_has_edges_of_weight_one(tmp_path):
    for header in (True, False):
        content = nx.to_graph6_bytes(graph(), header=header)
        instance = load(tmp_path, "graph.g6", content)
        assert instance.payload["weights"] == [1.0] * 12


def test_node_weights_and_names_arrive(tmp_path):
    drawn = named("slot ")
    for place, node in enumerate(drawn):
        drawn.nodes[node]["weight"] = 1.0 + place
    content = "\n".join(nx.generate_graphml(drawn)).encode()
    instance = load(tmp_path, "slots.graphml", content, family="independent_set")
    assert instance.variables == tuple(drawn)
    assert instance.payload["weights"] == [1.0 + place for place in range(NODES)]


@pytest.mark.parametrize("family", ["maxcut", "independent_set", "vertex_cover"])
def test_every_family_on_graphs_reads_every_format(family):
    assert set(family_named(family).parsers) == set(family_named("maxcut").parsers)


def test_the_greatest_clique_is_an_independent_set_of_the_complement(tmp_path):
    drawn = nx.gnm_random_graph(9, 20, seed=2)
    lines = [f"p col 9 {drawn.number_of_edges()}", *(f"e {u + 1} {v + 1}" for u, v in drawn.edges)]
    instance = load(
        tmp_path, "clique.clq", "\n".join(lines).encode(), family="independent_set", options={"complement": True}
    )
    clique, _ = nx.max_weight_clique(drawn, weight=None)
    assert family_named("independent_set").solve(instance, 1).assignment.sum() == len(clique)


XML_BOMB = b'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "bbbbbbbb">]>\n<graphml><graph edgedefault="undirected"/></graphml>'
WRONG: dict[str, tuple[str, str | None, dict[str, object], bytes, int | None, str]] = {
    "an XML bomb": ("g.graphml", None, {}, XML_BOMB, 2, "declares XML entities"),
    "cut off XML": ("g.graphml", None, {}, b"<graphml>\n<graph>", 2, "not a graph in the format graphml"),
    "a directed graph": (
        "g.graphml",
        None,
        {},
        "\n".join(nx.generate_graphml(nx.path_graph(3, create_using=nx.DiGraph))).encode(),
        None,
        "directed",
    ),
    "GML of something else": ("g.gml", None, {}, b"Creator 1\n", None, "format gml"),
    "JSON of something else": ("g.json", "node_link", {}, b'{"a": 1}', None, "no `nodes`"),
    "two graphs": ("g.g6", None, {}, b"A_\nA_\n", 2, "2 graphs"),
    "an asymmetric matrix": (
        "g.mtx",
        None,
        {},
        b"%%MatrixMarket matrix coordinate real general\n2 2 1\n1 2 3\n",
        None,
        "not symmetric",
    ),
    "a diagonal": (
        "g.mtx",
        None,
        {},
        b"%%MatrixMarket matrix coordinate real symmetric\n2 2 2\n1 1 3\n2 1 1\n",
        None,
        "diagonal",
    ),
    "an infinite weight": (
        "g.mtx",
        None,
        {},
        b"%%MatrixMarket matrix coordinate real symmetric\n2 2 1\n2 1 inf\n",
        None,
        "not finite",
    ),
    "a missing column": ("g.csv", "csv_edges", {"columns": "from,to"}, b"a,b\n1,2\n", 1, "no column 'from'"),
    "columns for another format": ("g.gml", None, {"columns": "a,b"}, b"graph [\n]\n", None, "csv_edges only"),
    "one column": ("g.csv", "csv_edges", {"columns": "a"}, b"a,b\n1,2\n", None, "two or three columns"),
    "half a row": ("g.csv", "adjacency_csv", {}, b"0,1\n1\n", 2, "1 numbers"),
    "one half of an adjacency": ("g.csv", "adjacency_csv", {}, b"0,1\n0,0\n", None, "in one half"),
    "other names at the side": ("g.csv", "adjacency_csv", {}, b",a,b\na,0,1\nc,1,0\n", 3, "named 'c'"),
    "an edge at one end": ("g.metis", None, {}, b"2 1\n2\n\n", 2, "as its neighbour"),
    "a neighbour without weight": ("g.metis", None, {}, b"2 1 1\n2\n1 1\n", 2, "no weight"),
    "an unfinished list": ("g.edgelist", None, {}, b"a b 1\nb c\n", 2, "2 fields"),
    "code for a weight": ("g.edgelist", None, {}, b"a b {'weight': __import__('os')}\n", 1, "finite weight"),
    "a cut off archive": ("g.gml.gz", None, {}, gzip.compress(b"graph [ ]")[:-9], None, "not a complete gzip"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_name_file_line_and_reason(tmp_path, case):
    name, format_name, options, content, line, reason = WRONG[case]
    with pytest.raises(InvalidInput, match=reason) as caught:
        load(tmp_path, name, content, format_name=format_name, options=options)
    assert caught.value.line == line
    assert caught.value.remedy


def test_a_shared_ending_does_not_tell_the_family():
    assert guess_format("graph.graphml") is None
    assert guess_format("graph.mc.gz") == ("maxcut", "rudy")


def test_a_packed_file_that_grows_without_end_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="MB"):
        load(tmp_path, "bomb.gml.gz", gzip.compress(b" " * 60_000_000))


@pytest.mark.parametrize("delimiter", [" ", "\t"])
def test_names_with_blanks_in_an_edge_list_are_refused_with_the_remedy(delimiter):
    """NetworkX writes them as they are, so that nobody can tell where one ends."""
    towns = nx.relabel_nodes(nx.cycle_graph(3), {0: "New York", 1: "Los Angeles", 2: "Boston"})
    nx.set_edge_attributes(towns, 2.0, "weight")
    text = "\n".join(nx.generate_edgelist(towns, delimiter=delimiter, data=["weight"]))
    family = family_named("maxcut")
    with pytest.raises(InvalidInput, match=r"the line has \d fields. Name nodes without blanks") as refused:
        family.parsers["named_edges"](text, family.options(), "towns.edgelist")
    assert refused.value.line == 1
