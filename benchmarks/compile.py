"""Compiling for a device: once per template and binding afterwards, against compiling every point of a sweep.

QAOA for MaxCut on random cubic graphs of 20 nodes, 4 layers, for a heavy-hex device of 127 qubits. Compiling every point is what
qiskit's documentation shows for a single circuit: a preset pass manager, made once, runs on the circuit with its numbers.
Ours compiles the template through the cache that the providers use. Then either the sweep is submitted as one PUB, circuit
and array of bindings, which is what the provider `ibm` does; or a circuit of its own is made for every point.

    python benchmarks/compile.py             # three graphs, five rounds; twenty seconds on two cores
    python benchmarks/compile.py --graphs 1
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from engines import SHOTS, batch_of
from measuring import figure, machine, show, span
from qiskit import QuantumCircuit
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.transpiler import generate_preset_pass_manager

from qhybrid_pipelines.core.jobs.circuit_jobs import Compiled
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.execution.compile_cache import CompileCache, two_qubit_gates, with_circuit_figures
from qhybrid_pipelines.execution.ibm.compilation import compile_for, compiler_versions
from qhybrid_pipelines.execution.ibm.devices import Device
from qhybrid_pipelines.execution.ibm.fakes import fake_device

DEVICE = "fake_sherbrooke"
QUBITS = 20
LAYERS = 4
LEVELS = (1, 3)
SEED = 7
#: Compiling every point takes up to a second each; its price does not depend on how many there are.
POINTS_COMPILED = 3
POINTS_BOUND = 200
SWEEP = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of the clock, and of processors, for one point."""

    wall: float
    processor: float


def cost_of(task: Callable[[], object], *, points: int = 1) -> Cost:
    wall, processor = time.perf_counter(), time.process_time()
    task()
    return Cost(wall=(time.perf_counter() - wall) / points, processor=(time.process_time() - processor) / points)


def two_qubit_depth(circuit: QuantumCircuit) -> int:
    return circuit.depth(lambda instruction: instruction.operation.num_qubits == 2)


class Contest:
    """One graph at one level: the template, its points, all ways, and what a point costs on each, round by round."""

    def __init__(self, graph: int, level: int, device: Device, folder: Path) -> None:
        batch = batch_of(QUBITS, layers=LAYERS, points=SWEEP, graph=graph)
        self.level = level
        self._device, self._folder = device, folder
        self._template, self._bindings = batch.template, batch.bindings
        plain = read_circuit(batch.template.text)
        self._numbers = [dict(zip(batch.template.parameters, row, strict=True)) for row in batch.bindings.tolist()]
        self._bound = [plain.assign_parameters(row) for row in self._numbers[:POINTS_COMPILED]]
        self._manager = generate_preset_pass_manager(level, target=device.target, seed_transpiler=SEED)
        self._cache = CompileCache(folder)
        self.costs: dict[str, list[Cost]] = {
            "first": [cost_of(lambda: self.compiled(self._cache))],
            "each": [],
            "memory": [],
            "disk": [],
            "array": [],
            "circuits": [],
        }
        self.circuit: QuantumCircuit = self.compiled(self._cache).native
        self.compiled_points = [self._manager.run(circuit) for circuit in self._bound]

    def compiled(self, cache: CompileCache) -> Compiled:
        return cache.get_or_compile(
            self._template,
            backend=f"ibm:{DEVICE}",
            target_digest=self._device.target_digest,
            level=self.level,
            seed=SEED,
            versions=compiler_versions(),
            compile_now=lambda: with_circuit_figures(
                compile_for(self._template.text, self._device.target, level=self.level, seed=SEED)
            ),
        )

    def hand_over(self) -> SamplerPub:
        circuit = self.compiled(self._cache).native
        columns = [self._template.parameters.index(parameter.name) for parameter in circuit.parameters]
        return SamplerPub.coerce((circuit, self._bindings[:, columns], SHOTS))

    def bind(self) -> None:
        for row in self._numbers[:POINTS_BOUND]:
            self.circuit.assign_parameters(row)

    def round(self) -> None:
        for name, task, points in (
            ("each", lambda: [self._manager.run(circuit) for circuit in self._bound], POINTS_COMPILED),
            ("array", self.hand_over, SWEEP),
            ("circuits", self.bind, POINTS_BOUND),
            ("memory", lambda: self.compiled(self._cache), 1),
            ("disk", lambda: self.compiled(CompileCache(self._folder)), 1),
        ):
            self.costs[name].append(cost_of(task, points=points))

    def more(self, measure: Callable[[QuantumCircuit], int]) -> float:
        """Return by how many percent the template's circuit exceeds those compiled with their numbers, on average."""
        return 100 * (measure(self.circuit) / np.mean([measure(circuit) for circuit in self.compiled_points]) - 1)


def times_rows(level: int, contests: list[Contest]) -> list[dict[str, object]]:
    """Return a row per way; ratios are taken within a round of one graph."""
    rows = []
    for way, name in (
        ("a compilation for every point", "each"),
        ("template, a circuit for every point", "circuits"),
        ("template, bindings as an array", "array"),
    ):
        wall, processor, base, base_processor = (
            np.array([getattr(cost, clock) for contest in contests for cost in contest.costs[key]])
            for key, clock in ((name, "wall"), (name, "processor"), ("each", "wall"), ("each", "processor"))
        )
        first = np.repeat([contest.costs["first"][0].wall for contest in contests], len(wall) // len(contests))
        whole = wall + (0 if name == "each" else first / SWEEP)
        rows.append(
            {
                "level": level,
                "way": way,
                "ms a point (median)": float(np.median(wall) * 1e3),
                "times": float(np.median(base / wall)),
                "lowest to highest": span(base / wall),
                "times, by processor time": float(np.median(base_processor / processor)),
                f"times, first compilation shared by {SWEEP} points": float(np.median(base / whole)),
            }
        )
    return rows


def template_row(level: int, contests: list[Contest]) -> dict[str, object]:
    def median_ms(name: str) -> float:
        return float(np.median([cost.wall for contest in contests for cost in contest.costs[name]]) * 1e3)

    return {
        "level": level,
        "compiled, ms": median_ms("first"),
        "found in memory, ms": median_ms("memory"),
        "found on disk, ms": median_ms("disk"),
        "two-qubit gates": ", ".join(str(two_qubit_gates(contest.circuit)) for contest in contests),
        "more than with numbers, %": ", ".join(figure(contest.more(two_qubit_gates)) for contest in contests),
        "more two-qubit depth, %": ", ".join(figure(contest.more(two_qubit_depth)) for contest in contests),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--graphs", type=int, default=3)
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    device = fake_device(DEVICE)
    with TemporaryDirectory() as folder:
        contests = [
            Contest(graph, level, device, Path(folder)) for graph in range(1, chosen.graphs + 1) for level in LEVELS
        ]
        for _ in range(chosen.rounds):
            for contest in contests:
                contest.round()
    by_level = {level: [contest for contest in contests if contest.level == level] for level in LEVELS}
    title = f"QAOA on {QUBITS} qubits, {LAYERS} layers, for {DEVICE}; {chosen.graphs} graphs, {chosen.rounds} rounds"
    about = machine("qiskit", "qiskit-ibm-runtime")
    show(title, [row for level in LEVELS for row in times_rows(level, by_level[level])], about)
    show("The template, graph by graph", [template_row(level, by_level[level]) for level in LEVELS], about)


if __name__ == "__main__":
    main()
