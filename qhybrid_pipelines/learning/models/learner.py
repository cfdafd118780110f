"""What tuning and comparison know of a model: a name, how it is built, and the settings that may be searched."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np

from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.learning.data.dataset import I64
from qhybrid_pipelines.learning.data.feature_pipeline import Inputs
from qhybrid_pipelines.learning.data.table_rows import Side

Setting: TypeAlias = bool | int | float | str
Settings: TypeAlias = Mapping[str, Setting]


class Estimator(Protocol):
    """The part of scikit-learn's estimator API that is used; ``predict_proba`` and ``decision_function`` if offered."""

    def fit(self, X: F64, y: I64) -> Any:  # noqa: N803  # scikit-learn's name
        """Train on features, shape ``(rows, columns)``, and class indices, shape ``(rows,)``."""

    def predict(self, X: F64) -> I64:  # noqa: N803
        """Return the class index of each row."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values."""

    values: tuple[Setting, ...]

    def sample(self, rng: np.random.Generator) -> Setting:
        """Return one of the values, all equally likely."""
        return self.values[int(rng.integers(len(self.values)))]


@dataclass(frozen=True, slots=True)
class LogUniform:
    """A positive number whose logarithm is uniform between the bounds."""

    low: float
    high: float

    def sample(self, rng: np.random.Generator) -> Setting:
        """Return one number, rounded to four digits so that tables stay readable."""
        return float(f"{math.exp(rng.uniform(math.log(self.low), math.log(self.high))):.4g}")


@dataclass(frozen=True, kw_only=True)
class Learner:
    """One model of the comparison.

    Attributes:
        name: as in the tables.
        side: quantum, unentangled_control, baseline or control.
        inputs: which features it is given.
        build: settings and a 31-bit seed -> an unfitted estimator. It gets class indices as labels.
        defaults: its settings without tuning; the first trial of every search.
        search_space: what may be searched for; empty where there is nothing to tune.
        failures: errors of ``fit`` that make a trial lose instead of ending the experiment.
        permute_labels: train on labels that are shuffled among the training rows: a control that must stay at chance.
    """

    name: str
    side: Side
    inputs: Inputs
    build: Callable[[Settings, int], Estimator]
    defaults: Settings = field(default_factory=dict)
    search_space: Mapping[str, Choice | LogUniform] = field(default_factory=dict)
    failures: tuple[type[Exception], ...] = ()
    permute_labels: bool = False


def candidate_settings(learner: Learner, *, trials: int, seed: int) -> list[dict[str, Setting]]:
    """Return the settings to try: the defaults, then ``trials - 1`` drawn ones; only the defaults without a space.

    They depend on the experiment's seed and the learner's name and inputs alone, so every fold tries the same ones.
    """
    rng = generator(seed, "candidates", learner.name, learner.inputs)
    count = trials if learner.search_space else 1
    drawn = [{name: range_.sample(rng) for name, range_ in learner.search_space.items()} for _ in range(count - 1)]
    return [dict(learner.defaults), *({**learner.defaults, **settings} for settings in drawn)]
