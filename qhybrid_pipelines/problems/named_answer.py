"""An answer in the words of its family: which retailer goes where, which candidate is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.core.binary_models.bits import assignment_array
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.source_sense import as_stated


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAnswer:
    """The current answer for one execution.

    Attributes:
        experiment: key.
        backend: that it was measured on.
        instance: name of the instance.
        source: who found it.
        objective: what it is worth, in ``unit``, as its source means it.
        unit: of the objective.
        feasible: it satisfies every constraint.
        violation: the first constraint that it breaks, by name and amount; empty when feasible.
        variables: one row per variable: ``variable``, ``value``, ``meaning``.
        description: what experts call it, see `Family.describe`; empty where the variables say it all.
        groups: for 1, and for 0 where the family names those too, what that says of "..." and the variables that have it.
    """

    experiment: str
    backend: str
    instance: str
    source: str
    objective: float
    unit: str
    feasible: bool
    violation: str
    description: str
    variables: tuple[dict[str, Any], ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per variable with all that belongs to it, as the view `answers` has them."""
        labels = {"experiment": self.experiment, "backend": self.backend, "source": self.source}
        return [{**labels, **row, "feasible": self.feasible} for row in self.variables]


def name_answer(instance: Instance, decision: Mapping[str, Any]) -> NamedAnswer:
    """Return the current answer by a row of the table `decisions`."""
    family = family_named(instance.family)
    assignment = assignment_array(decision["final_assignment"])
    values = assignment.tolist()
    return NamedAnswer(
        experiment=decision["experiment"],
        backend=decision["backend"],
        instance=instance.name,
        source=decision["final_source"],
        objective=as_stated(decision, negated=instance.is_negated)["final_objective"],
        unit=family.unit,
        feasible=decision["final_feasible"],
        violation=family.violation(instance, assignment),
        description=family.describe(instance, assignment),
        variables=tuple(
            {"variable": name, "value": value, "meaning": family.answer_words[value].replace("{name}", name)}
            for name, value in zip(instance.variables, values, strict=True)
        ),
        groups=tuple(
            (
                family.answer_words[wanted].replace("{name}", "..."),
                tuple(name for name, value in zip(instance.variables, values, strict=True) if value == wanted),
            )
            for wanted in ((1, 0) if family.names_zeros else (1,))
        ),
    )
