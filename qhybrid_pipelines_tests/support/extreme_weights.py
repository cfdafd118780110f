"""Weights on which float tolerances give wrong proofs, instances made of them, and their optima in exact arithmetic."""

from __future__ import annotations

import itertools
from fractions import Fraction

import networkx as nx
import numpy as np

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.problems.families import independent_set, maxcut, qubo, vertex_cover
from qhybrid_pipelines.problems.graphs import from_networkx
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.quadratic import make_quadratic_form

KINDS = ("near_equal", "integers", "decimals", "ratio_1e12", "any_magnitude", "reals")
FAMILIES = {module.FAMILY.name: module.FAMILY for module in (maxcut, qubo, independent_set, vertex_cover)}


def draw_weights(random: np.random.Generator, kind: str, count: int) -> list[float]:
    """Return positive weights of one kind, no two kinds alike in what rounding does to them."""
    if kind == "near_equal":  # what an LP's tolerance does not tell apart
        base = 10.0 ** random.integers(3, 16)
        return [float(base + random.integers(0, 4)) for _ in range(count)]
    if kind == "integers":
        return [float(random.integers(1, 6)) for _ in range(count)]
    if kind == "decimals":
        return [int(random.integers(1, 40)) / 10 for _ in range(count)]
    if kind == "ratio_1e12":
        return [float(random.integers(1, 4) * random.choice([1, 10**12])) for _ in range(count)]
    if kind == "any_magnitude":
        return [float(f"{random.integers(1, 10)}e{random.integers(-30, 16)}") for _ in range(count)]
    return random.uniform(0.01, 1, count).tolist()


def random_instance(family: str, kind: str, seed: int, *, max_size: int = 8) -> Instance:
    """Return a small random instance of a graph family or a QUBO; signs are mixed where a family has both."""
    random = np.random.default_rng([seed, KINDS.index(kind), sorted(FAMILIES).index(family)])
    size = int(random.integers(2, max_size + 1))
    pairs = [pair for pair in itertools.combinations(range(size), 2) if random.random() < 0.5] or [(0, 1)]
    if family in ("independent_set", "vertex_cover"):
        graph = nx.Graph()
        graph.add_nodes_from((i, {"weight": w}) for i, w in enumerate(draw_weights(random, kind, size)))
        graph.add_edges_from(pairs)
        module = independent_set if family == "independent_set" else vertex_cover
        return module.make_instance(from_networkx(graph), name="extreme", source="generator:test", best_known=None)
    weights = np.array(draw_weights(random, kind, len(pairs))) * random.choice([-1, 1], len(pairs))
    if family == "maxcut":
        graph = nx.Graph()
        graph.add_nodes_from(range(size))
        graph.add_weighted_edges_from((i, j, w) for (i, j), w in zip(pairs, weights.tolist(), strict=True))
        return maxcut.make_instance(from_networkx(graph), name="extreme", source="generator:test", best_known=None)
    diagonal = np.array(draw_weights(random, kind, size)) * random.choice([-1, 1], size)
    entries = [(i, i, value) for i, value in enumerate(diagonal.tolist())]
    entries += [(i, j, value) for (i, j), value in zip(pairs, weights.tolist(), strict=True)]
    form = make_quadratic_form(map(str, range(size)), entries, offdiagonal_factor=1.0)
    return qubo.make_instance(form, name="extreme", source="generator:test", best_known=None)


def as_written(weight: float) -> Fraction:
    return Fraction(repr(float(weight)))


def exact_objective(instance: Instance, row: np.ndarray) -> Fraction:
    """Return the objective of one row, every weight read as the decimal that it was written as."""
    data, x = instance.payload, row.tolist()
    if instance.family == "maxcut":
        edges = zip(data["edges"], data["weights"], strict=True)
        return sum((as_written(w) for (i, j), w in edges if x[i] != x[j]), Fraction(0))
    if instance.family == "qubo":
        once = sum((as_written(w) for w, bit in zip(data["linear"], x, strict=True) if bit), as_written(data["offset"]))
        pairs = zip(data["pairs"], data["quadratic"], strict=True)
        return once + sum((as_written(w) for (i, j), w in pairs if x[i] and x[j]), Fraction(0))
    return sum((as_written(w) for w, bit in zip(data["weights"], x, strict=True) if bit), Fraction(0))


def exact_optimum(instance: Instance) -> Fraction:
    """Return the best feasible objective over all assignments."""
    family = FAMILIES[instance.family]
    rows = unpack(np.arange(2**instance.size, dtype=np.uint64), instance.size)
    values = [exact_objective(instance, row) for row in rows[family.feasible(instance, rows)]]
    return max(values) if family.sense == "max" else min(values)
