"""What recording costs beside training: the same training bare, and with every step kept, reported and checkpointed.

A variational classifier on breast_cancer (PCA to 4 columns, 3 layers, 455 rows), as one fold of the pipeline trains it; then the
loss and gradient norm of its steps are handed to MLflow in one request: the record with its steps against the same without.

    python benchmarks/learning_records.py
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from measuring import interleaved, machine, show, span
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.learning.models.reuploading_classifier import VariationalClassifier
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tracking import Tracker
from qhybrid_pipelines.storage.tracking_record import TrackingRecord

warnings.filterwarnings("ignore", message="the loss was not flat")
ROWS = 455


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--iterations", type=int, default=430)
    options = parser.parse_args()
    columns, labels = load_breast_cancer(return_X_y=True)
    reduced = PCA(4, random_state=0).fit_transform(StandardScaler().fit_transform(columns))[:ROWS]
    angles = MinMaxScaler((-np.pi / 2, np.pi / 2)).fit_transform(reduced)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.make()
        tracker, kept = Tracker(home), Path(folder) / "checkpoint.json"
        model = VariationalClassifier(max_iterations=options.iterations, seed=1)

        def keep(_, trainer) -> None:
            # the pipeline keeps one every second (`steps.learning.checkpointed_fit`), which is longer than this training
            if trainer.state.outcome != "running":
                write_bytes(kept, trainer.state.to_bytes(), tmp=home.tmp)

        model.fit(angles, labels[:ROWS], on_iteration=keep)
        steps = model.history_
        bare = TrackingRecord(key="steps", family="qml", name="steps", params={"rows": ROWS})
        number = iter(range(10**6))
        series = {name: [(step.iteration, getattr(step, name)) for step in steps] for name in ("loss", "gradient_norm")}
        tasks = {
            "training, nothing kept": lambda: model.fit(angles, labels[:ROWS]),
            "training, its steps reported and a checkpoint kept": lambda: model.fit(
                angles, labels[:ROWS], on_iteration=keep
            ),
            "MLflow: a run": lambda: tracker.record(replace(bare, key=f"bare{next(number)}")),
            "MLflow: a run with every step": lambda: tracker.record(
                replace(bare, key=f"steps{next(number)}", series=series)
            ),
        }
        times = interleaved(tasks, rounds=options.rounds)
    training = times["training, nothing kept"].seconds
    show(
        f"{len(steps)} steps of training, and their records",
        [
            {
                "what": name,
                "ms (median)": 1000 * timing.median,
                "lowest to highest": span(1000 * value for value in timing.seconds),
                "times the training (median)": median(
                    mine / whole for mine, whole in zip(timing.seconds, training, strict=True)
                ),
            }
            for name, timing in times.items()
        ],
        machine("numpy", "mlflow", "scikit-learn"),
    )


if __name__ == "__main__":
    main()
