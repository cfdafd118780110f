"""Roof duality: values that some optimum has, proved by a maximum flow.

Source: P. L. Hammer, P. Hansen and B. Simeone, Mathematical Programming 28, 121 (1984); the flow is D-Wave's.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from qhybrid_pipelines.classical.bqm import to_bqm
from qhybrid_pipelines.classical.reduction.components import components, restrict_model
from qhybrid_pipelines.core.ising import IsingModel


def persistent_values(model: IsingModel) -> dict[int, int]:
    """Return variables with the value they have in at least one common optimum; often none, sometimes all.

    Each connected component is treated for itself. The weak form (``strict=False``) settles more variables but cannot
    be trusted as it is: dwave-preprocessing 0.6.11 gives wrong values where a part has no fields, for example equal
    values for two antiferromagnetic spins. It is therefore used only where it settles a whole component and the
    energy there meets the proved lower bound; otherwise the strict form is.
    """
    fixed: dict[int, int] = {}
    for part in components(model):
        inside = restrict_model(model, part)
        fixed |= {int(part[place]): value for place, value in _persistent_in_component(inside).items()}
    return fixed


def _persistent_in_component(model: IsingModel) -> dict[int, int]:
    roof_duality = _import_roof_duality()
    bqm = to_bqm(model)
    bound, weak = roof_duality(bqm, strict=False)
    if len(weak) == model.size:
        assignment = np.array([[weak[variable] < 0 for variable in range(model.size)]], dtype=np.uint8)
        scale = float(np.abs(model.linear).sum() + np.abs(model.couplings).sum())
        if model.assignment_energies(assignment)[0] <= bound + 1e-9 * scale:
            return dict(enumerate(assignment[0].tolist()))
    _, strict = roof_duality(bqm, strict=True)
    return {int(variable): int(strict[variable] < 0) for variable in sorted(strict)}


def _import_roof_duality() -> Any:
    # A docstring of that package holds an invalid escape, of which Python warns once, when it first compiles it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        from dwave.preprocessing.lower_bounds import roof_duality
    return roof_duality
