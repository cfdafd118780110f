"""What tuning and comparison know of a model: a name, how it is built, and the settings that may be searched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from qhybrid_pipelines.learning.data.table_rows import Side

if TYPE_CHECKING:  # every process that reads a specification loads the models
    from qhybrid_pipelines.core.binary_models.ising import F64
    from qhybrid_pipelines.learning.data.dataset import I64
    from qhybrid_pipelines.learning.data.feature_pipeline import Inputs

Setting: TypeAlias = bool | int | float | str
Settings: TypeAlias = Mapping[str, Setting]


class Estimator(Protocol):
    """The part of scikit-learn's estimator API that is used; ``predict_proba`` and ``decision_function`` if offered."""

    def fit(self, X: F64, y: I64) -> Any:  # noqa: N803  # scikit-learn's name
        """Train on features, shape ``(rows, columns)``, and class indices, shape ``(rows,)``."""

    def predict(self, X: F64) -> I64:  # noqa: N803
        """Return the class index of each row."""


@dataclass(frozen=True, kw_only=True)
class Learner:
    """One model of the comparison.

    Attributes:
        name: as in the tables.
        side: quantum, unentangled_control, baseline or control.
        inputs: which features it is given.
        build: settings and a 31-bit seed -> an unfitted estimator. It gets class indices as labels.
        defaults: its settings without tuning; the first trial of every search.
        search_space: what may be searched for, as scikit-learn's `ParameterSampler` reads it: lists of values, and SciPy's
            distributions; empty where there is nothing to tune.
        failures: errors of ``fit`` that make a trial lose instead of ending the experiment.
        permute_labels: train on labels that are shuffled among the training rows: a control that must stay at chance.
    """

    name: str
    side: Side
    inputs: Inputs
    build: Callable[[Settings, int], Estimator]
    defaults: Settings = field(default_factory=dict)
    search_space: Mapping[str, Any] = field(default_factory=dict)
    failures: tuple[type[Exception], ...] = ()
    permute_labels: bool = False


def candidate_settings(learner: Learner, *, trials: int, seed: int) -> list[dict[str, Setting]]:
    """Return the settings to try: the defaults, then ``trials - 1`` drawn ones; only the defaults without a space.

    They depend on the experiment's seed and the learner's name and inputs alone, so every fold tries the same ones.
    """
    drawn: Iterable[Mapping[str, Any]] = ()
    if learner.search_space and trials > 1:
        from sklearn.model_selection import ParameterSampler

        from qhybrid_pipelines.core.seeds import derive_seed_31bit

        random_state = derive_seed_31bit(seed, "parameter sampler", learner.name, learner.inputs)
        drawn = ParameterSampler(learner.search_space, trials - 1, random_state=random_state)
    searched = ({name: _readable(value) for name, value in settings.items()} for settings in drawn)
    return [dict(learner.defaults), *({**learner.defaults, **settings} for settings in searched)]


def _readable(value: Any) -> Setting:
    """Return a drawn setting as Python's own value, numbers with four digits, so that tables stay readable."""
    import numpy as np

    setting: Setting = value.item() if isinstance(value, np.generic) else value
    return float(f"{setting:.4g}") if isinstance(setting, float) else setting
