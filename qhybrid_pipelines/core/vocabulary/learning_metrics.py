"""The scores that a learning experiment may be judged by; a module of its own, so that tables need not load the specification."""

from __future__ import annotations

from typing import Literal

Metric = Literal[
    "accuracy",
    "balanced_accuracy",
    "roc_auc",
    "log_loss",
    "f1",
    "recall",
    "average_precision",
    "mcc",
    "brier",
]
