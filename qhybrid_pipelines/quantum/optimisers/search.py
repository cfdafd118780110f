"""What an optimiser of angles works on: coordinates around a start, and the steps that were measured so far.

The coordinates of QAOA are the cosine modes of its gammas and of its betas: the first moves all gammas, the next tilts them. Optimal
angles follow smooth curves, so that few modes carry most of a change and the first steps of an optimiser are large ones. Source: the
Fourier strategy of L. Zhou et al., Phys. Rev. X 10, 021067 (2020).

An optimiser keeps nothing between two steps: what it asks for next is a function of the search and of the steps so far. Whoever has the
measured steps can go on, whatever happened to the process that began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredStep:
    """One batch of points and what came back.

    Attributes:
        angles: shape ``(points, angles)``, radians.
        values: the objective at each point, lower is better, shape ``(points,)``.
        errors: standard error of each value, shape ``(points,)``.
    """

    angles: F64
    values: F64
    errors: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The coordinates of a loop.

    Attributes:
        start: the first point, shape ``(angles,)``, radians.
        unit: what counts as one in each angle, shape ``(angles,)``, radians.
        modes: orthonormal rows, shape ``(angles, angles)``; row ``k`` is the direction of coordinate ``k``, in units.
        points: of each step.
        steps: at most.
        seed: of every random choice.
    """

    start: F64
    unit: F64
    modes: F64
    points: int
    steps: int
    seed: int

    @property
    def size(self) -> int:
        """Number of angles."""
        return len(self.start)

    def to_angles(self, coordinates: F64) -> F64:
        """Return the angles of coordinates, both of shape ``(points, angles)``."""
        return np.asarray(self.start + coordinates @ self.modes * self.unit, dtype=np.float64)

    def to_coordinates(self, angles: F64) -> F64:
        """Return the coordinates of angles, both of shape ``(points, angles)``; the start is zero."""
        return np.asarray((angles - self.start) / self.unit @ self.modes.T, dtype=np.float64)

    def told(self, history: Sequence[MeasuredStep]) -> tuple[F64, F64]:
        """Return coordinates, shape ``(measured, angles)``, and values, shape ``(measured,)``, of all points so far."""
        if not history:
            return np.empty((0, self.size)), np.empty(0)
        angles = np.concatenate([step.angles for step in history])
        return self.to_coordinates(angles), np.concatenate([step.values for step in history])


class Optimiser(Protocol):
    """Says which points are to be measured next."""

    def __call__(self, search: Search, history: Sequence[MeasuredStep], /) -> F64 | None:
        """Return the angles of the next step, shape ``(points, angles)``; None where it has nothing more to ask."""


def qaoa_search(start: F64, scale: float, *, points: int, steps: int, seed: int) -> Search:
    """Return the search over the angles of QAOA.

    Args:
        start: shape ``(2 layers,)``, gammas first, radians.
        scale: of the gammas, see `quantum.ramps.cost_scale`.
        points: of each step.
        steps: at most.
        seed: of every random choice.
    """
    layers = len(start) // 2
    modes = np.kron(np.eye(2), cosine_modes(layers)).astype(np.float64)
    unit = np.repeat([scale, 1.0], layers)
    return Search(start=start, unit=unit, modes=modes, points=points, steps=steps, seed=seed)


def free_search(start: F64, *, points: int, steps: int, seed: int) -> Search:
    """Return the search over the angles of a circuit that nothing is known about; arguments as `qaoa_search`."""
    size = len(start)
    return Search(start=start, unit=np.ones(size), modes=np.eye(size), points=points, steps=steps, seed=seed)


def cosine_modes(size: int) -> F64:
    """Return the orthonormal cosine transform of type II, shape ``(size, size)``, one mode a row, slowest first."""
    modes = np.cos(np.pi / size * np.outer(np.arange(size), np.arange(size) + 0.5))
    return np.asarray(modes / np.linalg.norm(modes, axis=1, keepdims=True), dtype=np.float64)
