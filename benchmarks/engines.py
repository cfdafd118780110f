"""Points per second of a QAOA sweep: our engines against the PennyLane loop that its documentation shows.

MaxCut on a random cubic graph, two layers, 1024 shots a point. All ways run in one process, one after the other in
every round. Which is fastest is no surprise; how much a point costs on each way is what a planner needs to know.

    python benchmarks/engines.py             # 8, 12 and 16 qubits; under a minute on two cores
    python benchmarks/engines.py --qubits 8
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import networkx as nx
import numpy as np
from measuring import interleaved, machine, show, span

from qhybrid_pipelines.core.ising import IsingModel
from qhybrid_pipelines.core.jobs import CircuitBatch
from qhybrid_pipelines.core.kernel import Kernel
from qhybrid_pipelines.core.specification import AnsatzSpec, ExperimentSpec, ProblemSpec, SweepSpec
from qhybrid_pipelines.execution.engines.aer_exact import AerExact
from qhybrid_pipelines.execution.engines.aer_sampler import AerSampler
from qhybrid_pipelines.execution.engines.diagonal_qaoa import DiagonalQaoa
from qhybrid_pipelines.quantum.circuits import build_batch

SHOTS = 1024
LAYERS = 2
ROUNDS = 5
#: Points per call: enough that the fixed cost of a call is shared as in a real sweep, few enough for a short benchmark.
POINTS = {8: 256, 12: 128, 16: 32}
NAIVE_POINTS = 2
NAIVE = "PennyLane loop"


def graph_of(n: int, graph: int = 1) -> nx.Graph:
    return nx.random_regular_graph(3, n, seed=graph)


def angles_of(points: int, layers: int) -> np.ndarray:
    """Return random angles ``(points, 2 p)``, gammas first."""
    return np.random.default_rng(7).uniform(0.1, 0.8, size=(points, 2 * layers))


def batch_of(n: int, *, layers: int, points: int, graph: int = 1) -> CircuitBatch:
    """Return the sweep as the pipeline would send it; the energy is minus the cut."""
    edges = np.array(sorted(tuple(sorted(edge)) for edge in graph_of(n, graph).edges), dtype=np.int32)
    half = np.full(len(edges), 0.5)
    model = IsingModel(linear=np.zeros(n), pairs=edges, couplings=half, offset=-float(half.sum()))
    kernel = Kernel(
        model=model, root=np.arange(n, dtype=np.int32), value=np.zeros(n, dtype=np.uint8), cardinality=None, exact=True
    )
    spec = ExperimentSpec(
        name="benchmark",
        problem=ProblemSpec(family="maxcut", source="networkx:karate_club"),
        ansatz=AnsatzSpec(layers=layers),
        sweep=SweepSpec(strategy="random", points=points),
        shots=SHOTS,
        repetitions=1,
    )
    return build_batch(kernel, angles_of(points, layers), spec, experiment="benchmark", backend="local:auto").batch


def naive(n: int) -> Callable[[], list[dict[str, int]]]:
    """Return the loop of PennyLane's QAOA tutorial on its Qiskit plugin: one QNode call per point."""
    import pennylane as qml

    cost, mixer = qml.qaoa.maxcut(graph_of(n))

    @partial(qml.set_shots, shots=SHOTS)
    @qml.qnode(qml.device("qiskit.aer", wires=n))
    def circuit(gammas, betas):
        for wire in range(n):
            qml.Hadamard(wires=wire)
        for gamma, beta in zip(gammas, betas, strict=True):
            qml.qaoa.cost_layer(gamma, cost)
            qml.qaoa.mixer_layer(beta, mixer)
        return qml.counts()

    points = angles_of(NAIVE_POINTS)
    return lambda: [circuit(point[:LAYERS], point[LAYERS:]) for point in points]


def check_that_both_do_the_same(n: int, batch: CircuitBatch, loop: Callable[[], list[dict[str, int]]]) -> None:
    """Compare the mean cut of the loop's points with ours, within five standard errors."""
    edges = list(graph_of(n).edges)
    ours = DiagonalQaoa().run(batch).counts.to_pandas()
    for point, counts in enumerate(loop()):
        cut = {text: sum(text[i] != text[j] for i, j in edges) for text in counts}
        values, weights = np.array([cut[text] for text in counts]), np.array(list(counts.values()))
        mean = np.average(values, weights=weights)
        error = np.sqrt(2 * np.average((values - mean) ** 2, weights=weights) / SHOTS)
        mine = ours[ours["point"] == point]
        bits = mine["bits"].to_numpy()[:, None] >> np.arange(n, dtype=np.uint64) & np.uint64(1)
        mine_cut = sum(bits[:, i] != bits[:, j] for i, j in edges)
        assert abs(np.average(mine_cut, weights=mine["count"]) - mean) < 5 * error


def measure(n: int) -> list[dict[str, object]]:
    batch = batch_of(n)
    tasks: dict[str, Callable[[], object]] = {
        engine.name: partial(engine.run, batch) for engine in (DiagonalQaoa(), AerExact(), AerSampler())
    }
    loop = naive(n)
    check_that_both_do_the_same(n, batch, loop)
    tasks[NAIVE] = loop
    timings = interleaved(tasks, rounds=ROUNDS)
    points = dict.fromkeys(timings, POINTS[n]) | {NAIVE: NAIVE_POINTS}
    per_point = {name: np.array(timing.seconds) / points[name] for name, timing in timings.items()}
    rows = []
    for name, seconds in per_point.items():
        # Ratios are taken within a round, where both sides met the same load.
        ratios = per_point[NAIVE] / seconds
        rows.append(
            {
                "qubits": n,
                "way": name,
                "points a call": points[name],
                "points/s (median)": float(1 / np.median(seconds)),
                "lowest to highest": span(1 / seconds),
                "times the loop (median)": float(np.median(ratios)),
                "lowest to highest ratio": span(ratios),
            }
        )
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--qubits", type=int, nargs="*", default=sorted(POINTS), choices=sorted(POINTS))
    rows = [row for n in arguments.parse_args().qubits for row in measure(n)]
    about = machine("numpy", "qiskit", "qiskit-aer", "pennylane", "pennylane-qiskit")
    show(f"QAOA, cubic graph, {LAYERS} layers, {SHOTS} shots a point, {ROUNDS} rounds", rows, about)


if __name__ == "__main__":
    main()
