"""Graph formats: the same graph from each of them, published files, and every wrong file with line and remedy."""

from __future__ import annotations

import csv
import io
from operator import attrgetter

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats import csv_edges, dimacs_edge, edge_list, rudy
from qhybrid_pipelines.problems.formats.lines import decode_text
from qhybrid_pipelines_tests.support import known_optima
from qhybrid_pipelines_tests.support.instance_files import instance_files, named


@st.composite
def graphs(draw):
    """Size, and (i, j, weight) with i < j."""
    size = draw(st.integers(2, 12))
    pairs = [(i, j) for i in range(size) for j in range(i + 1, size)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1))
    weight = st.floats(-1e6, 1e6, allow_nan=False).filter(bool) | st.integers(-9, 9).map(float)
    return size, [(i, j, draw(weight)) for i, j in chosen]


def listed(graph):
    return [(i, j, w) for (i, j), w in zip(graph.edges.tolist(), graph.weights.tolist(), strict=True)]


@settings(deadline=None)
@given(graphs(), st.randoms(use_true_random=False), st.sampled_from(["\n", "\r\n"]))
def test_rudy_and_edge_lists_give_back_the_graph_whatever_the_order(graph, random, end):
    size, edges = graph
    shuffled = [edge if random.random() < 0.5 else (edge[1], edge[0], edge[2]) for edge in edges]
    random.shuffle(shuffled)
    for base in (0, 1):
        lines = [f"{i + base} {j + base} {w!r}" for i, j, w in shuffled]
        text = decode_text(("\ufeff# licence" + end + end.join([str(size), *lines])).encode(), file="f")
        found = edge_list.read(text, file="f", index_base=base)
        assert listed(found) == sorted(edges)
        assert found.nodes == tuple(map(str, range(base, size + base)))
        with_count = text.replace(f"{size}\n", f"{size} {len(edges)}\n", 1)
        assert listed(edge_list.read(with_count, file="f", index_base=base)) == sorted(edges)
    text = decode_text((end.join([f"{size} {len(edges)}", *lines]) + end).encode(), file="f")
    assert listed(rudy.read(text, file="f")) == sorted(edges)


@settings(deadline=None)
@given(graphs(), st.booleans())
def test_dimacs_gives_back_edges_and_node_weights(graph, weighted):
    size, edges = graph
    lines = ["c a comment", "# another", f"p edge {size} {len(edges)}", *(f"e {j + 1} {i + 1}" for i, j, _ in edges)]
    if weighted:
        lines += ["n 2 -2.5"]
    found = dimacs_edge.read("\n".join(lines), file="f")
    assert listed(found) == sorted((i, j, 1.0) for i, j, _ in edges)
    if weighted:
        assert found.node_weights.tolist() == [-2.5 if node == 1 else 1.0 for node in range(size)]
    else:
        assert found.node_weights is None


names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8)


@settings(deadline=None)
@given(graphs(), st.data())
def test_csv_gives_back_free_names(graph, data):
    size, edges = graph
    label = data.draw(
        st.lists(names.filter(lambda n: not n.startswith("#")), min_size=size, max_size=size, unique=True)
    )
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([("i", "j", "weight"), *((label[i], label[j], repr(w)) for i, j, w in edges)])
    found = csv_edges.read(buffer.getvalue(), file="f")
    order = list(dict.fromkeys(label[node] for i, j, _ in edges for node in (i, j)))
    assert found.nodes == tuple(order)
    expected = {frozenset((label[i], label[j])): w for i, j, w in edges}
    assert {frozenset((order[i], order[j])): w for i, j, w in listed(found)} == expected


def test_csv_without_weights_and_with_comments():
    found = csv_edges.read('# licence\nI, J\na, "b, c"\n\nb,a\n', file="f")
    assert found.nodes == ("a", "b, c", "b")
    assert listed(found) == [(0, 1, 1.0), (0, 2, 1.0)]


def test_the_weight_may_be_left_out_of_all_lines():
    assert listed(rudy.read("3 2\n1 2\n2 3", file="f")) == [(0, 1, 1.0), (1, 2, 1.0)]


RUDY, EDGES, DIMACS, CSV = (
    rudy.read,
    lambda text, **kw: edge_list.read(text, index_base=0, **kw),
    dimacs_edge.read,
    csv_edges.read,
)

WRONG = {
    "header announces too much": (RUDY, "3 3\n1 2 1\n2 3 1\n", 3, "2 of 3 edges"),
    "header announces too little": (RUDY, "3 1\n1 2 1\n2 3 1\n", 3, "announces 1"),
    "index 0 where counting starts at 1": (RUDY, "3 2\n0 1 1\n1 2 1\n", 2, "index_base: 0"),
    "index above n": (RUDY, "3 1\n1 9 1\n", 2, "outside 1 to 3"),
    "self-loop": (RUDY, "3 2\n1 2 1\n2 2 1\n", 3, "itself"),
    "repeated edge": (RUDY, "3 2\n1 2 1\n1 2 1\n", 3, "already in line 2, with the same"),
    "reversed repeat with another weight": (RUDY, "3 2\n1 2 1\n2 1 5\n", 3, "already in line 2, with another"),
    "NaN": (RUDY, "3 1\n1 2 nan\n", 2, "finite"),
    "infinity": (RUDY, "3 1\n1 2 inf\n", 2, "finite"),
    "decimal comma": (RUDY, "3 1\n1 2 0,5\n", 2, "decimal point"),
    "half a line at the end": (RUDY, "3 2\n1 2 1\n2 3", 3, "half-written"),
    "one field at the end": (RUDY, "3 2\n1 2 1\n2", 3, "half-written"),
    "too many fields": (RUDY, "3 1\n1 2 1 1\n", 2, "4 fields"),
    "no edge count": (RUDY, "3\n1 2 1\n", 1, "edge_list"),
    "header with words": (RUDY, "3 1 2\n1 2 1\n", 1, "two numbers"),
    "header in text": (RUDY, "nodes 3\n1 2 1\n", 1, "integer"),
    "no nodes": (RUDY, "0 0\n", 1, "from 1"),
    "a billion nodes": (RUDY, "1000000000 1\n1 2 1\n", 1, "100000"),
    "negative edge count": (RUDY, "3 -1\n1 2 1\n", 1, "number of edges is -1"),
    "1-based file declared 0-based": (EDGES, "3\n1 2\n2 3\n", 3, "index_base: 1"),
    "half an edge": (EDGES, "3\n0 1\n2\n", 3, "half-written"),
    "weights on some lines": (EDGES, "3\n0 1\n1 2 4\n", 3, "every edge"),
    "header with three fields": (EDGES, "0 1 1\n1 2 1\n", 1, "3 fields"),
    "edge count is checked where given": (EDGES, "3 3\n0 1\n", 2, "1 of 3"),
    "no p line": (DIMACS, "e 1 2\n", 1, "p edge"),
    "only comments": (DIMACS, "c nothing\n", None, "p edge"),
    "p line of another problem": (DIMACS, "p cnf 3 1\ne 1 2\n", 1, "four fields"),
    "second p line": (DIMACS, "p edge 3 1\np edge 3 1\ne 1 2\n", 2, "not `e i j`"),
    "unknown letter": (DIMACS, "p edge 3 1\nx 1 2\n", 2, "not `e i j`"),
    "weighted edge": (DIMACS, "p edge 3 1\ne 1 2 5\n", 2, "rudy"),
    "missing edges": (DIMACS, "p edge 3 2\ne 1 2\n", 2, "1 of 2"),
    "two weights for a node": (DIMACS, "p edge 3 1\ne 1 2\nn 1 2\nn 1 2\n", 4, "one weight"),
    "both directions listed": (DIMACS, "p edge 3 2\ne 1 2\ne 2 1\n", 3, "once"),
    "other header": (CSV, "from,to,cost\na,b,1\n", 1, "'i,j,weight'"),
    "semicolons": (CSV, "i;j;weight\na;b;0,5\n", 1, "semicolons"),
    "decimal comma in CSV": (CSV, "i,j,weight\na,b,0,5\n", 2, "point"),
    "missing field": (CSV, "i,j,weight\na,b\n", 2, "half-written"),
    "missing name": (CSV, "i,j,weight\na,,1\n", 2, "is not a name"),
    "control character": (CSV, "i,j,weight\na,b\x07,1\n", 2, "is not a name"),
    "long name": (CSV, f"i,j,weight\na,{'b' * 201},1\n", 2, "is not a name"),
    "open quote": (CSV, 'i,j,weight\n"a,b,1\n', 3, "quotes"),
    "self-loop in CSV": (CSV, "i,j,weight\na,a,1\n", 2, "itself"),
    "no CSV at all": (CSV, "# nothing\n", None, "i,j,weight"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_name_line_and_remedy(case):
    read, text, line, words = WRONG[case]
    with pytest.raises(InvalidInput) as caught:
        read(text, file="problem.txt")
    error = caught.value
    assert (error.file, error.line) == ("problem.txt", line), str(error)
    assert words in f"{error.problem} {error.remedy}"
    assert error.remedy.endswith(".")


def test_repeats_by_declared_policy():
    text = "3 3\n1 2 1.5\n2 1 1.5\n2 3 1\n"
    assert listed(rudy.read(text, file="f", duplicates="sum")) == [(0, 1, 3.0), (1, 2, 1.0)]
    assert listed(rudy.read(text, file="f", duplicates="once")) == [(0, 1, 1.5), (1, 2, 1.0)]
    with pytest.raises(InvalidInput, match="another weight"):
        rudy.read("2 2\n1 2 1\n2 1 2\n", file="f", duplicates="once")
    assert listed(rudy.read("2 2\n1 2 1\n2 1 2\n", file="f", duplicates="sum")) == [(0, 1, 3.0)]


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(known_optima.random_graph(800, 19176, seed=1), id="random"),
        pytest.param(known_optima.planted_torus(100, 8, seed=1), id="torus"),
        pytest.param(known_optima.planted_triangles(800, 1500, seed=1), id="triangles"),
    ],
)
def test_large_rudy_files(graph):
    found = rudy.read(graph.rudy, file="g.rud")
    assert found.size == graph.size
    assert sorted(listed(found)) == sorted((min(i, j), max(i, j), float(weight)) for i, j, weight in graph.edges)


def test_a_rudy_file_and_its_optimum():
    file = named("torus4x4")
    graph = rudy.read(file.text, file="torus4x4.rud")
    assert (graph.size, set(graph.degrees.tolist()), set(graph.weights.tolist())) == (16, {4}, {-1.0, 1.0})
    edges = listed(graph)
    cuts = [sum(weight for i, j, weight in edges if (sides >> i ^ sides >> j) & 1) for sides in range(2**15)]
    assert max(cuts) == file.best_known == known_optima.planted_torus(4, 4, seed=1).optimum


@pytest.mark.parametrize(
    "file", [f for f in instance_files("maxcut") if f.format == "edge_list"], ids=attrgetter("instance")
)
def test_published_edge_lists(file):
    size, degree = (int(part) for part in file.instance.split("_")[1:3])
    graph = edge_list.read(file.text, file=file.instance, index_base=0)
    assert (graph.size, set(graph.degrees.tolist())) == (size, {degree})


@pytest.mark.parametrize(
    ("name", "vertices", "edges"),
    [
        *(("farm", 17, 39), ("karate", 34, 78), ("ibm32", 32, 90), ("chesapeake", 39, 170)),
        *(("johnson8-2-4", 28, 210), ("hamming6-4", 64, 704)),
    ],
)
def test_published_dimacs_files(name, vertices, edges):
    graph = dimacs_edge.read(named(name).text, file=name)
    assert (graph.size, len(graph.edges)) == (vertices, edges)
    # Three of them are known otherwise as well.
    ours = nx.Graph(graph.edges.tolist())
    if name == "karate":
        assert nx.utils.graphs_equal(ours, nx.Graph(nx.karate_club_graph().edges))
    if name == "johnson8-2-4":
        assert nx.is_isomorphic(ours, nx.kneser_graph(8, 2))
    if name == "hamming6-4":
        edges = {tuple(sorted(edge)) for edge in graph.edges.tolist()}
        assert edges == {(i, j) for i, j, _ in known_optima.distant_words(6, 4).edges}
