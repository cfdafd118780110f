"""The exact reduction of MaxCut: an edge that outweighs all others at one of its ends decides that end."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.exact import integers_as_written
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.problems.family import Substitution


def dominating_edges(size: int, edges: npt.NDArray[np.int32], weights: F64) -> tuple[Substitution, ...]:
    """Return substitutions that keep at least one maximum cut, to be applied in order.

    If ``|w_uv|`` is at least the sum of ``|w|`` over the other edges at ``u``, some maximum cut has ``u`` and ``v`` on
    different sides where ``w_uv > 0`` and on the same side where ``w_uv < 0``: moving ``u`` there gains ``|w_uv|`` and
    loses no more than the others. Then ``u`` is a copy of ``v`` and its other edges become edges of ``v``. Leaves and,
    in graphs without weights, all nodes of degree 2 are cases of it. A node without edges is put on side 0.
    Repeated until no edge dominates. Weights are added and compared as the decimals that they were written as.

    Source: J.-H. Lange, B. Andres, P. Swoboda, CVPR 2019, arXiv:1812.01426 (the edge criterion).

    Args:
        size: number of nodes.
        edges: shape ``(m, 2)``, distinct, no self-loops.
        weights: shape ``(m,)``.
    """
    near: list[dict[int, int]] = [{} for _ in range(size)]
    for (i, j), weight in zip(edges.tolist(), integers_as_written(weights).integers, strict=True):
        near[i][j] = near[j][i] = weight
    found: list[Substitution] = []
    gone = [False] * size
    queue = deque(range(size))
    while queue:
        node = queue.popleft()
        if gone[node]:
            continue
        if not near[node]:
            gone[node] = True
            found.append(Substitution(variable=node, constant=0))
            continue
        target, strongest = max(near[node].items(), key=lambda item: abs(item[1]))
        if 2 * abs(strongest) < sum(map(abs, near[node].values())):
            continue
        gone[node] = True
        opposite = strongest > 0
        found.append(Substitution(variable=node, constant=int(opposite), copy_of=target))
        for other, weight in near[node].items():
            del near[other][node]
            if other != target:
                merged = near[target].get(other, 0) + (-weight if opposite else weight)
                near[target].pop(other, None)
                near[other].pop(target, None)
                if merged:
                    near[target][other] = near[other][target] = merged
                queue.append(other)
        queue.append(target)
    return tuple(found)
