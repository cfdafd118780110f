"""Tables of learning experiments."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.core.vocabulary.verdicts import Verdict
from qhybrid_pipelines.storage.schemas.descriptions import (
    BOOL,
    EXPERIMENT,
    F64,
    I32,
    I64,
    TEXT,
    TIME,
    Table,
    column,
)
from qhybrid_pipelines.storage.schemas.interpretation import TRACKING_RUNS
from qhybrid_pipelines.storage.schemas.learning_columns import (
    DATA_ROW,
    DECISION,
    FOLD,
    INPUTS,
    MEASURED_ON,
    METRIC,
    MODEL,
    PREDICTED,
    PURPOSE,
    REPEAT,
    SHOTS_PER_ROW,
    SIDE,
    TRAIN_ROWS,
    TRUTH,
)
from qhybrid_pipelines.storage.schemas.learning_measurements import (
    QML_GRADIENTS,
    QML_KERNEL_ENTRIES,
    QML_KERNELS,
    QML_MEASUREMENTS,
    QML_SUBMISSIONS,
    QML_TRAINING_STEPS,
)

QML_DATASETS = Table(
    name="qml_datasets",
    meaning="The data set of a learning experiment: its content hash and its card",
    key=("experiment",),
    columns=(
        EXPERIMENT,
        column("dataset", TEXT, "sklearn:NAME or the file's name"),
        column("digest", TEXT, "SHA-256 over names, values and labels, the same for CSV and Parquet"),
        column("n_rows", I32, "Rows that are used", "rows"),
        column("n_columns", I32, "Feature columns", "columns"),
        column("n_classes", I32, "Classes"),
        column("classes", TEXT, "JSON: class name and its rows, in the order of the class indices"),
        column("majority_share", F64, "Share of rows in the largest class"),
        column("duplicate_rows", I32, "Rows with the same features as an earlier row", "rows"),
        column("ranges", TEXT, "JSON: per column its name, minimum, maximum, mean and deviation"),
        column("source", TEXT, "Where the rows come from"),
        column("licence", TEXT, "Under which terms"),
        column("notes", TEXT, "JSON: what was done on the way in"),
        column("limits", TEXT, "JSON: what the data cannot tell"),
    ),
)

QML_FOLDS = Table(
    name="qml_folds",
    meaning="The fold indices, the same for every model: which row does what in which fold",
    key=("experiment", "repeat", "fold", "row"),
    columns=(
        EXPERIMENT,
        REPEAT,
        FOLD,
        DATA_ROW,
        column("role", TEXT, "What the row does in this fold", words=("train", "validation", "test")),
        column("algorithm", TEXT, "What made the folds, with its version and scikit-learn's", nullable=True),
    ),
)

_ONE_TRAINING = ("experiment", "model", "inputs", "repeat", "fold", "purpose", "train_rows")

QML_MODELS = Table(
    name="qml_models",
    meaning="One row per trained model: its settings, how they were found, and the model itself",
    key=_ONE_TRAINING,
    order=_ONE_TRAINING,
    columns=(
        EXPERIMENT,
        MODEL,
        SIDE,
        INPUTS,
        REPEAT,
        FOLD,
        PURPOSE,
        TRAIN_ROWS,
        column("test_rows", I32, "Rows of the test fold", "rows"),
        column("seed", I64, "Seed of the final fit"),
        column("settings", TEXT, "JSON: the settings that won"),
        column("trials", I32, "Settings tried, the same number for every model that has any"),
        column("trial_scores", TEXT, "JSON: per trial its settings and validation score; null where training failed"),
        column(
            "validation_score",
            F64,
            "Of the settings that won, larger is better; null without tuning, but for baselines",
            nullable=True,
        ),
        column("converged", BOOL, "The final fit ended by its own rule, not by its limit of steps"),
        column("iterations", I32, "Steps of the final fit, where it counts them", nullable=True),
        column(
            "gradient_variance",
            F64,
            "Variance of the loss's slope over 50 random sets of weights, mean over all weights; null without weights, for "
            "learning curves, and where an older release wrote it",
            nullable=True,
        ),
        column(
            "kernel_alignment",
            F64,
            "Centred alignment of its kernel with the labels of the rows of the fit, at most 1; null without a kernel, for "
            "learning curves, and where an older release wrote it",
            nullable=True,
        ),
        column("reduction", TEXT, "JSON: the feature chain, fitted on the training rows of this fold"),
        column("template", TEXT, "Id of the circuit's template; null for classical models and kernels", nullable=True),
        column(
            "saved_model", TEXT, "JSON: the fitted model, to be loaded back; null for classical models", nullable=True
        ),
        column("fit_seconds", F64, "Time of the final fit", "s", measured=True),
        column("tuning_seconds", F64, "Time of all trials", "s", measured=True),
    ),
)

QML_ITERATIONS = Table(
    name="qml_iterations",
    meaning="One row per step of every final training of a circuit",
    key=("experiment", "model", "inputs", "repeat", "fold", "iteration"),
    columns=(
        EXPERIMENT,
        MODEL,
        INPUTS,
        REPEAT,
        FOLD,
        column("iteration", I32, "Step, from 1", minimum=1),
        column("epoch", I32, "Pass over the training rows, from 0", minimum=0),
        column("loss", F64, "Mean cross-entropy of the step's rows, before the step", "nats"),
        column("gradient_norm", F64, "Euclidean norm of its gradient"),
        column("seconds", F64, "Time of the step", "s", measured=True),
    ),
)

QML_PREDICTIONS = Table(
    name="qml_predictions",
    meaning="What every model says about every row of its test folds; circuits by their exact expectations",
    key=(*_ONE_TRAINING, "row"),
    columns=(
        EXPERIMENT,
        MODEL,
        SIDE,
        INPUTS,
        REPEAT,
        FOLD,
        PURPOSE,
        TRAIN_ROWS,
        DATA_ROW,
        TRUTH,
        PREDICTED,
        column("probabilities", pa.list_(F64), "Per class; null where the model gives none", nullable=True),
        DECISION,
    ),
)

_MODEL_ON_BACKEND = ("experiment", "side", "model", "inputs", "backend", "shots")
_ONE_SCORE = (*_MODEL_ON_BACKEND, "purpose", "train_rows", "repeat", "fold", "metric")

QML_SCORES = Table(
    name="qml_scores",
    meaning="One metric of one model on one test fold, exact or measured",
    key=_ONE_SCORE,
    order=_ONE_SCORE,
    columns=(
        EXPERIMENT,
        MODEL,
        SIDE,
        INPUTS,
        MEASURED_ON,
        SHOTS_PER_ROW,
        REPEAT,
        FOLD,
        PURPOSE,
        TRAIN_ROWS,
        column("test_rows", I32, "Rows of the test fold", "rows"),
        METRIC,
        column("value", F64, "Its value; null where the model gives no such score", nullable=True),
    ),
)

QML_SUMMARIES = Table(
    name="qml_summaries",
    meaning="Mean of one metric over all test folds, with an interval that knows that folds share rows",
    key=("experiment", "side", "model", "inputs", "backend", "shots", "metric"),
    columns=(
        EXPERIMENT,
        MODEL,
        SIDE,
        INPUTS,
        MEASURED_ON,
        SHOTS_PER_ROW,
        METRIC,
        column("folds", I32, "Test folds in all repeats"),
        column("mean", F64, "Mean over the folds"),
        column("low", F64, "Lower 95 % bound of the mean, corrected after Nadeau and Bengio", nullable=True),
        column("high", F64, "Upper 95 % bound", nullable=True),
    ),
)

QML_VERDICTS = Table(
    name="qml_verdicts",
    meaning="One circuit against the best classical baseline on the same folds, chosen on validation rows",
    key=("experiment", "model", "backend", "shots", "scope"),
    columns=(
        EXPERIMENT,
        MODEL,
        SIDE,
        MEASURED_ON,
        SHOTS_PER_ROW,
        METRIC,
        column(
            "scope", TEXT, "Against baselines on all features too, or on the same ones only", words=("all", "reduced")
        ),
        column(
            "baseline",
            TEXT,
            "The baseline that did best on validation rows; by rule 1 the best on the test folds",
            nullable=True,
        ),
        column("baseline_inputs", TEXT, "Features that it was given", nullable=True),
        column("folds", I32, "Test folds in all repeats"),
        column("model_mean", F64, "Mean score of the circuit", nullable=True),
        column("baseline_mean", F64, "Mean score of the baseline", nullable=True),
        column("gain", F64, "Mean paired gain over the baseline, positive is good also for log_loss", nullable=True),
        column("low", F64, "Lower 95 % bound of the gain, corrected after Nadeau and Bengio", nullable=True),
        column("high", F64, "Upper 95 % bound of the gain", nullable=True),
        column("margin", F64, "Gain that counts as better"),
        column("p_value", F64, "One-sided, of a gain no larger than the margin", nullable=True),
        column("p_adjusted", F64, "The same after Holm over the circuits of a scope, each counted once", nullable=True),
        column("unentangled_gain", F64, "Gain over the control without entanglement, measured alike", nullable=True),
        column("unentangled_low", F64, "Lower 95 % bound of that", nullable=True),
        column("unentangled_high", F64, "Upper 95 % bound of that", nullable=True),
        column("verdict", TEXT, "Who won, in one word", words=tuple(Verdict)),
        column("reason", TEXT, "The verdict in a sentence or two"),
        column("rule", TEXT, "Version of the rules that gave the verdict; null for rule 1", nullable=True),
        column(
            "recorded_at",
            TIME,
            "When this row was written; null where a release wrote it that did not say it",
            nullable=True,
            measured=True,
        ),
    ),
)

QML_TRACKING_RUNS = Table(
    name="qml_tracking_runs",
    meaning="Where the records of a learning experiment are in MLflow: the experiment, and each model, fold and seed",
    key=("experiment", "tracking_key"),
    columns=(
        EXPERIMENT,
        column("tracking_key", TEXT, "Deterministic look-up key, tag qhybrid.key of the run"),
        column("model", TEXT, "Name of the model; null for the experiment's own run", nullable=True),
        column("inputs", TEXT, "Features it was given", nullable=True),
        column("repeat", I32, "Repeat of the cross-validation", nullable=True),
        column("fold", I32, "Fold of the repeat", nullable=True),
        *TRACKING_RUNS.columns[3:],
    ),
)

#: Tables of learning experiments, in the order of the data's way.
LEARNING_TABLES: tuple[Table, ...] = (
    QML_DATASETS,
    QML_FOLDS,
    QML_MODELS,
    QML_ITERATIONS,
    QML_TRAINING_STEPS,
    QML_PREDICTIONS,
    QML_SUBMISSIONS,
    QML_MEASUREMENTS,
    QML_GRADIENTS,
    QML_KERNELS,
    QML_KERNEL_ENTRIES,
    QML_SCORES,
    QML_SUMMARIES,
    QML_VERDICTS,
    QML_TRACKING_RUNS,
)
