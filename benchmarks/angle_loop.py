"""What a loop through a backend reaches: from a plain ramp, with no more shots than the older default sweep of 16 points.

Dense and windowed models from generators, two layers. Every loop gets the shots of that sweep, 16 points × 10 runs × 1,024, divided over its points;
answers are drawn from the exact distribution. The ratio is the probability of the optimum at the point with the lowest measured
objective, which is what the loop knows, to that at the angles which `sweep: auto` optimises on the exact state.

    python benchmarks/angle_loop.py                    # all optimisers, 20 models
    python benchmarks/angle_loop.py --optimisers cobyla --models 4
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine, show

from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.jobs.circuit_jobs import QaoaStructure
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.sources import load_instance, register_source
from qhybrid_pipelines.quantum.angle_search import optimise_angles
from qhybrid_pipelines.quantum.exact_state import QaoaState
from qhybrid_pipelines.quantum.mixers import choose_mixer
from qhybrid_pipelines.quantum.optimisers.choice import OPTIMISERS, optimiser_of, search_of
from qhybrid_pipelines.quantum.optimisers.measured_objective import tail_mean
from qhybrid_pipelines.quantum.optimisers.search import MeasuredStep
from qhybrid_pipelines.quantum.optimisers.stopping import stop_reason
from qhybrid_pipelines.quantum.ramps import cost_scale, ramp
from qhybrid_pipelines.quantum.simulation.diagonal_qaoa import exact_probabilities

LAYERS, SHOTS, STEPS = 2, 16 * 10 * 1024, 16
#: Family, generator and parameters: dense models that fit as a whole, and larger ones of which a window is taken.
GENERATED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("maxcut", {"generator": "erdos_renyi", "nodes": 12, "probability": 0.7}),
    ("maxcut", {"generator": "erdos_renyi", "nodes": 12, "probability": 0.7, "weighted": True}),
    ("qubo", {"generator": "random", "variables": 12, "density": 1.0}),
    ("qubo", {"generator": "random", "variables": 30, "density": 0.4}),
    ("maxcut", {"generator": "erdos_renyi", "nodes": 24, "probability": 0.5, "weighted": True}),
)
#: The constants of the optimisers were chosen on the seeds 11 to 13.
SEEDS = tuple(range(21, 27))


def models(number: int) -> list[tuple[str, ExperimentSpec, ReducedModel]]:
    """Return names, specifications and reduced models of at most 12 qubits."""
    found = []
    for seed in SEEDS:
        for family, source in GENERATED:
            problem = {"family": family, "source": {**source, "seed": seed}}
            # One window, unseen: the best of many would choose models by what they hold.
            reduce = {"max_qubits": 12, "windows": 1}
            spec = ExperimentSpec.model_validate({"name": "loop", "problem": problem, "reduce": reduce})
            taken, data = register_source(spec.problem, Path())
            spec = spec.model_copy(update={"problem": taken})
            instance = load_instance(taken, lambda _, data=data: data)
            reduced = reduce_instance(family_named(family), instance, spec).reduced_model
            if reduced.size >= 2:  # of some, reduction leaves nothing
                found.append((f"{family}: {' '.join(map(str, problem['source'].values()))}", spec, reduced))
    return found[:number]


class Sampler:
    """Draws shots of one model's circuit."""

    def __init__(self, reduced: ReducedModel, mixer: str, seed: int) -> None:
        state = QaoaState(reduced, mixer)
        self._reduced, self._mixer, self._cardinality = reduced, mixer, state.cardinality
        self.energies, self._rng = state.energies, np.random.default_rng(seed)
        self._optimal = self.energies <= self.energies.min() + 1e-9 * (np.ptp(self.energies) or 1.0)

    def _probabilities(self, angles: np.ndarray) -> np.ndarray:
        structure = QaoaStructure(
            model=self._reduced.model, mixer=self._mixer, cardinality=self._cardinality, angles=np.atleast_2d(angles)
        )
        rows = np.array([row[: len(self.energies)] for row in exact_probabilities(structure)[1]])
        return rows / rows.sum(axis=1, keepdims=True)

    def optimum(self, angles: np.ndarray) -> float:
        """Return the exact probability of the optimum."""
        return float(self._probabilities(angles)[0][self._optimal].sum())

    def measure(self, angles: np.ndarray, shots: int, fraction: float) -> MeasuredStep:
        """Return what a step measures."""
        found = []
        for row in self._probabilities(angles):
            counts = self._rng.multinomial(shots, row)
            seen = counts > 0
            found.append(tail_mean(self.energies[seen], counts[seen].astype(float), fraction))
        values, errors = map(np.array, zip(*found, strict=True))
        return MeasuredStep(angles=angles, values=values, errors=errors)


def run_loop(spec: ExperimentSpec, reduced: ReducedModel, optimiser: str, best: float) -> dict[str, Any]:
    """Return what one loop came to."""
    points = 2 if optimiser == "spsa" else 1
    sweep = {"strategy": "optimise", "optimiser": optimiser, "steps": STEPS, "points": points}
    spec = ExperimentSpec.model_validate({**spec.model_dump(mode="json"), "sweep": sweep})
    mixer = choose_mixer(reduced, spec)
    sampler = Sampler(reduced, mixer, seed=1)
    start = ramp(LAYERS, scale=cost_scale(reduced.model, constant_ones=mixer == "xy"))
    search, ask, history, began = search_of(spec, reduced, start), optimiser_of(spec), [], time.process_time()
    while stop_reason(history, steps=STEPS, angles=search.size) is None and (asked := ask(search, history)) is not None:
        history.append(sampler.measure(asked, SHOTS // (STEPS * points), spec.sweep.alpha))
    values = np.concatenate([step.values for step in history])
    chosen = np.concatenate([step.angles for step in history])[int(np.argmin(values))]
    return {
        "optimiser": optimiser,
        "steps": len(history),
        "shots": len(values) * (SHOTS // (STEPS * points)),
        "ramp": sampler.optimum(start) / best,
        "reached": sampler.optimum(chosen) / best,
        "seconds": time.process_time() - began,
    }


def main() -> None:
    """Run all loops and print one row per optimiser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--optimisers", nargs="+", default=list(OPTIMISERS), choices=list(OPTIMISERS))
    parser.add_argument("--models", type=int, default=20)
    chosen = parser.parse_args()
    rows = []
    for name, spec, reduced in models(chosen.models):
        best = optimise_angles(reduced, choose_mixer(reduced, spec), LAYERS).optimum_probability
        for optimiser in chosen.optimisers:
            rows.append({"model": name, "qubits": reduced.size, **run_loop(spec, reduced, optimiser, best)})
            print(json.dumps(rows[-1]), flush=True)
    table = []
    for optimiser in chosen.optimisers:
        mine = [row for row in rows if row["optimiser"] == optimiser]
        reached = [row["reached"] for row in mine]
        table.append(
            {
                "optimiser": optimiser,
                "models": len(mine),
                "shots at most": max(row["shots"] for row in mine),
                "steps (median)": f"{np.median([row['steps'] for row in mine]):g}",
                "ramp (median)": f"{np.median([row['ramp'] for row in mine]):.2f}",
                "reached (median)": f"{np.median(reached):.2f}",
                "lowest": f"{min(reached):.2f}",
                "optimiser's seconds (median)": f"{np.median([row['seconds'] for row in mine]):.2f}",
            }
        )
    show(
        f"Share of the probability of the optimum at optimised angles, depth {LAYERS}", table, machine("numpy", "scipy")
    )


if __name__ == "__main__":
    main()
