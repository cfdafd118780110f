"""The command: printed or written, relative to where the page lies, never over a file that is there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.problems.registry import all_families


def invoke(*words: object):
    return CliRunner().invoke(app, ["new", *map(str, words)])


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    file = tmp_path / "graph.mc"
    file.write_text("3 2\n1 2 1\n2 3 1\n")
    return file


def test_without_words_the_families_are_listed_and_the_tasks_without_a_problem() -> None:
    result = invoke()
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [*all_families(), "qml", "sampling"]


@pytest.mark.parametrize(("word", "kind"), [("qml", LearningSpec), ("sampling", SamplingSpec)])
def test_a_task_without_a_problem_has_a_page_that_is_a_specification(word: str, kind: type) -> None:
    result = invoke(word)
    assert result.exit_code == 0
    assert isinstance(kind.model_validate(yaml.safe_load(result.stdout)), kind)


def test_a_page_names_its_file_from_where_it_lies(graph: Path) -> None:
    page = graph.parent / "pages" / "page.yaml"
    page.parent.mkdir()
    assert invoke(graph, "-o", page).exit_code == 0
    problem = yaml.safe_load(page.read_text())["problem"]
    assert (page.parent / problem["source"]).resolve() == graph
    assert (problem["family"], problem["format"]) == ("maxcut", "rudy")


def test_nothing_is_overwritten(graph: Path) -> None:
    page = graph.with_name("page.yaml")
    page.write_text("mine")
    assert isinstance(invoke(graph, "-o", page).exception, InvalidInput)
    assert page.read_text() == "mine"


@pytest.mark.parametrize(
    "words", [["maxcutt"], ["maxcut", "qubo"], ["maxcut", "--option", "sense"], ["--option", "=1", "GRAPH"]]
)
def test_wrong_words_are_refused(graph: Path, words: list[str]) -> None:
    given = [str(graph) if word == "GRAPH" else word for word in words]
    result = invoke(*given, *([graph] if "--option" in words and "GRAPH" not in words else []))
    assert isinstance(result.exception, InvalidInput)


def test_an_option_is_read_as_a_page_would_read_it(tmp_path: Path) -> None:
    file = tmp_path / "f.qubo"
    file.write_text("p qubo 0 1 1 0\n0 0 1\n")
    result = invoke(file, "--option", "sense=max", "--option", "best_known=2.5")
    assert yaml.safe_load(result.stdout)["problem"]["options"] == {"sense": "max", "best_known": 2.5}
