"""One line per verdict about a circuit: where it was measured, what it scored, and what the best baseline scored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.values_from_rows import Row
    from qhybrid_pipelines.storage.specifications import Specifications

VERDICT_COLUMNS = (
    "model",
    "backend",
    "shots",
    "metric",
    "model_mean",
    "baseline",
    "baseline_inputs",
    "baseline_mean",
    "gain",
    "low",
    "high",
    "folds",
    "verdict",
    "reason",
)


def learning_verdicts(
    keys: Iterable[str], lake: Lake, specifications: Specifications, damage: Damage | None = None
) -> list[Row]:
    """Return the verdicts of the learning experiments among some keys, against baselines on all features too.

    ``seconds`` is everything that was trained and tuned for the experiment. What cannot be read is left out, and noted.
    """
    rows: list[Row] = []
    damage = damage or Damage()
    for key, spec in load_readable(specifications, keys, damage):
        if isinstance(spec, LearningSpec) and lake.exists(schemas.QML_VERDICTS, PartitionKey(experiment=key)):
            with damage.of(key):
                rows += _verdict_rows(key, lake)
    return rows


def _verdict_rows(key: str, lake: Lake) -> list[Row]:
    whole = PartitionKey(experiment=key)
    [dataset, *_] = lake.read(schemas.QML_DATASETS, whole).column("dataset").to_pylist()
    runs = lake.read(schemas.QML_MODELS, whole)
    seconds = sum(pc.sum(runs[name]).as_py() or 0.0 for name in ("fit_seconds", "tuning_seconds"))
    return [
        {
            "experiment": key,
            "dataset": dataset,
            **{name: verdict[name] for name in VERDICT_COLUMNS},
            "seconds": seconds,
        }
        for verdict in lake.read(schemas.QML_VERDICTS, whole).select(["scope", *VERDICT_COLUMNS]).to_pylist()
        if verdict["scope"] == "all"
    ]
