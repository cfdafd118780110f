"""A family small enough to be checked by hand: quadratic objectives with conflicts or a fixed number of ones.

Payload: ``linear``, ``pairs``, ``quadratic``, ``conflicts`` (pairs that must not both be 1), ``cardinality`` (or None),
``reductions`` (what `reductions` returns) and ``start`` (what `greedy` returns).
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.problems.family import FamilyReduction, PenalisedModel, SolverResult, Substitution
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.proofs import ObjectiveRounding


class TinyFamily:
    name = "tiny"
    title = "Tiny"
    unit = "points"
    answer_words = ("{name} is out", "{name} is in")
    solver_name = "brute_force"

    def __init__(self, sense="min"):
        self.sense = sense

    def penalised_model(self, instance):
        data = instance.payload
        n, sign = instance.size, 1 if self.sense == "min" else -1
        linear = sign * np.array(data["linear"], dtype=np.float64)
        pairs = list(map(tuple, data["pairs"]))
        quadratic = [sign * value for value in data["quadratic"]]
        offset = 0.0
        constrained = data["conflicts"] or data["cardinality"] is not None
        weight = 1.0 + 2.0 * float(np.abs(linear).sum() + np.abs(quadratic).sum()) if constrained else 0.0
        for pair in data["conflicts"]:
            pairs.append(tuple(pair))
            quadratic.append(weight)
        if (ones := data["cardinality"]) is not None:
            linear = linear + weight * (1 - 2 * ones)
            offset = weight * ones**2
            pairs += [(i, j) for i in range(n) for j in range(i + 1, n)]
            quadratic += [2 * weight] * (n * (n - 1) // 2)
        array = np.array(pairs, dtype=np.int32).reshape(-1, 2)
        model = IsingModel.from_qubo(linear, array, np.array(quadratic, dtype=np.float64), offset)
        return PenalisedModel(model=model, penalty_weight=weight, sign=sign)

    def objective(self, instance, assignments):
        data = instance.payload
        pairs = np.array(data["pairs"], dtype=np.int64).reshape(-1, 2)
        rows = assignments.astype(np.float64)
        products = rows[:, pairs[:, 0]] * rows[:, pairs[:, 1]]
        return rows @ np.array(data["linear"], dtype=np.float64) + products @ np.array(data["quadratic"], dtype=float)

    def feasible(self, instance, assignments):
        data = instance.payload
        good = np.ones(len(assignments), dtype=bool)
        for i, j in data["conflicts"]:
            good &= (assignments[:, i] & assignments[:, j]) == 0
        if data["cardinality"] is not None:
            good &= assignments.sum(axis=1) == data["cardinality"]
        return good

    def violation(self, instance, assignment):
        return "" if self.feasible(instance, assignment[None, :])[0] else "broken"

    def repair(self, instance, assignments):
        data = instance.payload
        rows = assignments.copy()
        for i, j in data["conflicts"]:
            rows[(rows[:, i] & rows[:, j]) == 1, j] = 0
        if data["cardinality"] is not None:
            for row in rows:
                ones, zeros = np.flatnonzero(row), np.flatnonzero(row == 0)
                surplus = len(ones) - data["cardinality"]
                row[ones[: max(0, surplus)]] = 0
                row[zeros[: max(0, -surplus)]] = 1
        return rows

    def cardinality(self, instance):
        return instance.payload["cardinality"]

    def objective_rounding(self, instance):
        return ObjectiveRounding(error=0.0)

    def reductions(self, instance, max_qubits):
        return [
            FamilyReduction(
                step_name=step_name,
                exact=exact,
                substitutions=tuple(Substitution(**step) for step in steps),
                note="by hand",
            )
            for step_name, exact, steps in instance.payload["reductions"]
        ]

    def subproblem(self, instance, incumbent, size, rng):
        return None

    def greedy(self, instance, seed):
        return self.repair(instance, np.array([instance.payload["start"]], dtype=np.uint8))[0]

    def solve(self, instance, seed):
        rows = all_rows(instance.size)
        rows = rows[self.feasible(instance, rows)]
        sign = 1 if self.sense == "min" else -1
        best = rows[np.argmin(sign * self.objective(instance, rows))]
        value = float(self.objective(instance, best[None, :])[0])
        return SolverResult(assignment=best, optimal=True, bound=value, evaluations=len(rows))

    def features(self, instance):
        return {"size": float(instance.size)}


def all_rows(size):
    return unpack(np.arange(2**size, dtype=np.uint64), size)


def tiny_instance(
    linear, quadratic=None, *, conflicts=(), cardinality=None, reductions=(), start=None, best_known=None
) -> Instance:
    quadratic = quadratic or {}
    return Instance(
        name="tiny-instance",
        family="tiny",
        variables=tuple(f"x{i}" for i in range(len(linear))),
        payload={
            "linear": list(map(float, linear)),
            "pairs": [list(pair) for pair in sorted(quadratic)],
            "quadratic": [float(quadratic[pair]) for pair in sorted(quadratic)],
            "conflicts": [list(pair) for pair in conflicts],
            "cardinality": cardinality,
            "reductions": [list(reduction) for reduction in reductions],
            "start": list(start or [0] * len(linear)),
        },
        best_known=best_known,
        source="generator:tiny",
    )


def cut_instance(size, edges, **fields) -> Instance:
    """Return the instance whose objective is the weight of the edges that are cut."""
    linear = [sum(weight for edge, weight in edges.items() if node in edge) for node in range(size)]
    return tiny_instance(linear, {edge: -2 * weight for edge, weight in edges.items()}, **fields)


def tiny_spec(**fields) -> ExperimentSpec:
    return ExperimentSpec.model_validate(
        {
            "name": "tiny",
            "problem": {"family": "maxcut", "source": "networkx:karate_club"},
            "shots": 64,
            "sweep": {"strategy": "fixed_angles", "points": 2},
            "repetitions": 3,
            **fields,
        }
    )


@st.composite
def tiny_instances(draw, *, min_size=2, max_size=7, constraint=None) -> Instance:
    """Draw an instance: free, a cut (which roof duality cannot settle), with conflicts, or a fixed number of ones."""
    size = draw(st.integers(min_size, max_size))
    number = st.integers(-4, 4)
    possible = [(i, j) for i in range(size) for j in range(i + 1, size)]
    pairs = draw(st.lists(st.sampled_from(possible), unique=True, max_size=size + 2))
    kind = constraint or draw(st.sampled_from(["free", "cut", "conflicts", "cardinality"]))
    if kind == "cut":
        edges = {pair: draw(number) for pair in draw(st.lists(st.sampled_from(possible), unique=True))}
        return cut_instance(size, edges, start=[draw(st.integers(0, 1)) for _ in range(size)])
    return tiny_instance(
        [draw(number) for _ in range(size)],
        {pair: draw(number) for pair in pairs},
        conflicts=draw(st.lists(st.sampled_from(possible), unique=True, max_size=size)) if kind == "conflicts" else (),
        cardinality=draw(st.integers(0, size)) if kind == "cardinality" else None,
        start=[draw(st.integers(0, 1)) for _ in range(size)],
    )


families = st.sampled_from(["min", "max"]).map(TinyFamily)
