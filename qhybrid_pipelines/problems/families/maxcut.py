"""MaxCut: divide the nodes of a graph into two sides so that the edges between them weigh as much as possible.

The benchmark of the field; clustering into two groups, splitting load and the ground state of a spin glass have this
form. Weights may be negative. There are no constraints: every assignment is a cut.

Source of the formulation: F. Barahona, M. Grötschel, M. Jünger, G. Reinelt, Operations Research 36, 493 (1988).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from qhybrid_pipelines.classical.local_search import one_flip_descent
from qhybrid_pipelines.classical.reduction.substitution import VariableMap
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems import random_graphs
from qhybrid_pipelines.problems.family import Family, FamilyReduction, Parser, PenalisedModel, SolverResult
from qhybrid_pipelines.problems.family_defaults import UnconstrainedFamily
from qhybrid_pipelines.problems.graph_sources import (
    GRAPH_SUFFIXES,
    GraphGenerator,
    GraphOptions,
    graph_parsers,
    make_graph_generator,
    refuse_index_base,
)
from qhybrid_pipelines.problems.graphs import WeightedGraph, from_networkx
from qhybrid_pipelines.problems.instance import Instance, Sense
from qhybrid_pipelines.problems.proofs import ObjectiveRounding, rounding_of_sums
from qhybrid_pipelines.problems.quadratic import pair_sums
from qhybrid_pipelines.problems.reduction_steps import follow_substitutions
from qhybrid_pipelines.problems.solvers.dominating_edges import dominating_edges
from qhybrid_pipelines.problems.solvers.ising import minimise_mapped
from qhybrid_pipelines.problems.solvers.spins import greedy_placement, to_spins

if TYPE_CHECKING:
    import dimod
    import networkx as nx


class Options(GraphOptions):
    """What a specification may say about a MaxCut instance."""

    best_known: float | None = Field(default=None, description="Best known cut, where a source states one.")


def make_instance(graph: WeightedGraph, *, name: str, source: str, best_known: float | None) -> Instance:
    """Return the instance on a graph; edges of weight 0 are left out, node weights have no meaning here.

    Raises:
        InvalidInput: no edge is left, or the weights are so large that their sum is not finite.
    """
    present = graph.weights != 0
    weights = graph.weights[present]
    if not len(weights):
        what = "all edges have weight 0" if len(graph.edges) else "the graph has no edges"
        raise InvalidInput(what, remedy="Every cut would be worth 0; give a graph with edges.", field="problem.source")
    with np.errstate(over="ignore"):
        total = np.abs(weights).sum()
    if not np.isfinite(total):
        raise InvalidInput("the sum of the weights overflows", remedy="Scale the weights.", field="problem.source")
    return Instance(
        name=name,
        family="maxcut",
        variables=graph.nodes,
        payload={"edges": graph.edges[present].tolist(), "weights": weights.tolist()},
        best_known=best_known,
        source=source,
    )


def _declared(options: BaseModel) -> Options:
    assert isinstance(options, Options)
    return options


def _graph(instance: Instance) -> tuple[npt.NDArray[np.int32], F64]:
    """Return edges ``(m, 2)`` and weights ``(m,)`` of an instance."""
    return (
        np.array(instance.payload["edges"], dtype=np.int32).reshape(-1, 2),
        np.array(instance.payload["weights"], dtype=np.float64),
    )


class MaxCut(UnconstrainedFamily):
    """The family; see the module."""

    name = "maxcut"
    title = "Maximum cut"
    sense: Sense = "max"
    unit = "cut weight"
    answer_words = ("{name} is on side 0", "{name} is on side 1")
    options: type[BaseModel] = Options
    parsers: Mapping[str, Parser] = graph_parsers(make_instance)
    file_suffixes: Mapping[str, str] = GRAPH_SUFFIXES
    native_suffixes: frozenset[str] = frozenset({".mc", ".rud", ".gset"})
    generators: Mapping[str, GraphGenerator] = MappingProxyType(
        {
            "random_regular": make_graph_generator(
                "random_regular",
                "-n{nodes}-d{degree}-s{seed}",
                random_graphs.RandomRegular,
                random_graphs.random_regular,
                make_instance,
            ),
            "erdos_renyi": make_graph_generator(
                "erdos_renyi",
                "-n{nodes}-p{probability:g}-w{weighted:d}-s{seed}",
                random_graphs.ErdosRenyi,
                random_graphs.erdos_renyi,
                make_instance,
            ),
            "torus": make_graph_generator(
                "torus", "-{rows}x{columns}-s{seed}", random_graphs.Torus, random_graphs.torus, make_instance
            ),
        }
    )
    solver_name = "semidefinite+tabu+cp_sat"

    def from_graph(self, graph: nx.Graph[Any], name: str, options: BaseModel) -> Instance:
        """Return the instance on a graph; the edge attribute ``weight`` counts, 1 where it is missing."""
        declared = _declared(options)
        refuse_index_base(declared.index_base)
        return make_instance(from_networkx(graph), name=name, source=f"networkx:{name}", best_known=declared.best_known)

    def model(self, instance: Instance) -> dimod.ConstrainedQuadraticModel:
        """Return: minimise ``sum w_ij (2 x_i x_j - x_i - x_j)``, which is minus the cut, without constraints."""
        import dimod

        edges, weights = _graph(instance)
        linear = -np.bincount(edges.ravel(), weights=np.repeat(weights, 2), minlength=instance.size)
        objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
            linear, (edges[:, 0], edges[:, 1], 2 * weights), 0.0, dimod.BINARY, variable_order=instance.variables
        )
        model = dimod.ConstrainedQuadraticModel()  # type: ignore[no-untyped-call]
        model.set_objective(objective)
        return model

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return ``-sum w_ij (1 - s_i s_j) / 2``; there is nothing to penalise.

        The model keeps its symmetry under flipping all spins: fixing one spin would save a qubit but put fields into
        a cost operator that has none, and angles tabulated for regular graphs would no longer apply.
        """
        edges, weights = _graph(instance)
        model = IsingModel(
            linear=np.zeros(instance.size), pairs=edges, couplings=weights / 2, offset=float(-weights.sum() / 2)
        )
        return PenalisedModel(model=model, penalty_weight=0.0, sign=-1)

    def objective(self, instance: Instance, assignments: U8) -> F64:
        """Return the weight of the edges between the two sides, for each row."""
        edges, weights = _graph(instance)
        return np.asarray((weights.sum() - pair_sums(to_spins(assignments), edges, weights)) / 2, dtype=np.float64)

    def reductions(self, instance: Instance, max_qubits: int) -> list[FamilyReduction]:  # noqa: ARG002 - it is exact
        """Return the exact reduction by dominating edges: leaves, degree 2, and what outweighs its neighbours."""
        found = dominating_edges(instance.size, *_graph(instance))
        if not found:
            return []
        note = f"{len(found)} nodes follow an edge that outweighs all others at the node"
        return [FamilyReduction(step_name="dominating_edges", exact=True, substitutions=found, note=note)]

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:
        """Return the rounding of sums of edge weights."""
        return rounding_of_sums(_graph(instance)[1])

    def greedy(self, instance: Instance, seed: int) -> U8:
        """Return the cut of placing node after node where it gains most, then moving single nodes while that helps."""
        model = self.penalised_model(instance).model
        placed: U8 = one_flip_descent(model, greedy_placement(model, seed)[None])[0]
        return placed

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Reduce by dominating edges, then enumerate, or relax (Goemans-Williamson), search and prove."""
        found = dominating_edges(instance.size, *_graph(instance))
        variables = follow_substitutions(VariableMap.identity(instance.size), found)
        answer = minimise_mapped(self.penalised_model(instance).model, variables, seed)
        return SolverResult(
            assignment=answer.assignment,
            optimal=answer.optimal,
            bound=-answer.lower_bound,
            evaluations=answer.evaluations,
        )

    def features(self, instance: Instance) -> dict[str, float]:
        """Return sizes, degrees and the spread of the weights."""
        edges, weights = _graph(instance)
        degrees = np.bincount(edges.ravel(), minlength=instance.size)
        size, sizes = instance.size, np.abs(weights)
        return {
            "nodes": float(size),
            "edges": float(len(edges)),
            "density": 2 * len(edges) / (size * (size - 1)),
            "degree_mean": float(degrees.mean()),
            "degree_min": float(degrees.min()),
            "degree_max": float(degrees.max()),
            "weight_sum": float(weights.sum()),
            "weight_rms": float(np.sqrt((weights**2).mean())),
            "weight_range": float(sizes.max() / sizes.min()),
            "negative_share": float((weights < 0).mean()),
        }


FAMILY: Family = MaxCut()
