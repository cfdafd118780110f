"""The classical models that a circuit has to beat, and the controls that show whether the protocol itself is sound.

Logistic regression, RBF-SVM, gradient boosting and a small MLP, each on the reduced features and on all of them.
Each is bounded by steps and deterministic for a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from qhybrid_pipelines.core.specifications.learning_specification import BaselineName
from qhybrid_pipelines.learning.data.feature_pipeline import Inputs
from qhybrid_pipelines.learning.models.learner import Estimator, Learner, Settings

MAX_STEPS = 1000

#: The control that names the largest class.
MAJORITY_CLASS = "majority_class"


def _logistic_regression(settings: Settings, seed: int) -> Estimator:
    from sklearn.linear_model import LogisticRegression

    model: Estimator = LogisticRegression(max_iter=MAX_STEPS, random_state=seed, **settings)
    return model


def _rbf_svm(settings: Settings, seed: int) -> Estimator:
    from qhybrid_pipelines.learning.models.calibrated_svm import RbfSvm

    gamma = settings["gamma"]
    model: Estimator = RbfSvm(
        C=float(settings["C"]), gamma=gamma if isinstance(gamma, str) else float(gamma), random_state=seed
    )
    return model


def _gradient_boosting(settings: Settings, seed: int) -> Estimator:
    from sklearn.ensemble import GradientBoostingClassifier

    model: Estimator = GradientBoostingClassifier(random_state=seed, **settings)
    return model


def _mlp(settings: Settings, seed: int) -> Estimator:
    from sklearn.neural_network import MLPClassifier

    widths = (int(settings["width"]),)
    model: Estimator = MLPClassifier(
        hidden_layer_sizes=widths, alpha=settings["alpha"], solver="lbfgs", max_iter=MAX_STEPS, random_state=seed
    )
    return model


def _majority_class(settings: Settings, seed: int) -> Estimator:
    from sklearn.dummy import DummyClassifier

    model: Estimator = DummyClassifier(strategy="prior", random_state=seed, **settings)
    return model


@dataclass(frozen=True, slots=True)
class _Baseline:
    build: Callable[[Settings, int], Estimator]
    defaults: Settings
    #: Settings that are searched for: bounds of a log-uniform distribution, or a list of values.
    ranges: Mapping[str, tuple[float, float] | list[int]]


_BASELINES: dict[BaselineName, _Baseline] = {
    "logistic_regression": _Baseline(_logistic_regression, {"C": 1.0}, {"C": (1e-3, 1e3)}),
    "rbf_svm": _Baseline(_rbf_svm, {"C": 1.0, "gamma": "scale"}, {"C": (1e-2, 1e3), "gamma": (1e-3, 1e1)}),
    "gradient_boosting": _Baseline(
        _gradient_boosting,
        {"n_estimators": 100, "learning_rate": 0.1, "max_depth": 3},
        {"n_estimators": [50, 100, 200], "learning_rate": (0.02, 0.3), "max_depth": [1, 2, 3, 4]},
    ),
    "mlp": _Baseline(_mlp, {"width": 16, "alpha": 1e-2}, {"width": [4, 8, 16, 32], "alpha": (1e-4, 1e1)}),
}


def baseline_learners(names: Sequence[BaselineName]) -> list[Learner]:
    """Return the named baselines, each on the reduced features and on all of them."""
    from scipy.stats import loguniform

    return [
        Learner(
            name=name,
            side="baseline",
            inputs=inputs,
            build=_BASELINES[name].build,
            defaults=_BASELINES[name].defaults,
            search_space={
                setting: loguniform(*range_) if isinstance(range_, tuple) else range_
                for setting, range_ in _BASELINES[name].ranges.items()
            },
        )
        for name in names
        for inputs in get_args(Inputs)
    ]


def control_learners() -> list[Learner]:
    """Return the controls: always the largest class, and a good model trained on shuffled labels.

    The first is the floor of every accuracy. The second must score like guessing; where it does not, something about
    the test rows has reached the training.
    """
    svm = _BASELINES["rbf_svm"]
    return [
        Learner(name=MAJORITY_CLASS, side="control", inputs="reduced", build=_majority_class),
        Learner(
            name="permuted_labels",
            side="control",
            inputs="reduced",
            build=svm.build,
            defaults=svm.defaults,
            permute_labels=True,
        ),
    ]
