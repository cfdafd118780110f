"""Roof duality: values that some optimum has, proved by a maximum flow in integers.

Source: P. L. Hammer, P. Hansen and B. Simeone, Mathematical Programming 28, 121 (1984).
"""

from __future__ import annotations

from qhybrid_pipelines.classical.exact import IntegerQubo
from qhybrid_pipelines.classical.reduction.components import components
from qhybrid_pipelines.classical.reduction.implication_network import ImplicationNetwork
from qhybrid_pipelines.core.binary_models.ising import IsingModel


def persistent_values(model: IsingModel) -> dict[int, int]:
    """Return variables with the value they have in at least one common optimum; often none, sometimes all.

    The coefficients are taken as the binary fractions that they are: whatever their sizes, nothing is rounded. A component
    without fields is left alone: flipping all of it changes nothing, so that none of its values says more than the other. With products
    of more spins nothing is known.
    """
    if not model.is_quadratic:
        return {}
    qubo = IntegerQubo.from_ising(model)
    network = ImplicationNetwork(model.size)
    linear = list(qubo.linear)
    for i, j, value in qubo.quadratic:
        if value > 0:
            network.add_term(value, 2 * i, 2 * j)
        else:  # q x y = q x - q x (1 - y)
            network.add_term(-value, 2 * i, 2 * j + 1)
            linear[i] += value
    for i, value in enumerate(linear):
        network.add_term(abs(value), 2 * i if value > 0 else 2 * i + 1)
    symmetric = {int(i) for part in components(model) if not model.linear[part].any() for i in part}
    return {i: value for i, value in sorted(network.persistent_literals().items()) if i not in symmetric}
