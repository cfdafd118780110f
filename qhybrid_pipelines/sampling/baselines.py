"""What outcomes without a quantum computer score against a reference."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.sampling.counts import align_counts
from qhybrid_pipelines.sampling.reference import Reference, product_of_marginals
from qhybrid_pipelines.sampling.scores import Score, exact_scores, measured_scores, uniform_scores

UNIFORM, PRODUCT, SAMPLER = "uniform", "product_of_marginals", "classical_sampler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One baseline.

    Attributes:
        scores: of it; without an interval where they are exact.
        seconds: for all shots; None where nothing is drawn.
    """

    name: str
    scores: tuple[Score, ...]
    seconds: float | None = None


def baselines(
    reference: Reference, *, shots: int, repetitions: int, seed: int, point: int, seconds: float | None
) -> list[Baseline]:
    """Return the baselines of one circuit: uniform outcomes, independent bits, and a sampler of the computed state.

    Args:
        reference: what should come out.
        shots: per repetition.
        repetitions: runs.
        seed: root of every random choice.
        point: number of the circuit in its series.
        seconds: in which the state was computed; None where it was not, and so there is no sampler.
    """
    found = [
        Baseline(name=UNIFORM, scores=_exact(uniform_scores(reference))),
        Baseline(name=PRODUCT, scores=_exact(exact_scores(reference, product_of_marginals(reference)))),
    ]
    if seconds is None:
        return found
    began = time.perf_counter()
    counts = np.stack(
        [
            generator(seed, "classical sampler", point, run).multinomial(shots, reference.probabilities)
            for run in range(repetitions)
        ]
    )
    drawing = time.perf_counter() - began
    run, outcome = np.nonzero(counts)
    aligned = align_counts(reference, reference.outcomes[outcome], run, counts[run, outcome])
    return [*found, Baseline(name=SAMPLER, scores=tuple(measured_scores(aligned)), seconds=seconds + drawing)]


def _exact(values: dict[str, float]) -> tuple[Score, ...]:
    return tuple(Score(name=name, value=value, low=value, high=value) for name, value in values.items())
