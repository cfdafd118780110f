"""Objects of a notebook as the files that a specification names: a graph as a table of edges, a circuit as OpenQASM 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.errors import InvalidInput

if TYPE_CHECKING:
    import networkx as nx
    from qiskit import QuantumCircuit


def edges_as_csv(graph: nx.Graph[Any]) -> str:
    """Return a graph as the format `csv_edges`; nodes keep their names.

    Raises:
        InvalidInput: it has no edges, or nodes without any, which the format does not know.
    """
    import csv
    import io

    if not graph.number_of_edges():
        raise InvalidInput("the graph has no edges", remedy="Give a graph with at least one.", field="graph")
    if alone := [str(node) for node, degree in graph.degree if not degree]:
        raise InvalidInput(
            f"nodes without an edge cannot be given as a graph: {', '.join(alone[:5])}",
            remedy="Leave them out, or write a file in a format that has nodes; nothing that they do depends on the others.",
            field="graph",
        )
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["i", "j", "weight"])
    writer.writerows([str(u), str(v), repr(float(weight))] for u, v, weight in graph.edges(data="weight", default=1.0))
    return out.getvalue()


def openqasm(
    circuit: QuantumCircuit | Callable[..., Any], graph: nx.Graph[Any] | None, angles: Mapping[str, int] | None
) -> tuple[str, list[str]]:
    """Return a circuit as OpenQASM 3, and the names of the variables that its qubits are, where they are known.

    Raises:
        InvalidInput: it is not one, or cannot be written.
    """
    from qiskit import QuantumCircuit, qasm3

    # Qubit i is node i, whatever the order of the edges.
    variables = [] if graph is None else [str(node) for node in graph.nodes]
    if not isinstance(circuit, QuantumCircuit):
        if not callable(circuit):
            raise InvalidInput(
                f"a {type(circuit).__name__} is not a circuit that can be read",
                remedy="Give a Qiskit circuit, a QNode or a function, or write OpenQASM to a file and name it in problem.circuit.",
                field="circuit",
            )
        from qhybrid_pipelines.quantum.circuit_functions import circuit_from_function

        nodes = None if graph is None else list(graph.nodes)
        recorded = circuit_from_function(circuit, angles=angles, nodes=nodes)
        circuit = recorded.circuit
        if not variables and recorded.wires and not all(isinstance(wire, int) for wire in recorded.wires):
            variables = [str(wire) for wire in recorded.wires]
    elif angles is not None:
        raise InvalidInput(
            "a Qiskit circuit says itself which angles it has",
            remedy="Leave `angles` out; it belongs to a function.",
            field="angles",
        )
    try:
        text: str = qasm3.dumps(circuit)
    except qasm3.QASM3ExporterError as error:
        raise InvalidInput(
            f"the circuit cannot be written as OpenQASM 3: {error}", remedy="Decompose it first.", field="circuit"
        ) from None
    return text, variables


def feature_inputs(arguments: Sequence[str], angles: Mapping[str, int]) -> list[str]:
    """Return the inputs that a function's arguments become in the text of its circuit; one for each number of an array.

    Examples:
        >>> feature_inputs(["x", "bias"], {"x": 2, "w": 6})
        ['x_0', 'x_1', 'bias']
    """
    from qhybrid_pipelines.quantum.pennylane_recorder import inputs

    return [
        name
        for argument in arguments
        for name in ([one.name for one in inputs(argument, angles[argument])] if argument in angles else [argument])
    ]
