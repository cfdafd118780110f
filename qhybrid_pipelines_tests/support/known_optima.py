"""Problems whose optimum is known without solving them: by a theorem, by construction, or by another solver.

Random choices come from Python's own generator, whose stream is the same in every release.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import coo_array

Weighted = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A graph on the vertices ``0 .. size-1`` and what is known about it."""

    size: int
    edges: list[Weighted]
    optimum: int | None

    @property
    def rudy(self) -> str:
        """The file with weights, counted from 1."""
        lines = [f"{i + 1} {j + 1} {weight}" for i, j, weight in self.edges]
        return "\n".join([f"{self.size} {len(self.edges)}", *lines, ""])

    @property
    def dimacs(self) -> str:
        """The file without weights, counted from 1."""
        lines = [f"e {i + 1} {j + 1}" for i, j, _ in self.edges]
        return "\n".join([f"p edge {self.size} {len(self.edges)}", *lines, ""])


def planted_torus(rows: int, columns: int, seed: int) -> Graph:
    """A toroidal grid with weights +1 and -1 whose maximum cut is known; both sides are even.

    Every second square of the grid, as on a chessboard, holds each edge exactly once. A square with an odd number of
    negative edges (after the gauge below) is frustrated: one of its edges has to be given up. Here each square is built so
    that one state of all spins gives up no more than that in every square, so no state is better (tile planting:
    F. Hamze et al., Phys. Rev. E 97, 043303).
    """
    draw = random.Random(seed)
    spin = [[draw.choice((1, -1)) for _ in range(columns)] for _ in range(rows)]
    edges, energy = [], 0
    for row, column in itertools.product(range(rows), range(columns)):
        if (row + column) % 2:
            continue
        below, right = (row + 1) % rows, (column + 1) % columns
        corners = [(row, column), (row, right), (below, right), (below, column)]
        frustrated = draw.random() < 0.6
        given_up = draw.randrange(4) if frustrated else None
        for side in range(4):
            (a, b), (c, d) = corners[side], corners[(side + 1) % 4]
            # The energy is the sum of weight * spin * spin: an edge that is satisfied in the planted state has -1.
            satisfied = 1 if side == given_up else -1
            edges.append((a * columns + b, c * columns + d, satisfied * spin[a][b] * spin[c][d]))
        energy += -2 if frustrated else -4
    total = sum(weight for _, _, weight in edges)
    return Graph(size=rows * columns, edges=edges, optimum=(total - energy) // 2)


def planted_triangles(size: int, triangles: int, seed: int) -> Graph:
    """Triangles without a common edge, each with two vertices on one side of one partition and the third on the other.

    A triangle has at most two edges in any cut, and the partition has two of each: it is a maximum cut.
    """
    draw = random.Random(seed)
    side = [draw.random() < 0.5 for _ in range(size)]
    taken: set[tuple[int, int]] = set()
    while len(taken) < 3 * triangles:
        corners = sorted(draw.sample(range(size), 3))
        pairs = set(itertools.combinations(corners, 2))
        if len({side[corner] for corner in corners}) == 2 and not pairs & taken:
            taken |= pairs
    return Graph(size=size, edges=[(i, j, 1) for i, j in sorted(taken)], optimum=2 * triangles)


def random_graph(size: int, edges: int, seed: int) -> Graph:
    """A graph drawn from all with so many edges; nothing is known about it."""
    chosen = random.Random(seed).sample(list(itertools.combinations(range(size), 2)), edges)
    return Graph(size=size, edges=[(i, j, 1) for i, j in sorted(chosen)], optimum=None)


def semidefinite_cut(graph: Graph, sweeps: int = 100) -> float:
    """Return the value of the semidefinite relaxation of the maximum cut, from below.

    Unit vectors of more than ``sqrt(2 n)`` dimensions, each turned against the sum of its neighbours (S. Burer,
    R. Monteiro, Math. Program. 95, 329): nothing in common with an interior point or a bundle method.
    """
    matrix = np.zeros((graph.size, graph.size))
    for i, j, weight in graph.edges:
        matrix[i, j] = matrix[j, i] = weight
    vectors = np.random.default_rng(0).standard_normal((graph.size, int(np.sqrt(2 * graph.size)) + 2))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for _ in range(sweeps):
        for i in range(graph.size):
            pull = matrix[i] @ vectors
            vectors[i] = -pull / np.linalg.norm(pull)
    return float((matrix.sum() - np.vdot(vectors, matrix @ vectors)) / 4)


def mixed_integer_minimum(text: str) -> OptimizeResult:
    """Minimise ``x'Qx`` of a BiqMac file with HiGHS: a product of two variables becomes a third, linear in both."""
    header, *lines = text.split("\n")
    size = int(header.split()[0])
    entries = [(int(i) - 1, int(j) - 1, float(value)) for i, j, value in (line.split() for line in lines if line)]
    products = [(i, j, 2 * value) for i, j, value in entries if i != j]  # the file lists one triangle
    cost = np.zeros(size + len(products))
    rows: list[tuple[float, dict[int, float]]] = []
    for i, j, value in entries:
        cost[i] += value if i == j else 0
    for product, (i, j, value) in enumerate(products, start=size):
        cost[product] = value
        if value > 0:
            rows.append((-1, {i: -1, j: -1, product: 1}))
        else:
            rows += [(0, {i: 1, product: -1}), (0, {j: 1, product: -1})]
    where = [(row, column) for row, (_, terms) in enumerate(rows) for column in terms]
    factors = [factor for _, terms in rows for factor in terms.values()]
    matrix = coo_array((factors, tuple(zip(*where, strict=True))), shape=(len(rows), len(cost))).tocsr()
    return milp(
        cost,
        constraints=LinearConstraint(matrix, lb=[least for least, _ in rows]),
        integrality=np.arange(len(cost)) < size,
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0},
    )


def independent_set_as_qubo(text: str) -> str:
    """Return the BiqMac file whose minimum is minus the size of a largest independent set of a DIMACS graph.

    Every vertex counts -1 and every edge inside the set 2, so that leaving out one of its ends never loses.
    """
    rows = [line.split() for line in text.splitlines()]
    [size] = [int(row[2]) for row in rows if row[0] == "p"]
    edges = [sorted(map(int, row[1:])) for row in rows if row[0] == "e"]
    lines = [f"{vertex} {vertex} -1" for vertex in range(1, size + 1)] + [f"{i} {j} 1" for i, j in edges]
    return "\n".join([f"{size} {len(lines)}", *lines, ""])


def kneser_graph(elements: int, chosen: int) -> Graph:
    """Subsets of one size, joined where they are disjoint; P. Erdős, C. Ko, R. Rado, Quart. J. Math. 12, 313 (1961)."""
    subsets = [set(subset) for subset in itertools.combinations(range(elements), chosen)]
    return _joined(subsets, lambda one, other: not one & other, comb(elements - 1, chosen - 1))


def distant_words(bits: int, distance: int) -> Graph:
    """Words of bits, joined where they differ in ``distance`` bits or more, an even number.

    An independent set has a diameter below that; D. Kleitman, J. Combin. Theory 1, 209 (1966).
    """
    radius = (distance - 2) // 2
    optimum = 2 * sum(comb(bits - 1, k) for k in range(radius + 1))
    return _joined(range(2**bits), lambda one, other: (one ^ other).bit_count() >= distance, optimum)


def deletion_graph(bits: int, optimum: int) -> Graph:
    """Words of bits, joined where one deletion makes them equal; `1dc` in N. Sloane's "Challenge problems" (2000)."""
    words = ["".join(word) for word in itertools.product("01", repeat=bits)]
    shortened = [{word[:k] + word[k + 1 :] for k in range(bits)} for word in words]
    return _joined(shortened, lambda one, other: bool(one & other), optimum)


def queens_graph(side: int) -> Graph:
    """Squares of a chessboard, joined where a queen moves; from side 4 on a queen stands in every row."""
    squares = list(itertools.product(range(side), repeat=2))

    def attacks(one: tuple[int, int], other: tuple[int, int]) -> bool:
        down, across = abs(one[0] - other[0]), abs(one[1] - other[1])
        return not down or not across or down == across

    return _joined(squares, attacks, side)


def paley_graph(prime: int, optimum: int) -> Graph:
    """Numbers modulo a prime of the form 4k + 1, joined where the difference is a square; its own complement."""
    squares = {k * k % prime for k in range(1, prime)}
    return _joined(range(prime), lambda one, other: (one - other) % prime in squares, optimum)


def _joined(vertices: Sequence[Any], adjacent: Callable[[Any, Any], bool], optimum: int) -> Graph:
    pairs = itertools.combinations(range(len(vertices)), 2)
    edges = [(i, j, 1) for i, j in pairs if adjacent(vertices[i], vertices[j])]
    return Graph(size=len(vertices), edges=edges, optimum=optimum)
