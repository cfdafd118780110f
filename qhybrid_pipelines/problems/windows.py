"""Windows of an incumbent: a few variables that stay, everything else frozen; and whether anything can be won in one.

Many windows hold nothing: no values of their variables are better than the incumbent's, and no circuit could find any. The
exact optimum of a window tells, in milliseconds. So several are looked at, and the one whose optimum gains most over the
incumbent is taken. That favours the quantum side: no classical baseline is told where there is something to be won.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.classical.exhaustive import find_minimum
from qhybrid_pipelines.classical.reduction.subproblem import Surroundings
from qhybrid_pipelines.classical.reduction.substitution import I32, VariableMap
from qhybrid_pipelines.core.binary_models.bits import U8, unpack
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.problems.evaluation import Problem, SolutionValue, best_assignment, is_better, objective_sign
from qhybrid_pipelines.problems.incumbents import Incumbent
from qhybrid_pipelines.problems.post_processing import repair

#: What chance adds to the costs of flips, in their standard deviation: nothing for the first window, this for the last.
VARIETY = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowChoice:
    """The window that was taken, and what those that were looked at hold.

    Attributes:
        variables: of the model, ascending; empty where no window holds anything better than the incumbent.
        tried: different windows that were looked at.
        without_headroom: of those, how many hold nothing better.
        of_family: the family chose the variables.
    """

    variables: I32
    tried: int
    without_headroom: int
    of_family: bool


class Windows:
    """The windows of an incumbent in what is left of an instance.

    Args:
        problem: the instance.
        model: what is left of it.
        variables: where every variable of the instance gets its value from.
        incumbent: the best assignment that is known.
        size: most variables of a window, fewer than the model has.
    """

    def __init__(
        self, problem: Problem, model: IsingModel, variables: VariableMap, incumbent: Incumbent, *, size: int
    ) -> None:
        self._problem, self._variables, self._incumbent, self._size = problem, variables, incumbent, size
        self.current = values_left(variables, incumbent.assignment)
        self._surroundings = Surroundings(model, self.current)
        self._fixed_ones = problem.family.cardinality(problem.instance) is not None

    def choose(self, most: int, rng: np.random.Generator) -> WindowChoice:
        """Return the window that holds most, the first of equal ones.

        Args:
            most: windows that are drawn; of a single one nothing is asked, and it is taken whatever it holds.
            rng: draws them.
        """
        drawn = self.draw(most, rng)
        gains = [self.headroom(variables) for variables, _ in drawn]
        best = int(np.argmax(gains))
        taken, of_family = drawn[best]
        empty = most > 1 and gains[best] == 0
        return WindowChoice(
            variables=np.empty(0, dtype=np.int32) if empty else taken,
            tried=len(drawn),
            without_headroom=gains.count(0.0),
            of_family=of_family,
        )

    def draw(self, most: int, rng: np.random.Generator) -> list[tuple[I32, bool]]:
        """Return different windows, at least one: their variables, ascending, and whether the family chose them."""
        drawn: dict[tuple[int, ...], tuple[I32, bool]] = {}
        for number in range(most):
            variables, of_family = self._draw(rng, variety=VARIETY * number / most)
            drawn.setdefault(tuple(variables.tolist()), (variables, of_family))
        return list(drawn.values())

    def headroom(self, variables: I32) -> float:
        """Return by how much the exact optimum of a window is better than the incumbent, in the objective's unit; 0 if it is not.

        Infinite where the incumbent is not feasible and the optimum is.
        """
        model = self._surroundings.window(variables)
        ones = int(self.current[variables].sum()) if self._fixed_ones else None
        word, _ = find_minimum(model, ones)
        found = self._value(variables, unpack(np.array([word], dtype=np.uint64), len(variables))[0])
        family, known = self._problem.family, self._incumbent.solution_value
        if not is_better(family, found, known):
            return 0.0
        return objective_sign(family) * (found[0] - known[0]) if known[1] == found[1] else np.inf

    def _value(self, variables: I32, bits: U8) -> SolutionValue:
        """Return what the instance's assignment is worth with other values in a window, after repair."""
        values = self.current.copy()
        values[variables] = bits
        root, constant = self._variables.root, self._variables.value
        assignment = np.where(root >= 0, values[root] ^ constant, constant).astype(np.uint8)
        return best_assignment(self._problem, repair(self._problem, assignment[None]))[1]

    def _draw(self, rng: np.random.Generator, variety: float) -> tuple[I32, bool]:
        """Return the variables of a window, ascending, and whether the family chose them."""
        problem = self._problem
        own = problem.family.subproblem(problem.instance, self._incumbent.assignment, self._size, rng)
        chosen = np.unique(self._variables.root[own or []])
        chosen = chosen[chosen >= 0].astype(np.int32)
        if len(chosen):
            return chosen, True
        drawn = self._surroundings.draw(size=self._size, rng=rng, keep_cardinality=self._fixed_ones, variety=variety)
        return drawn, False


def values_left(variables: VariableMap, assignment: U8) -> U8:
    """Return the values of the variables that are left in an instance's assignment ``(n,)``.

    Of several variables that copy the same one the first counts.
    """
    values = np.zeros(variables.size, dtype=np.uint8)
    copies = np.flatnonzero(variables.root >= 0)[::-1]
    values[variables.root[copies]] = assignment[copies] ^ variables.value[copies]
    return values
