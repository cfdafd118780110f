"""What families on graphs share: generators that make an instance of a graph, and the format `edge_list`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats import edge_list
from qhybrid_pipelines.problems.formats.pairs import Duplicates
from qhybrid_pipelines.problems.graphs import WeightedGraph
from qhybrid_pipelines.problems.instance import Instance

Parameters = TypeVar("Parameters", bound=BaseModel)
GraphGenerator = tuple[type[BaseModel], Callable[[BaseModel], Instance]]


class MakeInstance(Protocol):
    """A family's way from a graph to an instance."""

    def __call__(self, graph: WeightedGraph, *, name: str, source: str, best_known: float | None) -> Instance:
        """Return the instance; raise InvalidInput where the graph does not make one."""


def make_graph_generator(
    name: str,
    label: str,
    kind: type[Parameters],
    draw: Callable[[Parameters], WeightedGraph],
    make_instance: MakeInstance,
) -> GraphGenerator:
    """Return the entry of one generator: its parameters, and the function that makes an instance of them.

    Args:
        name: name of the generator.
        label: what follows the name in an instance's name, with the parameters' names in braces.
        kind: strict model of the parameters.
        draw: makes the graph.
        make_instance: makes the family's instance on it.
    """

    def make(parameters: BaseModel) -> Instance:
        assert isinstance(parameters, kind)
        full_name = f"{name}{label.format(**parameters.model_dump())}"
        return make_instance(draw(parameters), name=full_name, source=f"generator:{name}", best_known=None)

    return kind, make


def read_edge_list(text: str, *, file: str, index_base: Literal[0, 1] | None, duplicates: Duplicates) -> WeightedGraph:
    """Return the graph of a list of edges.

    Raises:
        InvalidInput: the index base is not declared, or a line is wrong.
    """
    if index_base is None:
        raise InvalidInput(
            "an edge list does not say whether it counts from 0 or from 1",
            remedy="Declare options.index_base: 0 or 1.",
            file=file,
            field="problem.options.index_base",
        )
    return edge_list.read(text, file=file, index_base=index_base, duplicates=duplicates)


def refuse_index_base(index_base: Literal[0, 1] | None) -> None:
    """Refuse an index base where a format fixes it, or where there is no file.

    Raises:
        InvalidInput: it is declared.
    """
    if index_base is not None:
        raise InvalidInput(
            "an index base is declared for format edge_list only",
            remedy="Remove it, or declare format: edge_list.",
            field="problem.options.index_base",
        )
