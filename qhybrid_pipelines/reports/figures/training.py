"""How trainings of circuits converged, with intervals over folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qhybrid_pipelines.reports.figures.style import SERIES, Drawing, legend_below, new_axes, with_report_style

#: Steps that a line is smoothed over: mini-batches are noisy.
SMOOTHED_STEPS = 15


@with_report_style
def training(losses: Mapping[str, Sequence[Sequence[float]]]) -> Drawing:
    """Return the loss over the steps of every circuit's training: mean over folds, and 95 % of the mean.

    Args:
        losses: by circuit, the losses of each fold by step; folds may differ in length, and end with the shortest.
    """
    from scipy.stats import t

    figure, axes = new_axes(2.9 + 0.12 * len(losses))
    for number, (model, folds) in enumerate(losses.items()):
        shortest = min(len(fold) for fold in folds)
        width = min(SMOOTHED_STEPS, 1 + shortest // 6)
        smooth = np.array([np.convolve(fold[:shortest], np.full(width, 1 / width), mode="valid") for fold in folds])
        steps, mean, colour = np.arange(width, shortest + 1), smooth.mean(axis=0), SERIES[number % len(SERIES)]
        if len(folds) > 1:
            half = t.ppf(0.975, len(folds) - 1) * smooth.std(axis=0, ddof=1) / np.sqrt(len(folds))
            axes.fill_between(steps, mean - half, mean + half, alpha=0.22, lw=0, color=colour)
        axes.plot(steps, mean, color=colour, label=model)
    axes.set_xlabel("step of the training")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel("cross-entropy (nats)")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    legend_below(figure, axes)
    return Drawing(
        name="training",
        title="How training converged",
        caption=f"Loss on training rows, mean over folds and up to {SMOOTHED_STEPS} steps; the band is the 95 % interval of the mean over "
        "folds.",
        figure=figure,
    )
