"""Hand-made tables for comparisons and decisions: say what each run reached, get the rows."""

from __future__ import annotations

from typing import Any

from qhybrid_pipelines.problems.solutions import QUANTUM, QUANTUM_LOCAL_SEARCH
from qhybrid_pipelines_tests.support.tiny_family import tiny_instance

#: Maximise the number of ones of eight variables: the objective of an assignment is easy to read.
ONES = tiny_instance([1] * 8)


def ones(number: int | None) -> str:
    """Return the assignment text of a maximal run of ones; its objective is their number."""
    number = number or 0
    return "1" * number + "0" * (8 - number)


def reduced_model_row(*, exact=True, incumbent=4, optimum=8, solved=False, subproblem=False) -> dict[str, Any]:
    return {
        "instance": ONES.name,
        "n_qubits": 0 if solved else 6,
        "exact": exact,
        "solved_by_reduction": solved,
        "incumbent": ones(incumbent),
        "incumbent_source": "reduction" if solved else "greedy",
        "incumbent_objective": float(incumbent),
        "reduced_model_optimum": float(optimum),
        "reduced_model_optimum_assignment": ones(optimum),
        "windows_tried": 1 if subproblem else None,
        "reduction_steps": [{"step_name": "subproblem"}] if subproblem else [],
    }


def point_scores(runs: int, *, points=2, mean=3.0, best=5.0, p_optimum=0.0, noise=False, shots=100) -> dict[str, list]:
    rows = [
        {
            "point": point,
            "repetition": repetition,
            "shots": shots,
            # Later points have lower energies, so the last one is the best.
            "mean_energy": -float(point),
            "p_feasible": 1.0,
            "mean_objective": mean + point,
            "best_objective": best,
            "p_reduced_model_optimum": p_optimum,
            "noise_like": noise,
        }
        for point in range(points)
        for repetition in range(runs)
    ]
    names = ("point", "repetition", "shots", "mean_energy", "p_feasible", "mean_objective", "best_objective")
    return {name: [row[name] for row in rows] for name in (*names, "p_reduced_model_optimum", "noise_like")}


def solutions(reached: list[int | None], *, incumbent=4) -> dict[str, list]:
    """Return two sources with one solution per run; None is a run without a feasible answer."""
    rows = [
        {
            "source": source,
            "repetition": repetition,
            "rank": 1,
            "objective": float(value or 0),
            "feasible": value is not None,
            "assignment": ones(value),
            "improves_incumbent": value is not None and value > incumbent,
        }
        for source in (QUANTUM, QUANTUM_LOCAL_SEARCH)
        for repetition, value in enumerate(reached)
    ]
    names = ("source", "repetition", "rank", "objective", "feasible", "assignment", "improves_incumbent")
    return {name: [row[name] for row in rows] for name in names}


def baselines(*, proved: int | None = None, **reached: list[int | None]) -> dict[str, list]:
    """Return rows of solvers by name (``_`` for ``+``), one value per run; ``proved`` is an exact solver's answer."""
    rows = [
        {
            "solver": solver.replace("_plus_", "+"),
            "repetition": repetition,
            "objective": float(value or 0),
            "feasible": value is not None,
            "assignment": ones(value),
            "optimal": False,
            "mean_objective": 2.0,
            "seconds": 0.5,
        }
        for solver, values in reached.items()
        for repetition, value in enumerate(values)
    ]
    if proved is not None:
        rows.append(
            {
                "solver": "brute_force",
                "repetition": 0,
                "objective": float(proved),
                "feasible": True,
                "assignment": ones(proved),
                "optimal": True,
                "mean_objective": None,
                "seconds": 2.0,
            }
        )
    names = ("solver", "repetition", "objective", "feasible", "assignment", "optimal", "mean_objective", "seconds")
    return {name: [row[name] for row in rows] for name in names}
