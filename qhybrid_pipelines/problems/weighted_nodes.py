"""What families of weighted nodes share: an instance on a graph whose nodes have weights, its arrays, and sums of weights."""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.family_defaults import FamilyDefaults
from qhybrid_pipelines.problems.graphs import WeightedGraph
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.proofs import ObjectiveRounding, rounding_of_sums
from qhybrid_pipelines.problems.solvers.independent_set import Edges
from qhybrid_pipelines.problems.solvers.row_blocks import weighted_sums


def make_weighted_instance(
    graph: WeightedGraph, *, family: str, node: str, remedy: str, name: str, source: str, best_known: float | None
) -> Instance:
    """Return the instance on a graph; a node weighs 1 where the graph has no weights of nodes.

    Args:
        graph: whose edge weights are ignored.
        family: its name.
        node: what messages call a node.
        remedy: for a weight that is not positive.
        name: of the instance.
        source: where it is from.
        best_known: objective, where a source states one.

    Raises:
        InvalidInput: no nodes, or a weight that is not positive.
    """
    if not graph.size:
        raise InvalidInput("the graph has no nodes", remedy=f"Give at least one {node}.", field="problem.source")
    weights = np.ones(graph.size) if graph.node_weights is None else graph.node_weights
    if weights.min() <= 0:
        lightest = int(np.argmin(weights))
        raise InvalidInput(
            f"{node} {graph.nodes[lightest]} has weight {weights[lightest]:g}", remedy=remedy, field="problem.source"
        )
    return Instance(
        name=name,
        family=family,
        variables=graph.nodes,
        payload={"weights": weights.tolist(), "edges": graph.edges.tolist()},
        best_known=best_known,
        source=source,
    )


def weights_and_edges(instance: Instance) -> tuple[F64, Edges]:
    """Return the weights ``(n,)`` and the edges ``(m, 2)`` of an instance."""
    weights = np.array(instance.payload["weights"], dtype=np.float64)
    return weights, np.array(instance.payload["edges"], dtype=np.int32).reshape(-1, 2)


class WeightedNodesFamily(FamilyDefaults):
    """A family whose objective is the total weight of the chosen nodes, with a penalty per edge."""

    def objective(self, instance: Instance, assignments: U8) -> F64:
        """Return the total weight of each row, feasible or not."""
        return weighted_sums(weights_and_edges(instance)[0], assignments)

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:
        """Return the rounding of sums of weights and of the penalties that they are compared with."""
        weights, edges = weights_and_edges(instance)
        return rounding_of_sums(weights, other_terms=self.penalised_model(instance).penalty_weight * len(edges))
