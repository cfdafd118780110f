"""Columns that tables of learning experiments share."""

from __future__ import annotations

from typing import get_args

from qhybrid_pipelines.core.vocabulary.learning_metrics import Metric
from qhybrid_pipelines.storage.schemas.descriptions import (
    F64,
    I32,
    TEXT,
    column,
)

MODEL = column("model", TEXT, "Name of the model: a circuit, a classical baseline or a control")

SIDE = column(
    "side",
    TEXT,
    "What kind of model it is; a control must stay at chance, or only names the largest class",
    words=("quantum", "unentangled_control", "baseline", "control"),
)

INPUTS = column("inputs", TEXT, "Features it was given", words=("reduced", "all"))

REPEAT = column("repeat", I32, "Repeat of the cross-validation, from 0", minimum=0)

FOLD = column("fold", I32, "Fold of the repeat, from 0", minimum=0)

PURPOSE = column("purpose", TEXT, "What the training is for", words=("comparison", "learning_curve"))

TRAIN_ROWS = column("train_rows", I32, "Rows of the final fit", "rows", minimum=1)

DATA_ROW = column("row", I32, "Number of the row in the data set, from 0", minimum=0)

TRUTH = column("truth", I32, "Its class index", minimum=0)

PREDICTED = column("predicted", I32, "The class index that the model says", minimum=0)

DECISION = column("decision", F64, "Score that grows with class 1; null for more than two classes", nullable=True)

MEASURED_ON = column(
    "backend", TEXT, "Backend of measured circuits; null for exact expectations and classical models", nullable=True
)

SHOTS_PER_ROW = column(
    "shots", I32, "Shots per test row; null for exact expectations and classical models", "shots", nullable=True
)

METRIC = column("metric", TEXT, "What is measured", words=get_args(Metric))
