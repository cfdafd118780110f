"""Points per second of a parameter sweep, 1024 shots a point: our engines against what their libraries' users write.

Two tables. QAOA for MaxCut on a random cubic graph, against the loop of PennyLane's QAOA tutorial on its `qiskit.aer` device: one
QNode call per point, measured on a few points, because its price does not depend on how many follow. And circuits that the
engine for QAOA knows nothing about (the same circuits as gates alone, and the hardware-efficient ansatz), against a bare
script on Aer's SamplerV2 that does everything right: compiled beforehand, one PUB for all points, all cores.

All ways run in one process, one after the other in every round. Ours start from the template's text, as they do in
the pipeline. What the compiled way shows needs the extra `fast`.

    python benchmarks/engines.py                        # two minutes on two quiet cores
    python benchmarks/engines.py --qubits 8 12 --rounds 3
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Literal, get_args

import networkx as nx
import numpy as np
from measuring import interleaved, machine, show, span
from qiskit.primitives import BitArray

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.core.specifications.experiment_specification import (
    AnsatzSpec,
    ExperimentSpec,
    ProblemSpec,
    SweepSpec,
)
from qhybrid_pipelines.execution.engines.aer_exact import AerExact
from qhybrid_pipelines.execution.engines.aer_sampler import AerSampler
from qhybrid_pipelines.execution.engines.diagonal_qaoa import DiagonalQaoa
from qhybrid_pipelines.execution.engines.engine import Engine, all_engines, choose_engine
from qhybrid_pipelines.execution.engines.lightning import Lightning
from qhybrid_pipelines.quantum.circuits import build_batch
from qhybrid_pipelines.quantum.sweeps import plan_sweep

Kind = Literal["qaoa", "hardware_efficient"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SHOTS = 1024
ROUNDS = 5
#: Layers by qubits, for the loop's table and for the one of any circuit.
QAOA_LAYERS = {8: 1, 12: 2, 16: 4, 20: 4}
ANY_LAYERS = {8: 2, 12: 2, 16: 2, 20: 2}
#: Points per call of a fast and of a slow way: enough that the fixed cost of a call is shared as in a real sweep.
FAST_POINTS = {8: 1024, 12: 512, 16: 64, 20: 16}
SLOW_POINTS = {8: 256, 12: 64, 16: 16, 20: 4}
NAIVE_POINTS = 2
NAIVE = "PennyLane loop"
BARE = "bare SamplerV2 script"


def make_weighted_graph(n: int, graph: int = 1) -> nx.Graph:
    return nx.random_regular_graph(3, n, seed=graph)


def angles_of(points: int, layers: int) -> np.ndarray:
    """Return random angles ``(points, 2 p)``, gammas first."""
    return np.random.default_rng(7).uniform(0.1, 0.8, size=(points, 2 * layers))


def batch_of(n: int, *, layers: int, points: int, graph: int = 1, kind: Kind = "qaoa") -> CircuitBatch:
    """Return the sweep as the pipeline would send it; the energy is minus the cut."""
    edges = np.array(sorted(tuple(sorted(edge)) for edge in make_weighted_graph(n, graph).edges), dtype=np.int32)
    half = np.full(len(edges), 0.5)
    model = IsingModel(linear=np.zeros(n), pairs=edges, couplings=half, offset=-float(half.sum()))
    reduced_model = ReducedModel(
        model=model, root=np.arange(n, dtype=np.int32), value=np.zeros(n, dtype=np.uint8), cardinality=None, exact=True
    )
    spec = ExperimentSpec(
        name="benchmark",
        problem=ProblemSpec(family="maxcut", source="networkx:karate_club"),
        ansatz=AnsatzSpec(kind=kind, layers=layers),
        sweep=SweepSpec(strategy="random", points=points),
        shots=SHOTS,
        repetitions=1,
    )
    angles = angles_of(points, layers) if kind == "qaoa" else plan_sweep(reduced_model, spec).angles
    return build_batch(reduced_model, angles, spec, experiment="benchmark", backend="local:auto").batch


def simulators() -> dict[str, Engine]:
    """Return our engines by the name they have in the tables."""
    ways: dict[str, Engine] = {"diagonal-qaoa, NumPy": DiagonalQaoa(compiled=False)}
    if find_spec("numba"):
        ways["diagonal-qaoa, compiled"] = DiagonalQaoa(compiled=True)
    return ways | {engine.name: engine for engine in (Lightning(), AerExact(), AerSampler())}


def first_points(batch: CircuitBatch, points: int) -> CircuitBatch:
    structure = batch.structure and replace(batch.structure, angles=batch.structure.angles[:points])
    return replace(batch, bindings=batch.bindings[:points], seeds=batch.seeds[:points], structure=structure)


def naive(n: int) -> Callable[[], list[dict[str, int]]]:
    """Return the loop of PennyLane's QAOA tutorial on its Qiskit plugin: one QNode call per point."""
    import pennylane as qml

    cost, mixer = qml.qaoa.maxcut(make_weighted_graph(n))
    layers = QAOA_LAYERS[n]

    @partial(qml.set_shots, shots=SHOTS)
    @qml.qnode(qml.device("qiskit.aer", wires=n))
    def circuit(gammas, betas):
        for wire in range(n):
            qml.Hadamard(wires=wire)
        for gamma, beta in zip(gammas, betas, strict=True):
            qml.qaoa.cost_layer(gamma, cost)
            qml.qaoa.mixer_layer(beta, mixer)
        return qml.counts()

    points = angles_of(NAIVE_POINTS, layers)
    return lambda: [circuit(point[:layers], point[layers:]) for point in points]


def bare(batch: CircuitBatch) -> Callable[[], BitArray]:
    """Return a tuned script on Aer's sampler: target read once, compiled beforehand, one PUB, all cores."""
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_aer import AerSimulator
    from qiskit_aer.primitives import SamplerV2

    manager = generate_preset_pass_manager(1, target=AerSimulator(method="statevector").target)
    circuit = manager.run(read_circuit(batch.template.text))
    values = batch.bindings[:, [batch.template.parameters.index(parameter.name) for parameter in circuit.parameters]]
    options = {"backend_options": {"method": "statevector", "max_parallel_experiments": os.cpu_count()}}
    sampler = SamplerV2(default_shots=SHOTS, seed=7, options=options)
    return lambda: sampler.run([(circuit, values)]).result()[0].data.c


def check_against_loop(n: int, batch: CircuitBatch, loop: Callable[[], list[dict[str, int]]]) -> None:
    """Compare the mean cut of the loop's points with ours, within five standard errors."""
    edges = list(make_weighted_graph(n).edges)
    for point, counts in enumerate(loop()):
        cut = {text: sum(text[i] != text[j] for i, j in edges) for text in counts}
        values, weights = np.array([cut[text] for text in counts]), np.array(list(counts.values()))
        check_mean(values, weights, point, batch, lambda bits: sum(bits[:, i] != bits[:, j] for i, j in edges))


def check_against_bare(batch: CircuitBatch, script: Callable[[], BitArray]) -> None:
    """Compare the script's mean number of neighbouring bits that differ with ours, within five standard errors."""
    for point, samples in enumerate(script().array):
        bits = np.unpackbits(samples, axis=-1)[:, ::-1][:, : batch.template.n_qubits]
        values = (bits[:, 1:] != bits[:, :-1]).sum(axis=1)
        check_mean(values, np.ones(len(values)), point, batch, lambda bits: (bits[:, 1:] != bits[:, :-1]).sum(axis=1))


def check_mean(
    values: np.ndarray,
    weights: np.ndarray,
    point: int,
    batch: CircuitBatch,
    measure: Callable[[np.ndarray], np.ndarray],
) -> None:
    ours = choose_engine(all_engines(), batch).run(first_points(batch, point + 1)).counts.to_pandas()
    mine = ours[ours["point"] == point]
    bits = mine["bits"].to_numpy()[:, None] >> np.arange(batch.template.n_qubits, dtype=np.uint64) & np.uint64(1)
    mean = np.average(values, weights=weights)
    error = np.sqrt(2 * np.average((values - mean) ** 2, weights=weights) / SHOTS)
    assert abs(np.average(measure(bits), weights=mine["count"]) - mean) < 5 * error


def table(
    n: int, tasks: dict[str, Callable[[], object]], points: dict[str, int], against: str, rounds: int, **also: object
) -> list[dict[str, object]]:
    timings = interleaved(tasks, rounds=rounds)
    per_point = {name: np.array(timing.seconds) / points[name] for name, timing in timings.items()}
    worked = {name: np.array(timing.processor) / points[name] for name, timing in timings.items()}
    rows = []
    for name, seconds in per_point.items():
        # Ratios are taken within a round, where both sides met the same load.
        ratios = per_point[against] / seconds
        rows.append(
            {
                "qubits": n,
                **also,
                "way": name,
                "points a call": points[name],
                "points/s (median)": float(1 / np.median(seconds)),
                "lowest to highest": span(1 / seconds),
                "times (median)": float(np.median(ratios)),
                "lowest to highest ratio": span(ratios),
                "processor ms a point": float(np.median(worked[name]) * 1e3),
                "times, by processor time": float(np.median(worked[against] / worked[name])),
            }
        )
    return rows


def against_loop(n: int, rounds: int) -> list[dict[str, object]]:
    batch = batch_of(n, layers=QAOA_LAYERS[n], points=FAST_POINTS[n])
    loop = naive(n)
    check_against_loop(n, batch, loop)
    points = {name: (FAST_POINTS if name.startswith("diagonal") else SLOW_POINTS)[n] for name in simulators()} | {
        NAIVE: NAIVE_POINTS
    }
    tasks: dict[str, Callable[[], object]] = {
        name: partial(engine.run, first_points(batch, points[name])) for name, engine in simulators().items()
    }
    return table(n, tasks | {NAIVE: loop}, points, NAIVE, rounds, layers=QAOA_LAYERS[n])


def against_bare(n: int, kind: Kind, rounds: int) -> list[dict[str, object]]:
    layers = ANY_LAYERS[n]
    batch = replace(batch_of(n, layers=layers, points=SLOW_POINTS[n], kind=kind), structure=None)
    script = bare(batch)
    check_against_bare(first_points(batch, 2), bare(first_points(batch, 2)))
    tasks: dict[str, Callable[[], object]] = {
        name: partial(engine.run, batch) for name, engine in simulators().items() if not name.startswith("diagonal")
    }
    points = dict.fromkeys([*tasks, BARE], SLOW_POINTS[n])
    return table(n, tasks | {BARE: script}, points, BARE, rounds, circuit=kind, layers=layers)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--qubits", type=int, nargs="*", default=sorted(QAOA_LAYERS), choices=sorted(QAOA_LAYERS))
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = arguments.parse_args()
    numba = ("numba",) if find_spec("numba") else ()
    packages = ("numpy", *numba, "qiskit", "qiskit-aer", "pennylane", "pennylane-lightning", "pennylane-qiskit")
    rows = [row for n in chosen.qubits for row in against_loop(n, chosen.rounds)]
    show(f"QAOA, cubic graph, {SHOTS} shots a point, {chosen.rounds} rounds", rows, machine(*packages))
    rows = [row for n in chosen.qubits for kind in KINDS for row in against_bare(n, kind, chosen.rounds)]
    show(f"Any circuit, {SHOTS} shots a point, {chosen.rounds} rounds", rows, machine(*packages))


if __name__ == "__main__":
    main()
