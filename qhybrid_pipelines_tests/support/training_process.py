"""A small training with a checkpoint after every iteration, as a process that may be killed; light, since it starts often."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from qhybrid_pipelines.learning.circuits.adjoint_engine import AdjointEngine
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape
from qhybrid_pipelines.learning.training.trainer import Trainer, TrainingConfig

ITERATIONS = 400


def corners(rows=24, columns=2, seed=1):
    """Return angles around two corners, and their class indices."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    return rng.uniform(-0.5, 0.5, (rows, columns)) + np.where(labels == 0, -0.6, 0.6)[:, None], labels


def small_trainer(checkpoint=None, **changes):
    features, labels = corners()
    shape = CircuitShape(n_features=2, n_qubits=2, layers=2, entangled=True)
    config = {
        "learning_rate": 0.05,
        "batch_size": 10,
        "max_iterations": ITERATIONS,
        "window": ITERATIONS,
        "must_converge": False,
        "seed": 3,
    }
    return Trainer(
        shape,
        TrainingConfig(**config | changes),
        features,
        labels,
        n_classes=2,
        engine=AdjointEngine(shape),
        checkpoint=checkpoint,
    )


def main(home):
    """Train on from the checkpoint, if there is one; say each iteration once it is kept."""
    kept, fresh = home / "checkpoint.json", home / "fresh.json"
    trainer = small_trainer(checkpoint=kept.read_bytes() if kept.exists() else None)
    for step in trainer.iterations():
        fresh.write_bytes(trainer.state.to_bytes())
        fresh.replace(kept)
        print(step.iteration, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
