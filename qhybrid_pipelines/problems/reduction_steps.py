"""The steps of a reduction: a model that gets smaller step by step, and the log of what each step did."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from qhybrid_pipelines.classical.reduction.substitution import VariableMap, substitute
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.problems.family import Substitution

StepNote: TypeAlias = str | Callable[[], str]


@dataclass(kw_only=True)
class ReductionSteps:
    """What is left of an instance, filled step by step by `problems.reduction`.

    Attributes:
        model: penalised energy over the variables that are left.
        variables: where every variable of the instance gets its value from.
        exact: no step so far was heuristic.
        step_log: the log, in the form of `storage.schemas.preparation.REDUCTION_STEP`.
        seconds: time of each logged step.
    """

    model: IsingModel
    variables: VariableMap
    exact: bool = True
    step_log: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def apply(
        self, step_name: str, step: Callable[[], VariableMap | None], *, note: StepNote, exact: bool = True
    ) -> bool:
        """Take a step: run ``step``, apply the map it returns over the variables that are left, and log it.

        Returns whether a variable was settled. A step that settles nothing does not make the reduction heuristic. The
        note may be a function of no arguments, for what is only known after the step.
        """
        started = time.perf_counter()
        before = self.model.size
        found = step()
        if found is not None and found.size < before:
            self.model = substitute(self.model, found)
            self.variables = self.variables.compose(found)
            self.exact = self.exact and exact
        self.step_log.append(
            {
                "step": len(self.step_log) + 1,
                "step_name": step_name,
                "exact": exact,
                "variables_fixed": before - self.model.size,
                "variables_left": self.model.size,
                "note": note if isinstance(note, str) else note(),
            }
        )
        self.seconds.append(time.perf_counter() - started)
        return self.model.size < before

    def fix_variables(
        self, step_name: str, find: Callable[[IsingModel], Mapping[int, int]], *, note: StepNote, exact: bool = True
    ) -> bool:
        """Take a step that finds constants for variables of the current model."""
        return self.apply(
            step_name, lambda: VariableMap.from_constants(self.model.size, find(self.model)), note=note, exact=exact
        )


def follow_substitutions(variables: VariableMap, substitutions: tuple[Substitution, ...]) -> VariableMap:
    """Return the map over the variables left in ``variables`` that substitutions among instance variables amount to.

    They are followed in order, through what is already known of their variables; one that speaks of a variable whose
    value is settled, or that says nothing new, has no effect.
    """
    source = np.arange(variables.size, dtype=np.int32)
    value = np.zeros(variables.size, dtype=np.uint8)

    def resolve_variable(instance_variable: int) -> tuple[int, int]:
        """Return the variable left (-1 for a constant) and the constant or negation behind an instance variable."""
        root, negated = int(variables.root[instance_variable]), int(variables.value[instance_variable])
        return (-1, negated) if root < 0 else (int(source[root]), negated ^ int(value[root]))

    for step in substitutions:
        variable, negated = resolve_variable(step.variable)
        if variable < 0:
            continue
        other, bit = (-1, 0) if step.copy_of is None else resolve_variable(step.copy_of)
        if other == variable:
            continue
        # x_variable XOR negated = (x_other XOR bit) XOR constant; whatever stood for `variable` follows it.
        followers = np.flatnonzero(source == variable)
        value[followers] ^= np.uint8(negated ^ bit ^ step.constant)
        source[followers] = other
    return VariableMap.from_sources(source, value)
