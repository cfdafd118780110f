"""Maximum-weight independent set: choose candidates of the greatest total weight, no two of them in conflict.

Scheduling with conflicts, dispatch of vehicles and the choice of slots or gates have this form: a candidate is a
possible decision, an edge says that two of them exclude each other. Edge weights have no meaning here and are ignored;
a candidate weighs 1 where the source gives no node weight.

Source of the formulation: A. Lucas, Frontiers in Physics 2, 5 (2014), section 4.2, on the complement graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.problems import conflicts
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
from qhybrid_pipelines.problems.weighted_nodes import WeightedNodesFamily, make_weighted_instance, weights_and_edges

if TYPE_CHECKING:
    import dimod
    import networkx as nx

#: Penalty of one conflict, in units of the most that a conflict can gain: `max over edges of min(w_i, w_j)`. Anything
#: above 1 makes every minimum of the penalised form an optimum. Measured on the 17 candidates of QOBLIB's farm and on
#: two weighted random graphs, QAOA at 4 layers finds the optimum 2 to 13 times as often with 1.05 as with 1.25 or 2,
#: for somewhat fewer feasible shots, and repair takes care of those.
PENALTY_FACTOR = 1.05


class Options(GraphOptions):
    """What a specification may say about an independent set."""

    best_known: float | None = Field(default=None, description="Best known total weight, where a source states one.")


#: Makes the instance on a graph.
make_instance = partial(
    make_weighted_instance,
    family="independent_set",
    node="candidate",
    remedy="Every candidate needs a weight above 0; leave out those that are not worth choosing.",
)


class IndependentSet(WeightedNodesFamily):
    """The family; see the module."""

    name = "independent_set"
    title = "Maximum-weight independent set (scheduling with conflicts, dispatch)"
    sense: Sense = "max"
    unit = "weight"
    answer_words = ("{name} is left out", "{name} is chosen")
    options: type[BaseModel] = Options
    parsers: Mapping[str, Parser] = graph_parsers(make_instance)
    file_suffixes: Mapping[str, str] = GRAPH_SUFFIXES
    native_suffixes: frozenset[str] = frozenset({".gph", ".col"})
    generators: Mapping[str, GraphGenerator] = MappingProxyType(
        {
            "random_graph": make_graph_generator(
                "random_graph",
                "_n{nodes}_p{probability:g}_w{weighted:d}_s{seed}",
                conflicts.RandomGraph,
                conflicts.random_graph,
                make_instance,
            ),
            "interval_scheduling": make_graph_generator(
                "interval_scheduling",
                "_j{jobs}_m{machines}_s{seed}",
                conflicts.IntervalScheduling,
                conflicts.interval_scheduling,
                make_instance,
            ),
            "dispatch": make_graph_generator(
                "dispatch", "_v{vehicles}_j{jobs}_s{seed}", conflicts.Dispatch, conflicts.dispatch, make_instance
            ),
        }
    )
    solver_name = "cp_sat"

    def from_graph(self, graph: nx.Graph[Any], name: str, options: BaseModel) -> Instance:
        """Return the instance whose conflicts are the graph's edges; nodes may have the attribute ``weight``."""
        assert isinstance(options, Options)
        refuse_index_base(options.index_base)
        return make_instance(from_networkx(graph), name=name, source=f"networkx:{name}", best_known=options.best_known)

    def model(self, instance: Instance) -> dimod.ConstrainedQuadraticModel:
        """Return: minimise ``-sum w_i x_i`` with ``x_i + x_j <= 1`` for each conflict."""
        import dimod

        weights, edges = weights_and_edges(instance)
        names = instance.variables
        model = dimod.ConstrainedQuadraticModel()  # type: ignore[no-untyped-call]
        linear = dict(zip(names, (-weights).tolist(), strict=True))
        model.set_objective(dimod.BinaryQuadraticModel(linear, {}, 0.0, dimod.BINARY))
        for i, j in edges.tolist():
            pair = [(names[i], 1), (names[j], 1)]
            model.add_constraint_from_iterable(pair, "<=", 1, label=f"conflict_{i}_{j}")
        return model

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return ``-sum w_i x_i + A * (number of conflicts)``.

        With ``A`` above the most that a conflict can gain, dropping the lighter end of a conflict always lowers the
        energy, so every minimum is an independent set. One weight serves all edges, so that the penalty is a count.
        """
        weights, edges = weights_and_edges(instance)
        most = np.minimum(weights[edges[:, 0]], weights[edges[:, 1]]).max(initial=0.0)
        penalty = PENALTY_FACTOR * float(most)
        model = IsingModel.from_qubo(-weights, edges, np.full(len(edges), penalty), 0.0)
        return PenalisedModel(model=model, penalty_weight=penalty, sign=-1)

    def feasible(self, instance: Instance, assignments: U8) -> npt.NDArray[np.bool_]:
        """Return which rows hold no conflict."""
        return np.equal(independent_set.count_conflicts(weights_and_edges(instance)[1], assignments), 0)

    def violation(self, instance: Instance, assignment: U8) -> str:
        """Return the first conflict by the names of its ends, and how many there are; empty without any."""
        edges = weights_and_edges(instance)[1]
        broken = edges[(assignment[edges[:, 0]] & assignment[edges[:, 1]]).astype(bool)]
        if not len(broken):
            return ""
        first, second = (instance.variables[v] for v in broken[0])
        return f"conflict: {first} and {second} both chosen; {len(broken)} in all"

    def repair(self, instance: Instance, assignments: U8) -> U8:
        """Return rows without conflicts: drop the least worth, then add what is free; see ``make_independent``."""
        return independent_set.make_independent(*weights_and_edges(instance), assignments)

    def reductions(self, instance: Instance, max_qubits: int) -> list[FamilyReduction]:  # noqa: ARG002 - all are exact
        """Return the exact reductions: heavy vertices, domination, Nemhauser-Trotter; see ``solvers.reductions``."""
        return independent_set.reductions(*weights_and_edges(instance))

    def greedy(self, instance: Instance, seed: int) -> U8:
        """Return the set of the rule GWMIN: most weight per vertex used up."""
        return independent_set.greedy_set(*weights_and_edges(instance), seed)

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Run CP-SAT with a deterministic limit of work."""
        return independent_set.cp_sat(*weights_and_edges(instance), seed)

    def features(self, instance: Instance) -> dict[str, float]:
        """Return sizes, degrees, spread of the weights and what the penalised form makes of them."""
        weights, edges = weights_and_edges(instance)
        size = len(weights)
        degrees = np.bincount(edges.ravel(), minlength=size)
        return {
            "candidates": float(size),
            "conflicts": float(len(edges)),
            "density": 2 * len(edges) / (size * (size - 1)) if size > 1 else 0.0,
            "degree_mean": float(degrees.mean()),
            "degree_min": float(degrees.min()),
            "degree_max": float(degrees.max()),
            "weight_total": float(weights.sum()),
            "weight_rms": float(np.sqrt((weights**2).mean())),
            "weight_ratio": float(weights.max() / weights.min()),
            "penalty_weight": self.penalised_model(instance).penalty_weight,
        }


FAMILY: Family = IndependentSet()
