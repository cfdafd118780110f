"""What must hold in some optimum of a sum of non-negative terms, by a maximum flow in integers.

A posiform is a sum of terms ``c * u`` and ``c * u * v`` with ``c > 0``, where ``u`` and ``v`` are literals: a variable
or its negation. Its implication network has an arc for every "if ``u`` then not ``v``"; a maximum flow from "true" to
"false" removes as much of the terms as a bound can prove. Whatever literals can be made true together so that no
term that is left is touched without vanishing may be made true: no assignment gets worse by it.

Sources: E. Boros, P. L. Hammer, Discrete Applied Mathematics 123, 155 (2002), sections 5 and 6 (the network, strong
and weak persistency); Y. Iwata, K. Oka, Y. Yoshida, SODA 2014 (strongly connected components for the weak one).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

#: OR-Tools' maximum flow counts in signed 64 bits.
_MAX_CAPACITY = 2**61

#: Larger integers go through a flow in Python, which takes seconds beyond this many arcs.
_MAX_PYTHON_ARCS = 4000


@dataclass(slots=True)
class ImplicationNetwork:
    """The network of a posiform over ``size`` variables. Literal ``2 i`` is variable ``i``, ``2 i + 1`` its negation.

    Attributes:
        size: number of variables.
        tails: from which literal each arc goes; arcs come in pairs, each with its mirror (from not-head to not-tail).
        heads: to which literal.
        capacities: of each arc.
    """

    size: int
    tails: list[int] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)
    capacities: list[int] = field(default_factory=list)

    @property
    def true(self) -> int:
        """The literal that always holds; its negation never does."""
        return 2 * self.size

    def add_term(self, coefficient: int, first: int, second: int | None = None) -> None:
        """Add ``coefficient * first * second``, or ``coefficient * first``; 0 adds nothing.

        Raises:
            ValueError: the coefficient is negative.
        """
        if coefficient < 0:
            raise ValueError("a posiform has no negative terms")
        if coefficient:
            other = self.true if second is None else second
            self.tails += [first, other]
            self.heads += [other ^ 1, first ^ 1]
            self.capacities += [coefficient, coefficient]

    def persistent_literals(self) -> dict[int, int]:
        """Return variables with a value that they have together in some optimum; as many as this method can prove.

        Nothing where the integers are too large for a flow of this size.
        """
        flows = self._maximum_flow()
        if flows is None:
            return {}
        arcs = self._residual_arcs(flows)
        return self._close(arcs)

    def _maximum_flow(self) -> list[int] | None:
        """Return the flow on every arc; None where that would take too long."""
        if not self.tails:
            return []
        if sum(self.capacities) < _MAX_CAPACITY:
            return self._flow_in_64_bits()
        return self._flow_in_python() if len(self.tails) <= _MAX_PYTHON_ARCS else None

    def _flow_in_64_bits(self) -> list[int]:
        from ortools.graph.python import max_flow

        solver = max_flow.SimpleMaxFlow()
        arcs = solver.add_arcs_with_capacity(np.array(self.tails), np.array(self.heads), np.array(self.capacities))
        status = solver.solve(self.true, self.true + 1)
        if status != solver.OPTIMAL:
            raise RuntimeError(f"the maximum flow ended with status {status}")
        flows: list[int] = solver.flows(arcs).tolist()
        return flows

    def _flow_in_python(self) -> list[int]:
        """Return the same through NetworkX, whose flows are Python's integers; parallel arcs are filled in order."""
        import networkx as nx

        graph: Any = nx.DiGraph()
        graph.add_nodes_from((self.true, self.true + 1))
        for tail, head, capacity in zip(self.tails, self.heads, self.capacities, strict=True):
            before = graph[tail][head]["capacity"] if graph.has_edge(tail, head) else 0
            graph.add_edge(tail, head, capacity=before + capacity)
        _, flow = nx.maximum_flow(graph, self.true, self.true + 1, flow_func=nx.algorithms.flow.dinitz)
        flows = []
        for tail, head, capacity in zip(self.tails, self.heads, self.capacities, strict=True):
            pushed = min(capacity, flow[tail][head])
            flow[tail][head] -= pushed
            flows.append(pushed)
        return flows

    def _residual_arcs(self, flows: list[int]) -> npt.NDArray[np.int64]:
        """Return the implications that are left, shape ``(k, 2)``, after averaging the flow with its mirror."""
        left = []
        for first in range(0, len(flows), 2):
            both = flows[first] + flows[first + 1]
            for arc in (first, first + 1):
                tail, head = self.tails[arc], self.heads[arc]
                if both < 2 * self.capacities[arc]:
                    left.append((tail, head))
                if both > 0:
                    left.append((head, tail))
        return np.array(left, dtype=np.int64).reshape(-1, 2)

    def _close(self, arcs: npt.NDArray[np.int64]) -> dict[int, int]:
        """Make literals true, strong component after strong component, where all that they imply is true already."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        literals = self.true + 2
        graph = coo_array((np.ones(len(arcs)), (arcs[:, 0], arcs[:, 1])), shape=(literals, literals))
        number, label = connected_components(graph, connection="strong")
        between = np.unique(label[arcs[label[arcs[:, 0]] != label[arcs[:, 1]]]].reshape(-1, 2), axis=0)
        members: list[list[int]] = [[] for _ in range(number)]
        for literal, part in enumerate(label.tolist()):
            members[part].append(literal)
        implied: list[list[int]] = [[] for _ in range(number)]
        for tail, head in between.tolist():
            implied[tail].append(head)
        holds = np.zeros(number, dtype=np.bool_)
        holds[label[self.true]] = True
        never = int(label[self.true + 1])
        values: dict[int, int] = {}
        for part in _sinks_first(number, between):
            if part == never or any(literal // 2 in values for literal in members[part]):
                continue
            contradicts = any(label[literal ^ 1] == part for literal in members[part])
            if contradicts or not all(holds[other] for other in implied[part]):
                continue
            holds[part] = True
            values |= {literal // 2: 1 - literal % 2 for literal in members[part] if literal != self.true}
        return values


def _sinks_first(number: int, arcs: npt.NDArray[np.int64]) -> Iterable[int]:
    """Yield the nodes of an acyclic graph so that every node comes after all that it points to."""
    waiting = np.bincount(arcs[:, 0], minlength=number).tolist()
    pointed_from: list[list[int]] = [[] for _ in range(number)]
    for tail, head in arcs.tolist():
        pointed_from[head].append(tail)
    ready = [node for node in range(number) if not waiting[node]]
    while ready:
        node = ready.pop()
        yield node
        for tail in pointed_from[node]:
            waiting[tail] -= 1
            if not waiting[tail]:
                ready.append(tail)
