"""Small pictures of a learning experiment: how training went, and which classes were taken for which."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

#: Steps that a line is smoothed over: mini-batches are noisy.
SMOOTHED_STEPS = 15
_COLOURS = ("#c4421a", "#1f5fa8", "#3a8a3a", "#7a4fa0")


def convergence_png(losses: Mapping[str, Sequence[Sequence[float]]], baseline: tuple[str, float] | None) -> bytes:
    """Return the loss of every circuit over its steps, mean over the folds, with the baseline's line, as a PNG.

    Args:
        losses: by model, the losses of each fold's training in order of steps; folds may differ in length.
        baseline: name of a classical model and its mean log-loss on the test folds, nats.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.2), dpi=80, layout="constrained")
    axes = figure.add_subplot()
    for (model, folds), colour in zip(losses.items(), _COLOURS, strict=False):
        shortest = min(len(fold) for fold in folds)
        mean = np.mean([fold[:shortest] for fold in folds], axis=0)
        width = min(SMOOTHED_STEPS, shortest)
        smooth = np.convolve(mean, np.full(width, 1 / width), mode="valid")
        axes.plot(np.arange(width, shortest + 1), smooth, lw=1.2, color=colour, label=f"{model}, training")
    if baseline is not None:
        axes.axhline(baseline[1], lw=1, ls="--", color="#555555", label=f"{baseline[0]}, test folds")
    axes.set_xlabel(f"step (mean over folds and {SMOOTHED_STEPS} steps)")
    axes.set_ylabel("cross-entropy (nats)")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def confusion_png(matrix: npt.NDArray[np.int64], classes: Sequence[str], *, title: str) -> bytes:
    """Return how many test rows of each class (rows) were taken for which class (columns), as a PNG."""
    from matplotlib.figure import Figure

    side = 1.6 + 0.5 * len(classes)
    figure = Figure(figsize=(side + 0.8, side), dpi=80, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for (truth, predicted), count in np.ndenumerate(matrix):
        share = count / max(matrix[truth].sum(), 1)
        axes.text(
            predicted,
            truth,
            str(count),
            ha="center",
            va="center",
            fontsize=8,
            color="white" if share > 0.6 else "black",
        )
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", fontsize=7)
    axes.set_yticks(range(len(classes)), classes, fontsize=7)
    axes.set_xlabel("said", fontsize=8)
    axes.set_ylabel("true", fontsize=8)
    axes.set_title(title, fontsize=8)
    return _png(figure)


def _png(figure: Any) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
