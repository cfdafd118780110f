"""The tables of a learning experiment, one class per row layout; every table starts with the experiment's key.

Columns named ``…_seconds`` are measured and differ between two runs; all others are bit-identical on one machine.
JSON columns hold canonical JSON text.
"""

from __future__ import annotations

from typing import Literal, TypedDict

Side = Literal["quantum", "unentangled_control", "baseline", "control"]
Purpose = Literal["comparison", "learning_curve"]


class DatasetRow(TypedDict):
    """``qml_datasets``: one row per experiment. Key: experiment."""

    experiment: str
    dataset: str  # sklearn:NAME or the file's name
    digest: str  # SHA-256 over names, values and labels
    n_rows: int
    n_columns: int
    n_classes: int
    classes: str  # JSON: class name -> rows, in the order of the class indices
    majority_share: float  # share of rows in the largest class
    duplicate_rows: int  # rows with the same features as an earlier row
    ranges: str  # JSON: per column its name, minimum, maximum, mean, deviation
    source: str
    licence: str
    notes: str  # JSON: what was done on the way in
    limits: str  # JSON: what the data cannot tell


class FoldRow(TypedDict):
    """``qml_folds``: the fold indices. Key: experiment, repeat, fold, row."""

    experiment: str
    repeat: int  # from 0
    fold: int  # from 0
    row: int  # number of the row in the data set, from 0
    role: str  # train | validation | test
    algorithm: str  # what made the folds, with its version and scikit-learn's


class ModelOnFold(TypedDict):
    """Which model on which fold a row is about."""

    experiment: str
    model: str  # variational | separable | kernel | logistic_regression | ... | majority_class | permuted_labels
    inputs: str  # reduced | all
    repeat: int
    fold: int


class FitRow(ModelOnFold):
    """What a row about one trained model on one fold begins with. Key: all but side."""

    side: str  # quantum | unentangled_control | baseline | control
    purpose: str  # comparison | learning_curve
    train_rows: int  # rows of the final fit


class RunRow(FitRow):
    """``qml_models``: one trained model on one fold. Key: as `FitRow`."""

    test_rows: int
    seed: int  # of the final fit
    settings: str  # JSON: the settings that won
    trials: int  # settings tried
    trial_scores: str  # JSON: per trial its settings and validation score; the score is null where training failed
    validation_score: float | None  # of the settings that won; None without tuning, but for baselines
    converged: bool  # the final fit ended by its own rule, not by its limit of steps
    iterations: int | None  # steps of the final fit, where it counts them
    gradient_variance: float | None  # of the loss over random weights, mean over weights; None without weights
    kernel_alignment: float | None  # of the kernel with the labels of its rows, -1 to 1; None without a kernel
    reduction: str  # JSON: the fitted numbers of the feature chain
    template: str | None  # id of the circuit; None for classical models and kernels
    saved_model: (
        str | None
    )  # JSON: the fitted model and its feature chain, to be loaded back; None for classical models
    fit_seconds: float  # the final fit
    tuning_seconds: float  # all trials


class IterationRow(ModelOnFold):
    """``qml_iterations``: one step of one training. Key: experiment, model, inputs, repeat, fold, iteration."""

    iteration: int  # from 1
    epoch: int  # from 0
    loss: float  # of this step's rows, before the step, nats
    gradient_norm: float  # Euclidean
    seconds: float


class PredictionRow(FitRow):
    """``qml_predictions``: one test row of one model, computed exactly. Key: as `FitRow`, and the row."""

    row: int  # number of the row in the data set, from 0
    truth: int  # class index
    predicted: int  # class index
    probabilities: list[float] | None  # per class; None where the model gives none
    decision: float | None  # grows with class 1; None where the model gives none, and for more classes


class MeasurementRow(TypedDict):
    """``qml_measurements``: one test row of one circuit on a backend. Key: all before ``truth``."""

    experiment: str
    backend: str
    model: str
    shots: int
    repeat: int
    fold: int
    row: int
    truth: int
    predicted: int
    probabilities: list[float] | None
    decision: float | None
    expectations: list[float] | None  # measured <Z> per qubit; None for kernels


class ScoreRow(FitRow):
    """``qml_scores``: one metric of one model on one test fold. Key: all columns except side, test_rows and value."""

    backend: str | None  # provider:backend for measured circuits; None for exact expectations and classical models
    shots: int | None  # per test row; None for exact expectations and classical models
    test_rows: int
    metric: str  # one of `core.specifications.learning_specification.Metric`
    value: float | None  # None where the model gives no such score


class SummaryRow(TypedDict):
    """``qml_summaries``: mean of one metric over the folds. Key: experiment, model, inputs, backend, shots, metric."""

    experiment: str
    model: str
    side: str
    inputs: str
    backend: str | None
    shots: int | None
    metric: str
    folds: int  # test folds in all repeats
    mean: float
    low: float | None  # corrected 95 % interval of the mean; None with fewer than 2 folds
    high: float | None


class VerdictRow(TypedDict):
    """``qml_verdicts``: one model against the best baseline. Key: experiment, model, backend, shots, scope."""

    experiment: str
    model: str
    side: str
    backend: str | None
    shots: int | None
    metric: str
    scope: str  # all: against every baseline; reduced: only against those on the same reduced features
    baseline: str | None  # the baseline with the best mean score on validation rows
    baseline_inputs: str | None
    folds: int
    model_mean: float | None
    baseline_mean: float | None
    gain: float | None  # mean paired gain in the metric's unit; positive is good for the model, also for log_loss
    low: float | None  # corrected 95 % interval of the gain
    high: float | None
    margin: float
    p_value: float | None  # one-sided, of a gain no larger than the margin
    p_adjusted: float | None  # the same after Holm over the circuits of one scope, each counted once
    unentangled_gain: float | None  # gain over the control without entanglement on the same backend and shots
    unentangled_low: float | None
    unentangled_high: float | None
    verdict: str  # quantum_better | tie | no_better | classical_better | inconclusive
    reason: str  # one or two sentences
    rule: str  # version of the rules
