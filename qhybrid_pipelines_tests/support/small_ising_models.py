"""Small random Ising models for property tests, and every assignment of a few variables."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.ising import IsingModel


def make_model(linear, couplings, offset=0.0) -> IsingModel:
    """Return the model of fields and a dictionary of couplings."""
    pairs = sorted(couplings)
    return IsingModel(
        linear=np.array(linear, dtype=np.float64),
        pairs=np.array(pairs, dtype=np.int32).reshape(-1, 2),
        couplings=np.array([couplings[pair] for pair in pairs], dtype=np.float64),
        offset=float(offset),
    )


def all_assignments(size: int) -> np.ndarray:
    """Return the ``(2**size, size)`` matrix of all assignments; row ``w`` holds the bits of the word ``w``."""
    rows = [row[::-1] for row in itertools.product((0, 1), repeat=size)]
    return np.array(rows, dtype=np.uint8).reshape(2**size, size)


@st.composite
def ising_models(draw, *, min_size=1, max_size=8, integers=None) -> IsingModel:
    """Draw a model; integer coefficients make ties, real ones make rounding."""
    size = draw(st.integers(min_size, max_size))
    whole = draw(st.booleans()) if integers is None else integers
    number = st.integers(-3, 3).map(float) if whole else st.floats(-3, 3, allow_nan=False).map(lambda x: round(x, 6))
    possible = list(itertools.combinations(range(size), 2))
    pairs = draw(st.lists(st.sampled_from(possible), unique=True, max_size=2 * size)) if possible else []
    couplings = {pair: value for pair in pairs if (value := draw(number)) != 0}
    return make_model([draw(number) for _ in range(size)], couplings, draw(number))
