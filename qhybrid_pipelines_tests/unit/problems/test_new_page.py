"""A first page: every family has one that is registered as it stands; a file is believed only where one reader accepts it."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from qhybrid_pipelines.control.experiments.registration import Registration
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.new_page import page_of_family, page_of_file, recognise
from qhybrid_pipelines.problems.registry import all_families
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications

GRAPH = nx.petersen_graph()
ADJACENCY = nx.to_numpy_array(GRAPH)


@pytest.fixture
def registration(tmp_path: Path) -> Registration:
    return Registration(Specifications(Home(tmp_path / "home").make()), ["local:auto"])


@pytest.mark.parametrize("family", list(all_families()))
def test_the_example_of_a_family_is_taken_in_as_it_stands(
    registration: Registration, tmp_path: Path, family: str
) -> None:
    registered = registration.register_text(page_of_family(family), file="page.yaml", folder=tmp_path)
    assert registered.specification.problem.family == family
    assert registered.specification.sweep.strategy == "auto"


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


FILES = {
    "graph.mc": ("3 2\n1 2 1\n2 3 1\n", None, {}, ("maxcut", "rudy")),
    "graph.graphml": ("\n".join(nx.generate_graphml(GRAPH)), "independent_set", {}, ("independent_set", "graphml")),
    "graph.txt": ("\n".join(nx.generate_edgelist(GRAPH, data=["weight"])), "maxcut", {}, ("maxcut", "named_edges")),
    "graph.json": (json.dumps(nx.node_link_data(GRAPH, edges="edges")), "maxcut", {}, ("maxcut", "node_link")),
    "matrix.csv": ("\n".join(",".join(map(str, row)) for row in ADJACENCY), "qubo", {}, ("qubo", "matrix_csv")),
    "f.qubo": ("p qubo 0 2 2 1\n0 0 1\n1 1 2\n0 1 -3\n", None, {"sense": "max"}, ("qubo", "qbsolv")),
    "r.csv": ("day,a,b\n1,0.1,0.2\n2,0.3,0.1\n", None, {"cardinality": 1}, ("portfolio", "returns_csv")),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_recognised_and_its_page_is_taken_in(registration: Registration, tmp_path: Path, name: str) -> None:
    content, family, options, expected = FILES[name]
    found = recognise(written(tmp_path, name, content), family=family, options=options)
    assert (found.family, found.format) == expected
    registered = registration.register_text(page_of_file(found, name), file="page.yaml", folder=tmp_path)
    assert registered.specification.problem.format == expected[1]
    assert dict(registered.specification.problem.options) == options


def test_a_name_that_yaml_would_misread_stays_a_name(registration: Registration, tmp_path: Path) -> None:
    found = recognise(written(tmp_path, "yes #1: a.mc", "2 1\n1 2 1\n"))
    registered = registration.register_text(page_of_file(found, "yes #1: a.mc"), file="page.yaml", folder=tmp_path)
    assert registered.specification.problem.source.file == "yes #1: a.mc"
    plain = recognise(written(tmp_path, "yes.mc", "2 1\n1 2 1\n"))
    assert (
        registration.register_text(page_of_file(plain, "yes.mc"), file="p", folder=tmp_path).specification.name == "yes"
    )


WRONG = {
    "several families": ("g.graphml", "\n".join(nx.generate_graphml(GRAPH)), {}, "3 families read it"),
    "several formats": ("m.csv", "\n".join(",".join(map(str, row)) for row in ADJACENCY), {}, "can be read as"),
    "a missing option": ("f.qubo", "p qubo 0 1 1 0\n0 0 1\n", {}, "--option sense"),
    "nothing that is known": ("notes.txt", "buy milk and bread today\n", {}, "no reader accepts"),
    "an unknown family": ("g.mc", "2 1\n1 2 1\n", {"family": "maxcutt"}, "Did you mean maxcut"),
    "a format of many families": ("g.x", "2 1\n1 2 1\n", {"format_name": "rudy"}, "3 families"),
    "a wrong line of a named format": (
        "g.x",
        "2 1\n1 3 1\n",
        {"family": "maxcut", "format_name": "rudy"},
        "outside 1 to 2",
    ),
    "a large file": ("g.x", b"1" * 5_000_001, {}, "not tried with every reader"),
    "no file": (None, "", {}, "there is no file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_told_is_asked_and_never_guessed(tmp_path: Path, case: str) -> None:
    name, content, arguments, reason = WRONG[case]
    path = tmp_path / "missing" if name is None else written(tmp_path, name, content)
    with pytest.raises(InvalidInput) as caught:
        recognise(path, **arguments)
    assert reason in str(caught.value)


def test_binary_files_are_tried_too(tmp_path: Path) -> None:
    np.save(tmp_path / "q.npy", ADJACENCY)
    assert recognise(tmp_path / "q.npy").format == "npy"
    np.savez(tmp_path / "q.npz", ADJACENCY)
    assert recognise(tmp_path / "q.npz").format == "npz"
