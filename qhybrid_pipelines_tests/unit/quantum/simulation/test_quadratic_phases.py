"""Phases by multiplication against the exponential of every energy."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.quantum.simulation.quadratic_phases import QuadraticPhases
from qhybrid_pipelines_tests.support.reduced_models import ising


@pytest.mark.parametrize(("n", "up"), [(1, 0), (2, 0), (2, 1), (3, 2), (6, 0), (6, 1), (9, 1), (9, 2)])
def test_phases_are_the_exponential_of_every_energy(n, up):
    """The highest spins of a mirrored model stay up: its outcomes are the first ones."""
    rng = np.random.default_rng(n)
    couplings = {(i, j): rng.normal() for i in range(n) for j in range(i + 1, n) if rng.random() < 0.7}
    model = ising(rng.normal(size=n), couplings)
    out = np.empty(1 << (n - up), dtype=complex)
    phases = QuadraticPhases(model, kept=n - up, origin=0.7)
    for gamma in (0.31, -2.0, 0.0):
        phases(gamma, out)
        assert np.allclose(out, np.exp(-1j * gamma * (model.diagonal[: len(out)] - 0.7)), rtol=0, atol=1e-13)
