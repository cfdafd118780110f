"""What families on graphs share: options, the formats of files, and generators that make an instance of a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel, Field

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import name_without_ending
from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel
from qhybrid_pipelines.problems.family import Parser
from qhybrid_pipelines.problems.formats import (
    csv_edges,
    dimacs_edge,
    edge_list,
    metis,
    named_edges,
    network_files,
    number_table,
    rudy,
)
from qhybrid_pipelines.problems.formats.pairs import Duplicates
from qhybrid_pipelines.problems.graphs import WeightedGraph, complement
from qhybrid_pipelines.problems.instance import Instance

Parameters = TypeVar("Parameters", bound=BaseModel)
GraphGenerator = tuple[type[BaseModel], Callable[[BaseModel], Instance]]


#: Endings of files that hold a graph in one format and nothing else.
GRAPH_SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        ".mc": "rudy",
        ".rud": "rudy",
        ".gset": "rudy",
        ".gph": "dimacs_edge",
        ".col": "dimacs_edge",
        ".clq": "dimacs_edge",
        ".edgelist": "named_edges",
        ".graphml": "graphml",
        ".gml": "gml",
        ".gexf": "gexf",
        ".g6": "graph6",
        ".mtx": "matrix_market",
        ".metis": "metis",
    }
)


class GraphOptions(StrictModel):
    """What a specification may say about a graph, whatever the family."""

    best_known: float | None = Field(default=None, description="Best known objective, where a source states one.")
    index_base: Literal[0, 1] | None = Field(
        default=None, description="For format edge_list: 0 or 1, the number that the file counts nodes from."
    )
    duplicates: Duplicates = Field(
        default="refuse", description="An edge that a file names twice: refuse | once (if equal) | sum."
    )
    columns: str | None = Field(
        default=None,
        description="For format csv_edges: the columns of the two ends and perhaps of the weight, for example "
        "from,to,minutes; without it the header is i,j[,weight] or source,target[,weight].",
    )
    complement: bool = Field(
        default=False,
        description="true: the edges are those that the file does not have, of weight 1; files of the clique benchmarks "
        "state the greatest clique, which is an independent set of the complement.",
    )


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


def graph_parsers(make_instance: MakeInstance) -> Mapping[str, Parser]:
    """Return format name -> parser for a family on graphs."""

    def parser(name: str) -> Parser:
        def parse(text: str, options: BaseModel, file: str) -> Instance:
            assert isinstance(options, GraphOptions)
            if name != "edge_list":
                refuse_index_base(options.index_base)
            if name != "csv_edges" and options.columns is not None:
                raise InvalidInput(
                    "columns are named for format csv_edges only",
                    remedy="Remove them.",
                    field="problem.options.columns",
                )
            graph = _READERS[name](text, file, options)
            if options.complement:
                graph = complement(graph)
            return make_instance(
                graph, name=name_without_ending(file), source=f"file:{file}", best_known=options.best_known
            )

        return parse

    return MappingProxyType({name: parser(name) for name in _READERS})


def _columns(text: str | None) -> tuple[str, ...] | None:
    """Return the names of the columns that an option lists."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if len(names) not in (2, 3) or not all(names) or len(set(names)) != len(names):
        raise InvalidInput(
            f"{text!r} does not name two or three columns",
            remedy="Write for example from,to or from,to,minutes.",
            field="problem.options.columns",
        )
    return names


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


_READERS: Mapping[str, Callable[[str, str, GraphOptions], WeightedGraph]] = MappingProxyType(
    {
        "rudy": lambda text, file, options: rudy.read(text, file=file, duplicates=options.duplicates),
        "edge_list": lambda text, file, options: read_edge_list(
            text, file=file, index_base=options.index_base, duplicates=options.duplicates
        ),
        "named_edges": lambda text, file, options: named_edges.read(text, file=file, duplicates=options.duplicates),
        "dimacs_edge": lambda text, file, options: dimacs_edge.read(text, file=file, duplicates=options.duplicates),
        "csv_edges": lambda text, file, options: csv_edges.read(
            text,
            file=file,
            duplicates=options.duplicates,
            columns=_columns(options.columns),
        ),
        "adjacency_csv": lambda text, file, _: number_table.read_graph(text, file=file),
        "metis": lambda text, file, _: metis.read(text, file=file),
        **{
            name: lambda text, file, _, name=name: network_files.reader(name)(text, file)  # type: ignore[misc]
            for name in network_files.FORMATS
        },
    }
)

#: The formats that every family on graphs reads.
GRAPH_FORMATS = frozenset(_READERS)
