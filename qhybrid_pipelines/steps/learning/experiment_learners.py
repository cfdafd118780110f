"""The circuits of a learning experiment as learners: the same tuning, folds and scoring as for classical models."""

from __future__ import annotations

import math
from collections.abc import Iterator

from qhybrid_pipelines.core.learning_specification import LearningSpec
from qhybrid_pipelines.learning.models.baselines import baseline_learners, control_learners
from qhybrid_pipelines.learning.models.learner import Estimator, Learner, Settings


def make_learners(spec: LearningSpec) -> list[Learner]:
    """Return everything that is trained: the circuits, the baselines, the controls."""
    return [*_circuit_learners(spec), *baseline_learners(spec.baseline_names), *control_learners()]


def _circuit_learners(spec: LearningSpec) -> Iterator[Learner]:
    from scipy.stats import loguniform

    from qhybrid_pipelines.learning.training.stopping_rules import Diverged, NotConverged

    for name in spec.model_names:
        if name == "kernel":
            yield Learner(
                name=name,
                side="quantum",
                inputs="reduced",
                build=_build_quantum_kernel,
                defaults={"C": 1.0, "bandwidth": 1.0},
                search_space={"C": loguniform(1e-2, 1e3), "bandwidth": loguniform(0.1, 2.0)},
            )
            continue
        yield Learner(
            name=name,
            side="unentangled_control" if name == "separable" else "quantum",
            inputs="reduced",
            build=_ReuploadingBuilder(spec, entangled=name == "variational"),
            defaults={"learning_rate": spec.training.learning_rate, "batch_size": spec.training.batch_size},
            # Layers are not searched for: all folds share one template, and so one batch on a backend.
            search_space={"learning_rate": loguniform(0.01, 0.2), "batch_size": [16, 32, 64]},
            failures=(Diverged, NotConverged),
        )


def _build_quantum_kernel(settings: Settings, _seed: int) -> Estimator:
    from qhybrid_pipelines.learning.models.quantum_kernel import QuantumKernelClassifier

    model: Estimator = QuantumKernelClassifier(C=float(settings["C"]), bandwidth=float(settings["bandwidth"]))
    return model


class _ReuploadingBuilder:
    """Builds the variational classifier or its unentangled control; epochs become steps once the rows are known."""

    def __init__(self, spec: LearningSpec, *, entangled: bool) -> None:
        self._training, self._entangled = spec.training, entangled

    def __call__(self, settings: Settings, seed: int) -> Estimator:
        from qhybrid_pipelines.learning.models.separable_classifier import SeparableClassifier
        from qhybrid_pipelines.learning.models.variational_classifier import VariationalClassifier

        build = VariationalClassifier if self._entangled else SeparableClassifier
        model: Estimator = build(
            layers=self._training.layers,
            learning_rate=float(settings["learning_rate"]),
            batch_size=int(settings["batch_size"]),
            window=self._training.window,
            must_converge=self._training.must_converge,
            seed=seed,
        )
        return model


def iteration_limit(spec: LearningSpec, *, rows: int, batch_size: int) -> int:
    """Return how many steps an experiment's epochs are."""
    return math.ceil(spec.training.epochs * rows / batch_size)
