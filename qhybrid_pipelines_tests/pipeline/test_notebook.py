"""From Python: the examples of the page run, and mean the same experiments as the command line does."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import networkx as nx
import pytest
from qiskit import QuantumCircuit

import qhybrid_pipelines as qh
from qhybrid_pipelines import notebook
from qhybrid_pipelines.core.errors import InvalidInput, MissingUpstream
from qhybrid_pipelines_tests.support import experiment_homes

pytestmark = [experiment_homes.RUNS_IN_PROCESS, pytest.mark.slow]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
PROBLEM = {"family": "maxcut", "source": "networkx:petersen"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Everything that the page does, in a folder of its own: the names it leaves behind."""
    folder = tmp_path_factory.mktemp("notebook")
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("QHYBRID_HOME", raising=False)
        for block in BLOCKS:
            exec(block, names)
        yield folder, names


def test_the_page_leaves_what_it_says(ran):
    folder, names = ran
    assert len(BLOCKS) == 5
    assert names["classifier"].specification["circuit"]["data"] == ["x_0", "x_1"]
    assert names["experiment"].verdict["best_classical"].tolist() == [12.0]
    assert names["counts"].column("count").to_pandas().sum() == 2 * 2 * 256
    assert sorted(names["table"]["experiment"]) == sorted([names["experiment"].key, names["own"].key])
    assert names["later"].key == names["experiment"].key
    assert (folder / "data" / "ledger.db").is_file()


def test_the_answer_is_the_best_cut_of_the_graph(ran):
    """By hand: dan and one of the triangle's ends against eve; 2 + 1.5 + 3 is the largest cut."""
    _, names = ran
    side = dict(zip(names["own"].answer["variable"], names["own"].answer["value"], strict=True))
    cut = sum(w for u, v, w in names["graph"].edges(data="weight") if side[u] != side[v])
    assert cut == names["own"].verdict["final_objective"][0] == 6.5


def test_a_file_that_to_yaml_wrote_has_the_same_key_on_the_command_line(ran, tmp_path):
    _, names = ran
    path = tmp_path / "spec.yaml"
    path.write_text(names["own"].to_yaml())
    assert names["own"]._launcher.workspace.registration.register_file(path).key == names["own"].key


def test_a_function_is_the_circuit_that_it_is(ran):
    _, names = ran
    problem = names["function"].specification["problem"]
    assert problem["circuit_variables"] == ["ann", "bob", "eve", "dan"]
    text = Path(problem["circuit"]).read_text()
    assert all(f"input float[64] {name};" in text for name in ("beta", "gammas_0", "gammas_1"))
    assert text.count("rzz(gammas_0)") == text.count("rzz(gammas_1)") == 4
    loaded = qh.load(names["function"].key)
    assert qh.Experiment.from_yaml(loaded.to_yaml()).key == names["function"].key


def test_figures_are_those_of_the_report(ran):
    folder, names = ran
    assert (folder / "solver-results.svg").read_text() == names["experiment"].figures["solver-results"].svg
    assert "solver-results" in names["own"].figures
    assert len(names["experiment"].figures._repr_html_()) > 1000


def test_it_shows_itself_in_a_notebook(ran, tmp_path):
    _, names = ran
    assert names["experiment"].key in names["experiment"]._repr_html_()
    assert "not registered yet" in qh.Experiment(PROBLEM, name="new", home=tmp_path)._repr_html_()


def test_examples_in_docstrings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QHYBRID_HOME", raising=False)
    found = doctest.testmod(notebook, optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    assert found.failed == 0
    named = {
        test.name.removeprefix("qhybrid_pipelines.notebook.")
        for test in doctest.DocTestFinder().find(notebook)
        if test.examples
    }
    assert named >= {"Experiment", "Experiment.to_yaml", "Experiment.from_yaml", "load", "results"}, (
        "each public entry has an example"
    )


def test_nodes_keep_their_place_whatever_the_order_of_the_edges(tmp_path):
    graph = nx.Graph()
    graph.add_nodes_from("abc")
    graph.add_edges_from([("c", "b"), ("b", "a")])
    circuit = QuantumCircuit(3)
    circuit.h(range(3))
    circuit.measure_all()
    experiment = qh.Experiment({"family": "maxcut"}, name="order", graph=graph, circuit=circuit, home=tmp_path)
    assert experiment.specification["problem"]["circuit_variables"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"shotz": 3}, "field 'shotz': unknown field. Did you mean shots"),
        ({"shots": 0}, "shots"),
        ({"graph": nx.path_graph(2)}, "problem.source is given twice"),
        ({"circuit": "h q[0];"}, "a str is not a circuit"),
        ({"data": ["x"]}, "no circuit is trained here"),
        ({"data": ["x"], "circuit": QuantumCircuit(2)}, "no circuit is trained here"),
    ],
)
def test_wrong_input_is_one_sentence(arguments, words, tmp_path):
    with pytest.raises(InvalidInput, match=re.escape(words)):
        qh.Experiment(PROBLEM, name="wrong", home=tmp_path, **arguments)


@pytest.mark.parametrize(
    ("graph", "words"), [(nx.empty_graph(3), "no edges"), (nx.Graph([(1, 2)]), "nodes without an edge")]
)
def test_a_graph_that_cannot_be_written(graph, words, tmp_path):
    if graph.number_of_edges():
        graph.add_node(3)
    with pytest.raises(InvalidInput, match=words):
        qh.Experiment({"family": "maxcut"}, name="wrong", graph=graph, home=tmp_path)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="is not registered"):
        qh.load("nothing", home=tmp_path)
    with pytest.raises(InvalidInput, match="there is no warehouse yet"):
        qh.results("SELECT 1", home=tmp_path)
    with pytest.raises(MissingUpstream):
        _ = qh.Experiment(PROBLEM, name="not run", home=tmp_path).answer
