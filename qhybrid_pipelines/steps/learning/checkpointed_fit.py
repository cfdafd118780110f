"""Fitting one estimator: circuits from their last checkpoint and with their steps reported, all others as they are."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.system.failpoints import failpoint
from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.learning.data.dataset import I64
from qhybrid_pipelines.learning.evaluation.tuner import FitContext
from qhybrid_pipelines.learning.models.learner import Estimator

#: A training that takes longer than this leaves a checkpoint behind every so often; a shorter one when it ends.
CHECKPOINT_SECONDS = 1.0

#: Told what is going on, in a few words.
ReportProgress = Callable[[str], None]


class CheckpointedFit:
    """Fits the estimators of one experiment; what a killed process had finished is not trained again.

    Args:
        spec: of the experiment.
        folder: for checkpoints, the experiment's own.
        tmp: for unfinished files.
        report: told about every training of a circuit.
    """

    def __init__(self, spec: LearningSpec, folder: Path, tmp: Path, report: ReportProgress) -> None:
        self._spec, self._folder, self._tmp, self._report = spec, folder, tmp, report

    def __call__(self, estimator: Estimator, features: F64, labels: I64, fit_context: FitContext) -> float:
        """Fit in place; return the seconds of the steps that came from a checkpoint.

        Raises:
            InvalidInput: training diverged with the settings of the specification, or the checkpoint there belongs to
                another training.
            NotConverged: it did not converge though it had to; settings that are tried may lose by this.
            CorruptFile: the checkpoint cannot be read.
        """
        from qhybrid_pipelines.learning.models.reuploading_classifier import ReuploadingClassifier
        from qhybrid_pipelines.learning.training.stopping_rules import Diverged, NotConverged

        if not isinstance(estimator, ReuploadingClassifier):
            estimator.fit(features, labels)
            return 0.0
        limit = math.ceil(self._spec.training.epochs * len(features) / estimator.batch_size)
        estimator.set_params(max_iterations=limit)
        try:
            return self._train(estimator, features, labels, fit_context)
        except Diverged as error:
            if fit_context.trial:  # settings that were drawn may lose; those that a person stated may not
                raise
            raise InvalidInput(error.problem, remedy=error.remedy, field=error.field) from None
        except NotConverged as error:
            enough = _suggest_epochs(self._spec, rows=len(features), batch_size=estimator.batch_size)
            raise NotConverged(
                f"{_describe_fit(fit_context)}: {error.problem}",
                remedy=f"Allow more epochs (now {self._spec.training.epochs}; try {enough}), change training.learning_rate, "
                "or accept the last state with training.must_converge: false.",
                field="training.epochs",
            ) from None

    def _train(self, estimator: Estimator, features: F64, labels: I64, fit_context: FitContext) -> float:
        from sklearn.exceptions import ConvergenceWarning

        from qhybrid_pipelines.learning.models.reuploading_classifier import ReuploadingClassifier
        from qhybrid_pipelines.learning.training.trainer import Trainer
        from qhybrid_pipelines.learning.training.training_state import CHECKPOINT_NAME, TrainingStep

        assert isinstance(estimator, ReuploadingClassifier)
        path = self._path(fit_context)
        checkpoint = path.read_bytes() if path.is_file() else None
        saved_at = time.monotonic()
        new_steps = 0

        def save_checkpoint(step: TrainingStep, trainer: Trainer) -> None:
            nonlocal saved_at, new_steps
            new_steps += 1
            now = time.monotonic()
            if now - saved_at < CHECKPOINT_SECONDS and trainer.state.outcome == "running":
                return
            write_bytes(path, trainer.state.to_bytes(), tmp=self._tmp)
            saved_at = now
            self._report(
                f"{_describe_fit(fit_context)}: step {step.iteration} of {estimator.max_iterations}, loss {step.loss:.4f}"
            )
            failpoint("training.kept")

        try:
            estimator.fit(features, labels, checkpoint=checkpoint, on_iteration=save_checkpoint)
        except (CorruptFile, InvalidInput) as error:
            if error.file != CHECKPOINT_NAME:
                raise
            # Only here is known which file it was.
            remedy = f"Delete {path}; training then starts from its beginning."
            if isinstance(error, CorruptFile):
                raise CorruptFile(str(path), error.problem, remedy=remedy) from None
            raise InvalidInput(error.problem, remedy=remedy, file=str(path), field=error.field) from None
        if estimator.outcome_ != "converged":
            # scikit-learn's own models say so by this warning, and `learning.evaluation.tuner` listens for it.
            warnings.warn("the loss was not flat at the limit of steps", ConvergenceWarning, stacklevel=2)
        return sum(step.seconds for step in estimator.history_[: len(estimator.history_) - new_steps])

    def _path(self, fit_context: FitContext) -> Path:
        trial = "final" if fit_context.trial is None else f"trial{fit_context.trial}"
        return (
            self._folder
            / f"{fit_context.learner.name}-{fit_context.repeat}-{fit_context.fold}-{trial}-{fit_context.train_rows}.json"
        )


def _suggest_epochs(spec: LearningSpec, *, rows: int, batch_size: int) -> int:
    """Return twice the epochs of an experiment, or the fewest that flatness can be seen in, whichever is more."""
    # Flatness compares two windows of steps.
    return max(2 * spec.training.epochs, math.ceil(2 * spec.training.window * batch_size / rows))


def _describe_fit(fit_context: FitContext) -> str:
    what = "final fit" if fit_context.trial is None else f"trial {fit_context.trial + 1}"
    return f"{fit_context.learner.name}, repeat {fit_context.repeat}, fold {fit_context.fold}, {what}"
