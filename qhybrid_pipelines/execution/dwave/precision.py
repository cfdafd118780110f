"""Whether an annealer can tell a model's coefficients apart: after scaling to its ranges, small ones drown in its control errors.

That is what a large penalty does to an objective: everything is scaled by one factor, and the penalty decides which.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.quantum.annealing.programming import program
from qhybrid_pipelines.quantum.annealing.qubit_graph import QubitGraph

#: Usual error of a programmed field or coupling, in units of the machine; the vendor calls it an integrated control error.
CONTROL_ERROR = 0.02
#: From this share of a model's coefficients on it is said that they drown.
DROWNED_SHARE = 0.5
_REMEDY = "try weaker chains, a smaller penalty, or a hybrid solver"


def precision_note(batch: AnnealBatch, graph: QubitGraph) -> str:
    """Return in words how much a model is scaled, and a warning where the machine cannot tell most of its coefficients from its errors.

    Args:
        batch: its embedding is on ``graph``; the chain strength that scales most is the one that is spoken of.
        graph: states the ranges.

    Returns:
        Nothing where the batch cannot be programmed, which whoever sends it is told.
    """
    try:
        scale = min(
            program(batch.model, batch.embedding, graph, chain_strength_factor=float(factor)).scale
            for factor in np.unique(batch.chain_strengths)
        )
    except InvalidInput:
        return ""
    said = f"; scaled to the machine's ranges by {scale:.3g}"
    coefficients = np.abs(np.concatenate([batch.model.linear, batch.model.couplings]))
    told = coefficients[coefficients > 0]
    share = float((told * scale < CONTROL_ERROR).mean()) if len(told) else 0.0
    if share < DROWNED_SHARE:
        return said
    return f"{said}. WARNING: {share:.0%} of its coefficients are then smaller than the machine's control errors, about {CONTROL_ERROR:g}, and drown in them; {_REMEDY}"
