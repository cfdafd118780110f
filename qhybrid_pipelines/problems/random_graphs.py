"""Graphs made by seed, as the MaxCut literature uses them; nodes are named by their index from 0."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import derive_seed_31bit, generator
from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel
from qhybrid_pipelines.problems.graphs import WeightedGraph, from_networkx, make_weighted_graph


class RandomRegular(StrictModel):
    """Parameters of `random_regular`: every node has the same number of edges, every edge weight 1."""

    nodes: int = Field(ge=2, le=2_000, description="Number of nodes.")
    degree: int = Field(ge=1, le=100, description="Edges at each node; nodes times degree must be even.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")

    @model_validator(mode="after")
    def _check_graph_exists(self) -> RandomRegular:
        if self.degree >= self.nodes or self.nodes * self.degree % 2:
            raise ValueError("a regular graph needs degree < nodes, and nodes * degree even")
        return self


class ErdosRenyi(StrictModel):
    """Parameters of `erdos_renyi`: every pair of nodes is joined with the same probability."""

    nodes: int = Field(ge=2, le=2_000, description="Number of nodes.")
    probability: float = Field(gt=0, le=1, description="Probability that two nodes are joined.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")
    weighted: bool = Field(default=False, description="Integer weights from 1 to 10 instead of 1.")


class Torus(StrictModel):
    """Parameters of `torus`: a grid joined at its borders with weights +1 and -1, a two-dimensional spin glass."""

    rows: int = Field(ge=3, le=100, description="Rows of the grid.")
    columns: int = Field(ge=3, le=100, description="Columns of the grid.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")


def random_regular(parameters: RandomRegular) -> WeightedGraph:
    """Return a random regular graph (A. Steger, N. Wormald 1999, as NetworkX implements it)."""
    import networkx as nx

    seed = derive_seed_31bit(parameters.seed, "random_regular")
    drawn = nx.random_regular_graph(parameters.degree, parameters.nodes, seed=seed)
    # That function adds nodes in the order of their edges.
    ordered: nx.Graph[int] = nx.Graph()
    ordered.add_nodes_from(range(parameters.nodes))
    ordered.add_edges_from(drawn.edges)
    return from_networkx(ordered)


def erdos_renyi(parameters: ErdosRenyi) -> WeightedGraph:
    """Return a random graph with independent edges."""
    random = generator(parameters.seed, "erdos_renyi")
    left, right = np.triu_indices(parameters.nodes, k=1)
    drawn = random.random(len(left)) < parameters.probability
    weights = random.integers(1, 11, size=drawn.sum()) if parameters.weighted else np.ones(drawn.sum())
    return _graph(parameters.nodes, left[drawn].tolist(), right[drawn].tolist(), weights.astype(np.float64))


def torus(parameters: Torus) -> WeightedGraph:
    """Return a toroidal grid with weights +1 and -1 of equal probability, as G11 to G13 of the G-set."""
    node = np.arange(parameters.rows * parameters.columns).reshape(parameters.rows, parameters.columns)
    left = np.concatenate([node.ravel(), node.ravel()]).tolist()
    right = np.concatenate([np.roll(node, -1, axis=0).ravel(), np.roll(node, -1, axis=1).ravel()]).tolist()
    weights = generator(parameters.seed, "torus").choice([-1.0, 1.0], size=len(left))
    return _graph(node.size, left, right, weights)


def _graph(size: int, left: list[int], right: list[int], weights: F64) -> WeightedGraph:
    return make_weighted_graph(map(str, range(size)), zip(left, right, weights.tolist(), strict=True))
