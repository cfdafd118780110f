"""Noise of a fake device: the trajectory sampler and plain Aer on the device's own noise model, one after the other in every round.

QAOA for the cut of a random cubic graph, compiled for `ibm:fake_torino` as the provider does it. The sampler draws all 163,840 shots, once as 16 points
of 10 repetitions of 1,024 and once as one point of 10 repetitions of 16,384; Aer draws some, and its seconds are given per shot.

    python benchmarks/noise.py                            # with 16 qubits ten minutes of processor time
    python benchmarks/noise.py --widths 12 --layers 2
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from engines import batch_of
from measuring import figure, machine, show, span

BACKEND = "ibm:fake_torino"
REPETITIONS = 10
FORMS = {16: 1024, 1: 16384}
AER_SHOTS = {12: 64, 16: 8}


def prepared(provider, width: int, layers: int, points: int):
    """Return a batch and the circuit of its first point, on the few qubits that it uses."""
    batch = batch_of(width, layers=layers, points=points)
    seeds = np.arange(points * REPETITIONS, dtype=np.uint64).reshape(points, REPETITIONS)
    batch = replace(batch, backend=BACKEND, shots=FORMS[points], seeds=seeds)
    circuit, used, _ = provider.local.placed(batch)
    columns = [batch.template.parameters.index(parameter.name) for parameter in circuit.parameters]
    return batch, circuit.assign_parameters(batch.bindings[0, columns].tolist()), used


def measured(provider, width: int, layers: int, points: int, rounds: int) -> dict[str, object]:
    from qhybrid_pipelines.execution.ibm.device_errors import noisy_circuit
    from qhybrid_pipelines.execution.ibm.fakes import fake_device
    from qhybrid_pipelines.execution.ibm.noise import noise_model_for
    from qhybrid_pipelines.execution.ibm.simulation import sample
    from qhybrid_pipelines.quantum.simulation.gate_fusion import fuse

    batch, circuit, used = prepared(provider, width, layers, points)
    target = fake_device(BACKEND.removeprefix("ibm:")).target
    model = noise_model_for(target, used)
    fused = fuse(noisy_circuit(circuit, target, used))
    totals = np.array([error.total for error in fused.errors])
    expected = provider.estimate(batch).assumptions
    ours, aer = [], []
    for number in range(rounds):
        begin = time.process_time()
        provider.submit(batch, f"{width} {layers} {points} {number}")
        ours.append(time.process_time() - begin)
        begin = time.process_time()
        sample(circuit, np.empty((1, 0)), shots=AER_SHOTS[width], seed=number, noise=model, method="statevector")
        aer.append((time.process_time() - begin) / AER_SHOTS[width])
    shots = batch.points * REPETITIONS * batch.shots
    ratios = [one * shots / other for one, other in zip(aer, ours, strict=True)]
    return {
        "qubits": f"{width}, placed on {len(used)}" if len(used) > width else str(width),
        "layers": layers,
        "two-qubit gates": circuit.num_nonlocal_gates(),
        "shots": f"{batch.points} x {REPETITIONS} x {batch.shots:,}",
        "P(nothing strikes)": float(np.prod(1 - totals)),
        "processor s": float(np.median(ours)),
        "lowest to highest": span(ours),
        "effective shots": shots,
        "estimate said": expected.removeprefix("runs on this machine, ").removesuffix(" of processor time"),
        "plain Aer, ms a shot": float(np.median(aer)) * 1e3,
        "times": figure(float(np.median(ratios))),
    }


def main() -> None:
    from qhybrid_pipelines.execution.providers.ibm import IbmProvider

    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--widths", type=int, nargs="*", default=[12, 16])
    arguments.add_argument("--layers", type=int, nargs="*", default=[1])
    arguments.add_argument("--rounds", type=int, default=1)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        provider = IbmProvider(Path(folder))
        rows = [
            measured(provider, width, layers, points, chosen.rounds)
            for width in chosen.widths
            for layers in chosen.layers
            for points in FORMS
        ]
    show("163,840 shots with a device's noise", rows, machine("numpy", "qiskit", "qiskit-aer"))


if __name__ == "__main__":
    main()
