"""A qubit of a device goes bad overnight: what placing a circuit by today's calibration is worth, against older ones and none."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.emulator.ibm.devices import snapshot
from qhybrid_pipelines.emulator.local_errors import BAD_FACTOR
from qhybrid_pipelines.execution.ibm.compilation import compile_for, narrow_circuit, used_qubits
from qhybrid_pipelines.execution.ibm.device_errors import noisy_circuit
from qhybrid_pipelines.execution.ibm.devices import device_from_description
from qhybrid_pipelines.quantum.simulation.trajectories import sample_noisy

#: Which calibration a circuit is placed by.
TODAY, YESTERDAY, NONE = "today's calibration", "yesterday's calibration", "couplings alone"
LEVEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one placement gave on the device as it is today.

    Attributes:
        qubits: of the device that the compiled circuit touches.
        two_qubit_gates: that it has.
        uses_bad_qubit: whether the qubit that went bad is one of them.
        cuts: mean cut of each repetition, shape ``(repetitions,)``.
    """

    qubits: tuple[int, ...]
    two_qubit_gates: int
    uses_bad_qubit: bool
    cuts: F64


def gain(better: Outcome, other: Outcome) -> tuple[float, float]:
    """Return by how much one mean cut is larger than another, and the standard error of that."""
    errors = [float(one.cuts.var(ddof=1)) / len(one.cuts) for one in (better, other)]
    return float(better.cuts.mean() - other.cuts.mean()), float(np.sqrt(sum(errors)))


def exact_cut(width: int) -> float:
    """Return the mean cut of `chain_circuit` without any error, from its state vector."""
    from qiskit.quantum_info import Statevector

    circuit = read_circuit(chain_circuit(width)).remove_final_measurements(inplace=False)
    states = np.arange(2**width)
    cuts = ((states ^ states >> 1)[:, None] >> np.arange(width - 1) & 1).sum(axis=1)
    return float(Statevector(circuit).probabilities() @ cuts)


def chain_circuit(width: int) -> str:
    """Return QAOA of one layer for the cut of a chain, at the angles that are best within it; three of four inner edges are cut."""
    gamma, beta = np.pi / 4, np.pi / 8
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";', f"bit[{width}] c;", f"qubit[{width}] q;"]
    lines += [f"h q[{k}];" for k in range(width)]
    for k in range(width - 1):
        lines += [f"cx q[{k}], q[{k + 1}];", f"rz({-gamma}) q[{k + 1}];", f"cx q[{k}], q[{k + 1}];"]
    lines += [f"rx({2 * beta}) q[{k}];" for k in range(width)]
    return "\n".join([*lines, *(f"c[{k}] = measure q[{k}];" for k in range(width))]) + "\n"


def mean_cuts(shots: np.ndarray[Any, Any], width: int) -> F64:
    """Return the mean cut of a chain by repetition; ``shots`` has shape ``(repetitions, shots)``, bit 0 the least significant."""
    bits = (shots[..., None] >> np.arange(width)) & 1
    return np.asarray((bits[..., 1:] != bits[..., :-1]).sum(axis=-1).mean(axis=-1), dtype=float)


def gone_bad(properties: Mapping[str, Any], qubit: int, *, factor: float = BAD_FACTOR) -> dict[str, Any]:
    """Return a device's properties with one qubit, and every pair with it, worse by a factor."""
    found = copy.deepcopy(dict(properties))
    for figure in found["qubits"][qubit]:
        if figure["name"] in ("readout_error", "prob_meas0_prep1", "prob_meas1_prep0"):
            figure["value"] = min(0.5, figure["value"] * factor)
        elif figure["name"] in ("T1", "T2"):
            figure["value"] /= factor
    for gate in found["gates"]:
        if qubit in gate["qubits"]:
            for figure in gate["parameters"]:
                if figure["name"] == "gate_error":
                    figure["value"] = min(0.5, figure["value"] * factor)
    return found


def without_places(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a device's properties with the median of each figure everywhere, so that no place is better than another."""
    found = copy.deepcopy(dict(properties))
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for figures in found["qubits"]:
        for figure in figures:
            groups.setdefault(("qubit", figure["name"]), []).append(figure)
    for gate in found["gates"]:
        for figure in gate["parameters"]:
            groups.setdefault((gate["gate"], figure["name"]), []).append(figure)
    for members in groups.values():
        middle = statistics.median(figure["value"] for figure in members)
        for figure in members:
            figure["value"] = middle
    return found


def outcomes(
    name: str, *, width: int, seed: int, repetitions: int, shots: int, factor: float = BAD_FACTOR
) -> dict[str, Outcome]:
    """Place a circuit by each calibration, and sample it with the errors of today.

    Args:
        name: of a device whose snapshot the vendor's client brings along.
        width: of the chain, qubits.
        seed: of which qubit goes bad, one of those that the circuit was placed on yesterday, and of the shots.
        repetitions: independent of each other.
        shots: of each.
        factor: by which the qubit is worse than yesterday.
    """
    said = snapshot(name)
    generator = np.random.default_rng(seed)
    text = chain_circuit(width)
    yesterday = device_from_description(name, said.configuration, said.properties).target
    stale = compile_for(text, yesterday, level=LEVEL, seed=seed)
    bad = int(generator.choice(used_qubits(stale)))
    today = device_from_description(name, said.configuration, gone_bad(said.properties, bad, factor=factor)).target
    blind = device_from_description(name, said.configuration, without_places(said.properties)).target
    circuits = {
        TODAY: compile_for(text, today, level=LEVEL, seed=seed),
        YESTERDAY: stale,
        NONE: compile_for(text, blind, level=LEVEL, seed=seed),
    }
    found = {}
    for rule, circuit in circuits.items():
        used = used_qubits(circuit)
        noisy = noisy_circuit(narrow_circuit(circuit, used), today, used)
        drawn = sample_noisy(noisy, generator.integers(2**63, size=repetitions, dtype=np.uint64), shots)
        found[rule] = Outcome(
            qubits=used,
            two_qubit_gates=circuit.num_nonlocal_gates(),
            uses_bad_qubit=bad in used,
            cuts=mean_cuts(np.asarray(drawn), width),
        )
    return found
