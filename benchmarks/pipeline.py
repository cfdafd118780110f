"""The whole pipeline against a bare script on Aer that runs the same circuits and keeps counts in memory.

Ours is both stages of an experiment through Dagster: specification, reduction, sweep, circuits, ledger, submission, counts as
Parquet, scoring, comparison, decision, provenance, MLflow; once with the engine that `local:auto` chooses, once forced to
Aer's sampler. The script knows the compiled template and the angles beforehand, and does on SamplerV2 what Aer's
documentation recommends: one PUB for everything, all cores. A second script also knows what our engine for Aer does: the runs
of a point are one circuit, whose shots may be drawn together. Classical baselines are work that scripts do not do, so the
time of the asset `baselines` is shown apart. Another graph every round, the same for all ways.

    python benchmarks/pipeline.py                        # partitions of about ten seconds of Aer, on two quiet cores
    python benchmarks/pipeline.py --points 8 --rounds 1
    python benchmarks/pipeline.py --qubits 20 --points 48 --rounds 2    # eight minutes in all
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
from measuring import machine, show, span
from qiskit.primitives import BitArray

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.defs.run_history import EXPERIMENT_TAG
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import PartitionKey

SCRIPT, FRUGAL = "bare script on Aer", "bare script on Aer, the runs of a point together"
FAST, SAME = "local:auto", "local:aer-sampler"
SHOTS = 1024
SPECIFICATION = """
name: pipeline {number}
problem: {{family: maxcut, source: {{generator: random_regular, nodes: {qubits}, degree: 3, seed: {number}}}}}
reduce: {{max_qubits: {qubits}}}
ansatz: {{kind: qaoa, layers: {layers}}}
sweep: {{strategy: random, points: {points}}}
shots: {shots}
repetitions: {repetitions}
backends: ["{fast}", "{same}"]
rounds: {{max: 1}}
"""


def bare(batch: dict[str, object], runs: int, *, together: bool) -> Callable[[], BitArray]:
    """Return a script: compiled beforehand, one PUB for all points and runs."""
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_aer import AerSimulator
    from qiskit_aer.primitives import SamplerV2

    manager = generate_preset_pass_manager(1, target=AerSimulator(method="statevector").target)
    circuit = manager.run(read_circuit(str(batch["template"])))
    names, bindings = list(batch["parameters"]), np.array(batch["bindings"])  # type: ignore[call-overload]
    values = bindings[:, [names.index(parameter.name) for parameter in circuit.parameters]]
    if not together:
        values = np.repeat(values, runs, axis=0)
    options = {"backend_options": {"method": "statevector", "max_parallel_experiments": os.cpu_count()}}
    sampler = SamplerV2(default_shots=SHOTS * runs if together else SHOTS, seed=7, options=options)
    return lambda: sampler.run([(circuit, values)]).result()[0].data.c


def timed(task: Callable[[], object]) -> tuple[float, object]:
    started = time.perf_counter()
    result = task()
    return time.perf_counter() - started, result


def seconds_of(launcher: Launcher, key: str, asset: str) -> float:
    """Return the seconds that one asset of an experiment took."""
    for run in launcher.instance.get_runs(dg.RunsFilter(tags={EXPERIMENT_TAG: key})):
        for step in launcher.instance.get_run_step_stats(run.run_id, [asset]):
            if step.start_time is not None and step.end_time is not None:
                return step.end_time - step.start_time
    raise LookupError(asset)


def one_round(launcher: Launcher, text: str, repetitions: int) -> dict[str, tuple[float, float]]:
    """Return of every way the seconds with everything, and without baselines."""
    key = launcher.workspace.registration.register_text(text, file="benchmark", folder=Path()).key
    prepare, _ = timed(lambda: launcher.run_stage(Stage(experiment=key), lambda _leg, _asset: None))
    baselines = seconds_of(launcher, key, "baselines")
    seconds = {}
    for backend in (FAST, SAME):
        stage = Stage(experiment=key, backend=backend, job="execute")
        execute, _ = timed(lambda stage=stage: launcher.run_stage(stage, lambda _leg, _asset: None))  # type: ignore[misc]
        seconds[backend] = (prepare + execute, prepare + execute - baselines)
    lake, place = launcher.workspace.lake, PartitionKey(experiment=key, backend=SAME)
    batch = lake.read(schemas.CIRCUIT_BATCHES, place).to_pylist()[0]
    scripts = {}
    for name in (SCRIPT, FRUGAL):
        scripts[name], counts = timed(bare(batch, repetitions, together=name == FRUGAL))
        check(counts, lake.read(schemas.QPU_RESULT_SETS, place))
    return {name: (script, script) for name, script in scripts.items()} | seconds


def check(bits: object, counts: pa.Table) -> None:
    """Both sides ran the same circuits: the mean number of ones agrees, within five standard errors."""
    assert isinstance(bits, BitArray)
    shots = counts.column("count").to_numpy()
    ones, their_ones = np.bitwise_count(counts.column("bits").to_numpy()), bits.bitcount()
    ours, theirs = np.average(ones, weights=shots), their_ones.mean()
    assert abs(ours - theirs) < 5 * their_ones.std() * np.sqrt(2 / shots.sum()), (ours, theirs)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--qubits", type=int, default=16)
    arguments.add_argument("--layers", type=int, default=4)
    arguments.add_argument("--points", type=int, default=64)
    arguments.add_argument("--repetitions", type=int, default=10)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    fields = {
        "qubits": options.qubits,
        "layers": options.layers,
        "repetitions": options.repetitions,
        "shots": SHOTS,
    }
    with tempfile.TemporaryDirectory() as folder:
        launcher = Launcher(Settings(home=Path(folder)))

        def measured(number: int, points: int) -> dict[str, tuple[float, float]]:
            text = SPECIFICATION.format(number=number, points=points, fast=FAST, same=SAME, **fields)
            return one_round(launcher, text, options.repetitions)

        measured(0, 2)  # imports libraries and makes databases
        rounds = [measured(number, options.points) for number in range(1, options.rounds + 1)]
        launcher.instance.dispose()
    rows = []
    for way in (SCRIPT, FRUGAL, FAST, SAME):
        whole, without = (np.array([r[way][place] for r in rounds]) for place in (0, 1))
        script, frugal = (np.array([r[name][0] for r in rounds]) for name in (SCRIPT, FRUGAL))
        rows.append(
            {
                "way": way,
                "seconds (median)": float(np.median(whole)),
                "without baselines": float(np.median(without)),
                "times the script": float(np.median(without / script)),
                "lowest to highest": span(without / script),
                "times the second script": float(np.median(without / frugal)),
                "lowest to highest of these": span(without / frugal),
            }
        )
    runs = options.points * options.repetitions
    title = f"{options.qubits} qubits, {options.layers} layers, {runs} runs of 1024 shots; {options.rounds} rounds"
    show(title, rows, machine("qiskit-aer", "dagster", "mlflow", "pyarrow", "numpy"))


if __name__ == "__main__":
    main()
