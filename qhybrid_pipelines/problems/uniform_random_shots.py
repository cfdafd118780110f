"""What uniform random shots are worth: the twin of every figure that raw shots are given, computed and not drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.classical.exhaustive import MAX_VARIABLES, all_outcomes, find_minimum, is_minimum
from qhybrid_pipelines.classical.statistics import paired_bootstrap, trials_to_target
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.problems.reduction import reduced_model_from_row


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomFigures:
    """Figures of uniform random shots on the same reduced model.

    Attributes:
        p_optimum: probability of one shot to be at the reduced model's lowest energy; None where nothing was sent, or the model is too wide to tell.
        shots_to_target_99: shots that reach the reference once with 99 %; None where no shot of either side is known to.
    """

    p_optimum: float | None
    shots_to_target_99: float | None


def random_figures(
    reduced_model_row: Mapping[str, Any], scores: Mapping[str, Sequence[Any]], *, reached: bool
) -> RandomFigures:
    """Return the twin figures of an execution; without a model or shots there is nothing to compare with.

    Args:
        reduced_model_row: row of `reduced_models`.
        scores: rows of `point_scores`.
        reached: some measured shot reached the reference, which is then the reduced model's optimum.
    """
    if not len(scores["point"]) or "model" not in reduced_model_row:
        return RandomFigures(p_optimum=None, shots_to_target_99=None)
    reduced_model = reduced_model_from_row(reduced_model_row)
    if reduced_model.size > MAX_VARIABLES:  # nobody knows how many outcomes are optimal
        return RandomFigures(p_optimum=None, shots_to_target_99=None)
    share = uniform_p_optimum(reduced_model)
    return RandomFigures(p_optimum=share, shots_to_target_99=trials_to_target(share, 1) if reached else None)


def uniform_p_optimum(reduced_model: ReducedModel) -> float:
    """Return the share of outcomes at the lowest energy; among those with the right number of ones where it is fixed."""
    model, cardinality = reduced_model.model, reduced_model.cardinality
    words = all_outcomes(model.size, cardinality)
    _, lowest = find_minimum(model, cardinality)
    return float(is_minimum(model, model.diagonal[words.astype("int64")], lowest).mean())


def corrected_interval(means: F64, random: float, reference: float) -> tuple[float, float] | tuple[None, None]:
    """Return the 95 % interval of how far means are above random ones, 0 is random and 1 the reference.

    Runs are resampled (`paired_bootstrap`). What random is worth on average counts as known: it rests on the shots of all points.

    Args:
        means: objective of each run's raw shots, shape ``(runs,)``.
        random: mean objective of random samples.
        reference: another objective than that.

    Returns:
        two nulls for fewer than two runs, which say nothing about how much runs differ.
    """
    return paired_bootstrap((means - random) / (reference - random)) if len(means) > 1 else (None, None)
