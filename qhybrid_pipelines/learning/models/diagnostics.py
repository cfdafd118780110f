"""What a model says of itself beside its scores: whether its slopes can be seen at all, and whether its kernel fits the labels.

Both are computed exactly from the rows of a fit, with one thread: the last bits do not depend on the number of cores.
"""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.learning.circuits.class_scores import I64, TrainedCircuit
from qhybrid_pipelines.learning.circuits.gradient_engines import exact_engine
from qhybrid_pipelines.learning.training.trainer import HALF_TURN, mini_batch_rows

#: Weights that are drawn, and rows whose mean loss is differentiated at each: as much work as so many steps of training.
DRAWS, ROWS = 50, 32


def gradient_variance(circuit: TrainedCircuit, features: F64, targets: I64, *, seed: int) -> float:
    """Return how much the slope of the loss varies over random weights, in the mean over all weights; squared nats per squared radian.

    Where it vanishes as qubits are added, the circuit is on a barren plateau: shots do not show in which direction to go.

    Args:
        circuit: its readout is used as it was trained, since the first one is alike for all classes, and has no slope where there are more than two.
        features: shape ``(samples, n_features)``, radians; `ROWS` of them are used.
        targets: shape ``(samples,)``, class indices.
        seed: of the rows and the draws.

    Source: J. McClean et al., Nat. Commun. 9, 4812 (2018).
    """
    shape = circuit.shape
    rows = mini_batch_rows(0, samples=len(features), batch_size=ROWS, seed=seed)
    drawn = generator(seed, "learning", "gradient variance").uniform(-HALF_TURN, HALF_TURN, (DRAWS, shape.n_weights))
    engine, readout = exact_engine(shape), circuit.parameters[shape.n_weights :]
    with threadpool_limits(limits=1, user_api="blas"):
        slopes = [
            engine.loss_and_gradient(np.concatenate([weights, readout]), features[rows], targets[rows])[1]
            for weights in drawn
        ]
    return float(np.var(slopes, axis=0, ddof=1)[: shape.n_weights].mean())


def kernel_alignment(kernel: F64, labels: I64) -> float:
    """Return the centred alignment of a kernel with the labels, between -1 and 1.

    1 is a kernel that knows nothing but whether two samples are of one class; 0 is what one without any relation to the labels has, or one that is the
    same for all pairs.

    Args:
        kernel: of all pairs of samples, shape ``(samples, samples)``, symmetric.
        labels: shape ``(samples,)``.

    Source: C. Cortes, M. Mohri, A. Rostamizadeh, J. Mach. Learn. Res. 13, 795 (2012).
    """
    classes = (labels[:, None] == np.unique(labels)).astype(np.float64)
    classes -= classes.mean(axis=0)
    means = kernel.mean(axis=0)
    with threadpool_limits(limits=1, user_api="blas"):
        agreement = float(np.sum(classes * (kernel @ classes)))
        centred = kernel - means - means[:, None] + means.mean()
        size = float(np.linalg.norm(centred) * np.linalg.norm(classes.T @ classes))
    # What is left of a constant kernel is rounding.
    return agreement / size if size > len(kernel) * np.finfo(np.float64).eps * np.linalg.norm(kernel) else 0.0
