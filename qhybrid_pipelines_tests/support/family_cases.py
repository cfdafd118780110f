"""What the suites that hold for every family need to know about one: its own test file says it, as ``CASES``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from qhybrid_pipelines.problems.registry import all_families
from qhybrid_pipelines_tests.support.instance_files import InstanceFile, instance_files

FOLDER = Path(__file__).parents[1] / "unit" / "problems" / "families"

#: (payload of an instance, assignment as 0 and 1) -> (objective, feasible), in plain Python from what the problem is.
Definition = Callable[[Any, list[int]], tuple[float, bool]]


@dataclass(frozen=True, kw_only=True)
class PublishedOptimum:
    """A problem whose optimum is known from elsewhere; ``name`` is unique among all of them."""

    name: str
    problem: Mapping[str, Any]
    best_known: float


@dataclass(frozen=True, kw_only=True)
class FamilyCases:
    """The cases of one family.

    Attributes:
        small: generator -> parameters of some instances of at most 10 variables, so that everything can be enumerated.
        definition: the problem itself, sharing no code with the package.
        published: problems with a known optimum, beside those of the family in `instances/manifest.csv`.
        reduced: sources without a seed, of at most 10 variables, whose reduced models are held against enumeration; the first
            parameters of each generator in ``small`` if empty.
    """

    small: Mapping[str, Sequence[Mapping[str, Any]]]
    definition: Definition
    published: Sequence[PublishedOptimum] = ()
    reduced: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def first_source(self) -> dict[str, Any]:
        """The first small instance, as the `source` of a specification."""
        generator, parameters = next(iter(self.small.items()))
        return {"generator": generator, **parameters[0]}

    @property
    def sources_to_reduce(self) -> list[dict[str, Any]]:
        """Sources without their seeds."""
        first = [{"generator": name, **parameters[0]} for name, parameters in self.small.items()]
        return [{key: value for key, value in source.items() if key != "seed"} for source in self.reduced or first]


@cache
def cases_for(family: str) -> FamilyCases:
    """Return the cases of a family. Raises LookupError, saying what is to be written, where there are none."""
    path = FOLDER / f"test_{family}.py"
    place = f"{path.relative_to(FOLDER.parents[3])}"
    if not path.exists():
        raise LookupError(f"family {family!r} has no tests: write {place} with CASES = FamilyCases(...)")
    spec = importlib.util.spec_from_file_location(f"cases_of_{family}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cases = getattr(module, "CASES", None)
    if not isinstance(cases, FamilyCases):
        raise LookupError(f"{place} has no CASES = FamilyCases(...), which the suites for every family read")  # noqa: TRY004
    missing = sorted(set(all_families()[family].generators) - set(cases.small))
    unknown = sorted(set(cases.small) - set(all_families()[family].generators))
    if missing or unknown:
        raise LookupError(f"CASES.small in {place}: no parameters for {missing}, no generator named {unknown}")
    return cases


def all_cases() -> dict[str, FamilyCases]:
    """Return the cases of every family that the package finds."""
    return {family: cases_for(family) for family in all_families()}


def published_optima() -> dict[str, PublishedOptimum]:
    """Return every problem with a known optimum by name: those of the manifest, then those of the families' own cases."""
    listed = [_listed(file) for file in instance_files()]
    own = [published for cases in all_cases().values() for published in cases.published]
    return {published.name: published for published in (*listed, *own)}


def _listed(file: InstanceFile) -> PublishedOptimum:
    return PublishedOptimum(name=file.instance, problem=file.problem, best_known=file.best_known)
