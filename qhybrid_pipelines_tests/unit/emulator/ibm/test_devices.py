"""What a device's properties tell is what its jobs suffer, on every day."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.emulator.circuits import Circuit
from qhybrid_pipelines.emulator.drift import CharacterizationHistory
from qhybrid_pipelines.emulator.ibm.devices import DEVICES, properties, snapshot, told_errors, worsening
from qhybrid_pipelines.emulator.sampling import draw

MANILA = DEVICES["ibm_manila"]
USED = (1, 2, 3)


def day(number: int):
    return CharacterizationHistory(MANILA, seed=7, began_at=1e9, every_seconds=3600.0).characterization(number)


def figure(told, kind: str, name: str, *, gate: str = "", qubits: list[int]) -> float:
    if kind == "qubit":
        return next(one["value"] for one in told["qubits"][qubits[0]] if one["name"] == name)
    [found] = [one for one in told["gates"] if one["gate"] == gate and one["qubits"] == qubits]
    return next(one["value"] for one in found["parameters"] if one["name"] == name)


@pytest.mark.parametrize("number", [0, 5])
def test_figures_are_those_of_the_snapshot_times_what_the_day_is_worse(number):
    told, kept, worse = (
        properties(MANILA, day(number)),
        snapshot("ibm_manila").properties,
        worsening(MANILA, day(number)),
    )
    assert worse.two_qubit != pytest.approx(1.0)
    for kind, name, factor, place in (
        ("gate", "gate_error", worse.two_qubit, {"gate": "cx", "qubits": [1, 2]}),
        ("gate", "gate_error", worse.one_qubit, {"gate": "sx", "qubits": [3]}),
        ("gate", "gate_length", 1.0, {"gate": "cx", "qubits": [1, 2]}),
        ("qubit", "readout_error", worse.spam, {"qubits": [4]}),
        ("qubit", "T1", 1.0, {"qubits": [4]}),
    ):
        assert figure(told, kind, name, **place) == pytest.approx(factor * figure(kept, kind, name, **place)), name
    assert kept == snapshot("ibm_manila").properties, "the snapshot itself stays as it is"


def test_errors_of_used_qubits_are_those_that_are_told():
    told, errors = properties(MANILA, day(3)), told_errors(MANILA, day(3), USED)
    assert errors.one_qubit[1] == pytest.approx(1.5 * figure(told, "gate", "gate_error", gate="sx", qubits=[2]))
    assert errors.two_qubit[0, 1] == pytest.approx(1.25 * figure(told, "gate", "gate_error", gate="cx", qubits=[1, 2]))
    assert errors.two_qubit[0, 2] == 0, "qubits 1 and 3 are not coupled"
    assert errors.read_one_as_zero[2] == figure(told, "qubit", "prob_meas0_prep1", qubits=[3])
    ratio = errors.t1_seconds[0] / errors.t1_seconds[1]
    assert ratio == pytest.approx(figure(told, "qubit", "T1", qubits=[1]) / figure(told, "qubit", "T1", qubits=[2]))


def test_a_change_of_frame_costs_nothing_and_other_gates_do():
    errors = told_errors(MANILA, day(3), USED)

    def wrong(gate: dict) -> float:
        gates = [gate] * 400
        circuit = Circuit(name=None, qubits=3, gateset="chip", gates=gates)
        [states] = draw([circuit], shots=4000, fidelity=day(3).fidelity, seed="x", errors=errors)
        return float(np.mean(states & 1 == 1))

    read = errors.read_zero_as_one[0]
    error = np.sqrt(read * (1 - read) / 4000)
    assert abs(wrong({"gate": "rz", "target": 0, "rotation": 0.3}) - read) < 5 * error
    assert wrong({"gate": "x", "target": 0}) > read + 10 * error
