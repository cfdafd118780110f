"""From `problem:` to an instance: files by content, bundled graphs, generators; and what is refused on the way."""

from __future__ import annotations

import os

import pytest

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import FileSource, ProblemSpec
from qhybrid_pipelines.problems import sources
from qhybrid_pipelines.problems.formats.lines import MAX_BYTES

TRIANGLE = b"3 3\n1 2 1\n2 3 1\n1 3 1\n"


def spec(source, family="maxcut", **more):
    return ProblemSpec.model_validate({"family": family, "source": source, **more})


def load(problem):
    def no_file(source):
        raise AssertionError(source)

    return sources.load_instance(problem, no_file)


def refusal(problem, folder=None, read_bytes=None):
    with pytest.raises(InvalidInput) as caught:
        sources.register_source(problem, folder, read_bytes) if folder else load(problem)
    assert caught.value.remedy
    return caught.value


def test_a_path_becomes_name_and_hash_and_its_content_counts(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "triangle.rud").write_bytes(TRIANGLE)
    problem, data = sources.register_source(spec("sub/triangle.rud", options={"best_known": 2}), tmp_path)
    assert problem.source == FileSource(file="triangle.rud", sha256=sha256_hex(TRIANGLE))
    assert (problem.format, data) == ("rudy", TRIANGLE)
    (tmp_path / "sub" / "triangle.rud").unlink()
    instance = sources.load_instance(problem, lambda source: {problem.source.sha256: TRIANGLE}[source.sha256])
    assert (instance.name, instance.source, instance.best_known) == ("triangle", "file:triangle.rud", 2.0)
    assert sources.register_source(problem, tmp_path, lambda _: TRIANGLE) == (problem, None)
    assert sources.register_source(problem, tmp_path) == (problem, None)


def test_an_absolute_path_and_a_declared_format(tmp_path):
    path = tmp_path / "triangle.txt"
    path.write_bytes(TRIANGLE)
    problem, _ = sources.register_source(spec(str(path), format="rudy"), tmp_path / "elsewhere")
    assert problem.source.file == "triangle.txt"


def test_the_same_graph_by_two_formats_is_the_same_instance(tmp_path):
    (tmp_path / "a.rud").write_bytes(TRIANGLE)
    (tmp_path / "b.gph").write_bytes(b"\xef\xbb\xbfc no\r\np edge 3 3\r\ne 3 1\r\ne 2 1\r\ne 3 2\r\n")
    hashes = set()
    for name, fmt in (("a.rud", None), ("b.gph", "dimacs_edge")):
        problem, data = sources.register_source(spec(name, format=fmt), tmp_path)
        hashes.add(sources.load_instance(problem, lambda _, data=data: data).sha256)
    assert len(hashes) == 1


def test_bundled_graphs_and_generators_pass_unchanged(tmp_path):
    for source, name, shown in (
        ("networkx:petersen", "petersen", "networkx:petersen"),
        (
            {"generator": "random_regular", "nodes": 8, "degree": 3, "seed": 7},
            "random_regular-n8-d3-s7",
            "generator:random_regular",
        ),
    ):
        problem = spec(source, options={"best_known": 12.0})
        assert sources.register_source(problem, tmp_path) == (problem, None)
        instance = load(problem)
        assert (instance.name, instance.source, instance.best_known) == (name, shown, 12.0)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("missing.rud", "no file"),
        ("folder", "regular file"),
        ("pipe", "regular file"),
        (".", "regular file"),
        ("..", "is not a file name"),
        ("", "regular file"),
        ("a\x00b.rud", "is not a file name"),
        ("new\nline.rud", "is not a file name"),
        ("x" * 300 + ".rud", "cannot be read"),
        ("triangle.rud/more", "cannot be read"),
        ("http://example.org/g.rud", "no file"),
        ("networkx:karate", "no bundled graph"),
        ("networkx:../petersen", "no bundled graph"),
    ],
)
def test_sources_that_are_not_there(tmp_path, source, words):
    (tmp_path / "folder").mkdir()
    (tmp_path / "triangle.rud").write_bytes(TRIANGLE)
    os.mkfifo(tmp_path / "pipe")
    error = refusal(spec(source), tmp_path)
    assert error.field == "problem.source"
    assert words in error.problem


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "big.rud").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "50 MB" in str(refusal(spec("big.rud"), tmp_path))


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", None, "empty"),
        (b"PK\x03\x04rest", None, "zip"),
        (b"3 3\n1 2 1\n2 3 1\n", 3, "half-written"),
        (b"3 1\n1 1 1\n", 2, "itself"),
        (b"3 1\n1 2 0\n", None, "weight 0"),
        (b"3 0\n", None, "no edges"),
    ],
)
def test_nothing_wrong_gets_in(tmp_path, content, line, words):
    (tmp_path / "wrong.rud").write_bytes(content)
    error = refusal(spec("wrong.rud"), tmp_path)
    assert (error.file, error.line) == ("wrong.rud", line)
    assert words in str(error)


def test_formats_are_declared_or_known_by_their_ending(tmp_path):
    (tmp_path / "g.txt").write_bytes(TRIANGLE)
    error = refusal(spec("g.txt"), tmp_path)
    assert error.field == "problem.format"
    assert "rudy" in error.remedy
    assert refusal(spec("g.txt", format="tsplib"), tmp_path).field == "problem.format"
    assert refusal(spec("networkx:petersen", format="rudy")).field == "problem.format"


@pytest.mark.parametrize(
    ("problem", "field"),
    [
        (spec("networkx:petersen", family="knapsack"), "problem.family"),
        (spec("networkx:petersen", options={"colour": 3}), "problem.options.colour"),
        (spec("networkx:petersen", options={"best_known": "12"}), "problem.options.best_known"),
        (spec("networkx:petersen", options={"index_base": 2}), "problem.options.index_base"),
        (spec("graph.rud"), "problem.source"),
        (spec({"generator": "complete"}), "problem.source.generator"),
        (spec({"generator": "random_regular", "nodes": 8}), "problem.source.degree"),
        (spec({"generator": "random_regular", "nodes": 8, "degree": "3"}), "problem.source.degree"),
        (spec({"generator": "random_regular", "nodes": 8, "degree": 3, "weights": 1}), "problem.source.weights"),
        (spec({"generator": "random_regular", "nodes": 7, "degree": 3}), "problem.source"),
        (spec({"generator": "random_regular", "nodes": 10**9, "degree": 3}), "problem.source.nodes"),
        (
            spec({"generator": "torus", "rows": 3, "columns": 3}, options={"duplicates": "sum"}),
            "problem.options.duplicates",
        ),
    ],
)
def test_wrong_fields_are_named(problem, field):
    assert refusal(problem).field == field


def test_a_copy_that_changed_is_noticed():
    source = FileSource(file="g.rud", sha256=sha256_hex(TRIANGLE))
    problem = ProblemSpec(family="maxcut", source=source, format="rudy")
    with pytest.raises(InvalidInput, match="not what was registered"):
        sources.load_instance(problem, lambda _: TRIANGLE.replace(b"1 3 1", b"1 3 9"))


def test_a_name_cannot_lead_out_of_its_folder():
    for name in ("../g.rud", "a/b.rud", "a\\b.rud", "..", ""):
        problem = ProblemSpec(family="maxcut", source=FileSource(file=name, sha256="0" * 64), format="rudy")
        assert refusal(problem).field == "problem.source"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("g05_60.0.mc", ("maxcut", "rudy")),
        ("toroidal.RUD", ("maxcut", "rudy")),
        ("bqp50-1.sparse", ("qubo", "biqmac_sparse")),
        ("farm.gph", ("independent_set", "dimacs_edge")),
        ("queen5_5.col", ("independent_set", "dimacs_edge")),
        ("ms_03_050_002.dat", ("market_split", "qoblib_market_split")),
        ("G1.txt", None),
        ("edges.csv", None),
        ("model.lp", None),
        ("noending", None),
        (".mc", None),
    ],
)
def test_only_endings_without_doubt_are_guessed(name, expected):
    assert sources.guess_format(name) == expected
