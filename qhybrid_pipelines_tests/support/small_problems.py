"""Instances of every family that can be enumerated, as problems."""

from __future__ import annotations

from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.specifications.experiment_specification import ProblemSpec
from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.sources import load_instance
from qhybrid_pipelines_tests.support.family_cases import all_cases

#: Family and source: the first parameters of every generator.
SMALL_SOURCES: list[tuple[str, dict[str, Any]]] = [
    (family, {"generator": generator, **parameters[0]})
    for family, cases in all_cases().items()
    for generator, parameters in cases.small.items()
]


#: Families whose objective has products of more than two variables: their canonical model is a polynomial.
HIGHER_ORDER = frozenset({"labs"})
#: The others.
QUADRATIC_SOURCES = [(family, source) for family, source in SMALL_SOURCES if family not in HIGHER_ORDER]


def small_problem(family: str, source: dict[str, Any]) -> Problem:
    """Return the problem of a generated instance."""
    spec = ProblemSpec.model_validate({"family": family, "source": source})
    return Problem.of(family_named(family), load_instance(spec, lambda _: b""))


def all_rows(size: int) -> U8:
    """Return every assignment, shape ``(2 ** size, size)``."""
    return ((np.arange(1 << size)[:, None] >> np.arange(size)) & 1).astype(np.uint8)
