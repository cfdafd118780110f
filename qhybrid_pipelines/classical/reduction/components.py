"""Parts of a model that share no coupling can be solved one by one."""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.classical.exact import exact_minimum
from qhybrid_pipelines.classical.exhaustive import MAX_VARIABLES
from qhybrid_pipelines.classical.reduction.substitution import I32
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.spin_products import SpinProducts


def components(model: IsingModel) -> list[I32]:
    """Return the connected components as ascending variables, the largest first, equal ones by their first variable."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = model.pairs if model.is_quadratic else np.concatenate([model.pairs, model.products.neighbours()])
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(model.size,) * 2)
    count, label = connected_components(graph, directed=False) if model.size else (0, np.zeros(0, dtype=np.int32))
    members = np.argsort(label, kind="stable").astype(np.int32)
    parts = np.split(members, np.flatnonzero(np.diff(label[members])) + 1) if count else []
    return sorted(parts, key=lambda part: (-len(part), int(part[0])))


def restrict_model(model: IsingModel, variables: I32) -> IsingModel:
    """Return the model of some ascending variables: their fields and the terms among them, without offset."""
    place = np.full(model.size, -1, dtype=np.int32)
    place[variables] = np.arange(len(variables))
    pairs = place[model.pairs]
    inside = (pairs >= 0).all(axis=1)
    products = model.products
    if not model.is_quadratic:
        members = np.where(products.members >= 0, place[products.members], -1)
        kept = ((members >= 0) == (products.members >= 0)).all(axis=1)
        products = SpinProducts(members=members[kept], weights=products.weights[kept])
    return IsingModel(
        linear=model.linear[variables],
        pairs=pairs[inside],
        couplings=model.couplings[inside],
        offset=0.0,
        products=products,
    )


def solve_small_components(model: IsingModel) -> dict[int, int]:
    """Return the exact values of all components but the largest, as far as they are small enough to be enumerated.

    Energies that rounding does not tell apart are compared in integers. The values belong to one optimum of the whole model, because components do not interact.
    """
    fixed: dict[int, int] = {}
    for part in components(model)[1:]:
        if len(part) <= MAX_VARIABLES:
            word = exact_minimum(restrict_model(model, part))
            if word is not None:
                fixed |= {int(variable): word >> place & 1 for place, variable in enumerate(part)}
    return fixed
