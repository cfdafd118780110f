"""What the service says about its hybrid solvers: how many variables they take, and how long they have to and may work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhybrid_pipelines.core.errors import Unavailable
from qhybrid_pipelines.execution.dwave import NAME

#: Of binary quadratic models. Those of other models (constrained, discrete, nonlinear) have other names.
HYBRID_SOLVER = re.compile(r"hybrid_binary_quadratic_model_version[0-9][A-Za-z0-9_.-]{0,40}")


@dataclass(frozen=True, kw_only=True)
class HybridSolver:
    """One solver as it describes itself.

    Attributes:
        name: the vendor's.
        most_variables: of one model.
        minimum_times: pairs of a number of variables and the seconds that such a model takes at least, ascending.
        longest_run: seconds that one problem may take.
    """

    name: str
    most_variables: int
    minimum_times: tuple[tuple[float, float], ...]
    longest_run: float

    def shortest_run(self, variables: int) -> float:
        """Return the shortest time limit in seconds that is accepted for a model, by the line between the vendor's pairs."""
        sizes, seconds = zip(*self.minimum_times, strict=True)
        return float(np.interp(variables, sizes, seconds))


def is_hybrid(backend: str) -> bool:
    """Tell by its name whether a backend is a hybrid solver."""
    return HYBRID_SOLVER.fullmatch(backend.removeprefix(f"{NAME}:")) is not None


def hybrid_solver(name: str, definition: dict[str, Any]) -> HybridSolver:
    """Read a definition. Raises `Unavailable` naming what it lacks."""
    stated = definition.get("properties")
    kinds = stated.get("supported_problem_types") if isinstance(stated, dict) else None
    if not isinstance(stated, dict) or not isinstance(kinds, list) or "bqm" not in kinds:
        raise Unavailable(f"{name} does not say that it takes binary quadratic models")
    try:
        pairs = tuple((float(size), float(seconds)) for size, seconds in stated["minimum_time_limit"])
        found = HybridSolver(
            name=name,
            most_variables=int(stated["maximum_number_of_variables"]),
            minimum_times=pairs,
            longest_run=float(stated["maximum_time_limit_hrs"]) * 3600.0,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Unavailable(f"the properties of {name} cannot be read: {type(error).__name__} {error}") from None
    if not pairs or not np.isfinite(pairs).all() or (np.diff(np.array(pairs)[:, 0]) <= 0).any():
        raise Unavailable(f"{name} tells its minimum time limit in a form that this adapter does not know")
    return found
