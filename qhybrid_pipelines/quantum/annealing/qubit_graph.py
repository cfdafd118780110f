"""The qubit graph of an annealer: which qubits work, which of them are coupled, and how strongly they can be driven."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import networkx as nx

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class QubitGraph:
    """The working qubits and couplers of one device, as it states them itself.

    Attributes:
        graph_id: the vendor's name for exactly this set of qubits and couplers; another set has another name.
        family: how the qubits are laid out.
        shape: of the layout in the vendor's order, for example ``(12, 4)`` for a Zephyr graph.
        qubits: numbers of the working qubits, ascending.
        couplers: pairs of them, ``i < j``, shape ``(m, 2)``, sorted, without repeats.
        field_range: smallest and largest field ``h`` of a qubit, in units of the machine.
        coupling_range: smallest and largest coupling ``J`` between two chains, same units.
        chain_coupling_low: strongest ferromagnetic coupling within a chain, same units; negative.
        coupling_sum_range: smallest and largest sum of the couplings at one qubit, same units; None where it is not limited.
    """

    graph_id: str
    family: Literal["zephyr", "pegasus", "chimera"]
    shape: tuple[int, ...]
    qubits: I64
    couplers: I64
    field_range: tuple[float, float] = (-4.0, 4.0)
    coupling_range: tuple[float, float] = (-1.0, 1.0)
    chain_coupling_low: float = -2.0
    coupling_sum_range: tuple[float, float] | None = None

    @cached_property
    def coupler_keys(self) -> I64:
        """One number per coupler, ascending: ``i * stride + j``."""
        return self.couplers[:, 0] * self.stride + self.couplers[:, 1]

    @property
    def stride(self) -> int:
        """A number above every qubit's."""
        return int(self.qubits[-1]) + 1 if len(self.qubits) else 1

    def as_networkx(self) -> nx.Graph[Any]:
        """Return the graph as D-Wave's generators make it, attributes included, with this device's qubits and couplers only."""
        from dwave.graphs import chimera_graph, pegasus_graph, zephyr_graph

        make = {"zephyr": zephyr_graph, "pegasus": pegasus_graph, "chimera": chimera_graph}[self.family]
        couplers = [tuple(pair) for pair in self.couplers.tolist()]
        graph: nx.Graph[Any] = make(*self.shape, node_list=self.qubits.tolist(), edge_list=couplers)
        return graph
