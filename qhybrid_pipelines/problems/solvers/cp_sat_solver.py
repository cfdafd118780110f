"""CP-SAT as every solver here runs it: one worker, a seed, and a limit of work that is the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ortools.sat.python import cp_model


def repeatable_solver(*, seed: int, max_work: float) -> cp_model.CpSolver:
    """Return a solver that gives the same answer each time.

    Args:
        seed: 31 bits.
        max_work: in CP-SAT's own unit, one to three seconds; unlike the clock the same on every machine.
    """
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = max_work
    return solver
