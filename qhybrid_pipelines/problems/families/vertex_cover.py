"""Minimum-weight vertex cover: choose nodes of the least total weight so that every edge has a chosen end.

Placing guards, cameras or monitors so that every connection is watched has this form. What is left out of a cover is an
independent set and the other way round, so that solver, repair and reductions work on the complement. Edge weights have
no meaning here and are ignored; a node weighs 1 where the source gives no node weight.

Source of the formulation: A. Lucas, Frontiers in Physics 2, 5 (2014), section 4.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.problems import conflicts, random_graphs
from qhybrid_pipelines.problems.family import Family, FamilyReduction, Parser, PenalisedModel, SolverResult
from qhybrid_pipelines.problems.graph_sources import (
    GRAPH_SUFFIXES,
    GraphGenerator,
    GraphOptions,
    graph_parsers,
    make_graph_generator,
    refuse_index_base,
)
from qhybrid_pipelines.problems.graphs import from_networkx
from qhybrid_pipelines.problems.instance import Instance, Sense
from qhybrid_pipelines.problems.solvers import independent_set
from qhybrid_pipelines.problems.solvers.row_blocks import weighted_sums
from qhybrid_pipelines.problems.weighted_nodes import WeightedNodesFamily, make_weighted_instance, weights_and_edges

if TYPE_CHECKING:
    import dimod
    import networkx as nx

#: Penalty of one uncovered edge, in units of the most that leaving one uncovered can save: the largest min(w_i, w_j)
#: over all edges. Anything above 1 makes every minimum of the penalised form an optimum.
PENALTY_FACTOR = 1.05


class Options(GraphOptions):
    """What a specification may say about a vertex cover."""

    best_known: float | None = Field(default=None, description="Least known total weight, where a source states one.")


#: Makes the instance on a graph.
make_instance = partial(
    make_weighted_instance,
    family="vertex_cover",
    node="node",
    remedy="Every node needs a weight above 0; choose those that cost nothing beforehand, and leave them out.",
)


class VertexCover(WeightedNodesFamily):
    """The family; see the module."""

    name = "vertex_cover"
    title = "Minimum-weight vertex cover (watching every connection)"
    sense: Sense = "min"
    unit = "weight"
    answer_words = ("{name} is not in the cover", "{name} is in the cover")
    options: type[BaseModel] = Options
    parsers: Mapping[str, Parser] = graph_parsers(make_instance)
    file_suffixes: Mapping[str, str] = GRAPH_SUFFIXES
    native_suffixes: frozenset[str] = frozenset()
    generators: Mapping[str, GraphGenerator] = MappingProxyType(
        {
            "random_graph": make_graph_generator(
                "random_graph",
                "-n{nodes}-p{probability:g}-w{weighted:d}-s{seed}",
                conflicts.RandomGraph,
                conflicts.random_graph,
                make_instance,
            ),
            "random_regular": make_graph_generator(
                "random_regular",
                "-n{nodes}-d{degree}-s{seed}",
                random_graphs.RandomRegular,
                random_graphs.random_regular,
                make_instance,
            ),
        }
    )
    solver_name = "cp_sat"

    def from_graph(self, graph: nx.Graph[Any], name: str, options: BaseModel) -> Instance:
        """Return the instance on a graph, whose nodes may have the attribute ``weight``."""
        assert isinstance(options, Options)
        refuse_index_base(options.index_base)
        return make_instance(from_networkx(graph), name=name, source=f"networkx:{name}", best_known=options.best_known)

    def model(self, instance: Instance) -> dimod.ConstrainedQuadraticModel:
        """Return: minimise ``sum w_i x_i`` with ``x_i + x_j >= 1`` for each edge."""
        import dimod

        weights, edges = weights_and_edges(instance)
        names = instance.variables
        model = dimod.ConstrainedQuadraticModel()  # type: ignore[no-untyped-call]
        linear = dict(zip(names, weights.tolist(), strict=True))
        model.set_objective(dimod.BinaryQuadraticModel(linear, {}, 0.0, dimod.BINARY))
        for i, j in edges.tolist():
            ends = [(names[i], 1), (names[j], 1)]
            model.add_constraint_from_iterable(ends, ">=", 1, label=f"edge_{i}_{j}")
        return model

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return ``sum w_i x_i + A * sum over edges of (1 - x_i) (1 - x_j)``: A for each uncovered edge.

        With ``A`` above the most that an uncovered edge can save, choosing its lighter end always lowers the energy, so
        every minimum is a cover.
        """
        weights, edges = weights_and_edges(instance)
        penalty = PENALTY_FACTOR * float(np.minimum(weights[edges[:, 0]], weights[edges[:, 1]]).max(initial=0.0))
        degrees = np.bincount(edges.ravel(), minlength=len(weights))
        model = IsingModel.from_qubo(
            weights - penalty * degrees, edges, np.full(len(edges), penalty), penalty * len(edges)
        )
        return PenalisedModel(model=model, penalty_weight=penalty, sign=1)

    def feasible(self, instance: Instance, assignments: U8) -> npt.NDArray[np.bool_]:
        """Return which rows leave no edge uncovered."""
        return np.equal(independent_set.count_conflicts(weights_and_edges(instance)[1], 1 - assignments), 0)

    def violation(self, instance: Instance, assignment: U8) -> str:
        """Return the first uncovered edge by the names of its ends, and how many there are; empty without any."""
        edges = weights_and_edges(instance)[1]
        uncovered = edges[(assignment[edges] == 0).all(axis=1)]
        if not len(uncovered):
            return ""
        first, second = (instance.variables[v] for v in uncovered[0])
        return f"uncovered: neither {first} nor {second} chosen; {len(uncovered)} in all"

    def repair(self, instance: Instance, assignments: U8) -> U8:
        """Return covers: the complement of what ``make_independent`` makes of the complement."""
        return 1 - independent_set.make_independent(*weights_and_edges(instance), 1 - assignments)

    def reductions(self, instance: Instance, max_qubits: int) -> list[FamilyReduction]:  # noqa: ARG002 - all are exact
        """Return the exact reductions of the complement, a heaviest independent set; see ``independent_set.reductions``."""
        return [
            replace(
                reduction,
                substitutions=tuple(replace(step, constant=1 - step.constant) for step in reduction.substitutions),
                note=f"of the nodes that are not chosen: {reduction.note}",
            )
            for reduction in independent_set.reductions(*weights_and_edges(instance))
        ]

    def greedy(self, instance: Instance, seed: int) -> U8:
        """Return the cover of always choosing the node with least weight per edge that it still covers.

        Ties go by a seeded order; what turned out to be needless is dropped, the heaviest first. Source of the rule:
        V. Chvátal, Mathematics of Operations Research 4, 233 (1979), where sets are the edges at a node.
        """
        weights, edges = weights_and_edges(instance)
        order = generator(seed, "vertex_cover", "greedy").permutation(instance.size)
        neighbours = independent_set.neighbours(instance.size, edges)
        uncovered = np.array([len(near) for near in neighbours])
        chosen = np.zeros(instance.size, dtype=np.uint8)
        while uncovered.any():
            prices = np.divide(weights, uncovered, out=np.full(instance.size, np.inf), where=uncovered > 0)
            node = order[np.argmin(prices[order])]
            chosen[node] = 1
            uncovered[neighbours[node]] -= 1 - chosen[neighbours[node]]
            uncovered[node] = 0
        for node in sorted(np.flatnonzero(chosen).tolist(), key=lambda v: (-weights[v], v)):
            if chosen[neighbours[node]].all():
                chosen[node] = 0
        return chosen

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Run CP-SAT on the complement, with a deterministic limit of work."""
        weights, edges = weights_and_edges(instance)
        found = independent_set.cp_sat(weights, edges, seed)
        assignment = 1 - found.assignment
        if found.optimal:
            bound: float | None = float(weighted_sums(weights, assignment[None])[0])
        else:
            bound = None if found.bound is None else float(weights.sum()) - found.bound
        return replace(found, assignment=assignment, bound=bound)

    def features(self, instance: Instance) -> dict[str, float]:
        """Return sizes, degrees, spread of the weights and what the penalised form makes of them."""
        weights, edges = weights_and_edges(instance)
        size = len(weights)
        degrees = np.bincount(edges.ravel(), minlength=size)
        return {
            "nodes": float(size),
            "edges": float(len(edges)),
            "density": 2 * len(edges) / (size * (size - 1)) if size > 1 else 0.0,
            "degree_mean": float(degrees.mean()),
            "degree_min": float(degrees.min()),
            "degree_max": float(degrees.max()),
            "weight_total": float(weights.sum()),
            "weight_ratio": float(weights.max() / weights.min()),
            "penalty_weight": self.penalised_model(instance).penalty_weight,
        }


FAMILY: Family = VertexCover()
