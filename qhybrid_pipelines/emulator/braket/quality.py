"""What an emulated device says about its quality on a day, in the published form of its vendor: chips qubit by qubit, ions as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qhybrid_pipelines.emulator.drift import Characterization
from qhybrid_pipelines.emulator.machines import TIMING

_CHIP_SECONDS = {"T1": 30e-6, "T2": 20e-6}
"""Of superconducting qubits; those of ions are the machines' own."""
_STANDARD = "standardized_gate_model_qpu_device_properties"


def quality(kind: str, day: Characterization, pairs: Sequence[tuple[str, str]], measured: str) -> dict[str, Any]:
    """Return the sections ``standardized`` and ``provider`` of a device's capabilities.

    Args:
        kind: the vendor.
        day: what was measured.
        pairs: qubits that interact.
        measured: when.
    """
    qubits = [str(qubit) for qubit in range(day.machine.qubits)]
    if kind in ("ionq", "aqt"):
        own = _of_ionq(day) if kind == "ionq" else _of_aqt(day, qubits, measured)
        return {"standardized": _of_ions(day, qubits, measured), "provider": own}
    return {"standardized": _of_chip(day, qubits, pairs, measured)}


def header(name: str, version: str = "1") -> dict[str, str]:
    """Return the header of a part of a device's capabilities."""
    return {"name": f"braket.device_schema.{name}", "version": version}


def _of_chip(
    day: Characterization, qubits: Sequence[str], pairs: Sequence[tuple[str, str]], measured: str
) -> dict[str, Any]:
    def fidelity(name: str, value: float) -> dict[str, Any]:
        return {"fidelityType": {"name": name, "description": None}, "fidelity": value, "standardError": None}

    one = {
        "T1": {"value": _CHIP_SECONDS["T1"], "standardError": None, "unit": "S"},
        "T2": {"value": _CHIP_SECONDS["T2"], "standardError": None, "unit": "S"},
        "oneQubitFidelity": [
            fidelity("RANDOMIZED_BENCHMARKING", day.fidelity.one_qubit),
            fidelity("READOUT", day.fidelity.spam),
        ],
    }
    two = {**fidelity("RANDOMIZED_BENCHMARKING", day.fidelity.two_qubit), "gateName": "CZ", "direction": None}
    return {
        "braketSchemaHeader": header(_STANDARD),
        "updatedAt": measured,
        "oneQubitProperties": dict.fromkeys(qubits, one),
        "twoQubitProperties": {f"{a}-{b}": {"twoQubitGateFidelity": [two]} for a, b in pairs},
    }


def _of_ions(day: Characterization, qubits: Sequence[str], measured: str) -> dict[str, Any]:
    def fidelity(value: float) -> dict[str, Any]:
        return {"fidelityType": {"name": "RANDOMIZED_BENCHMARKING"}, "fidelity": value, "unit": "fraction"}

    def seconds(value: float) -> dict[str, Any]:
        return {"value": value, "standardError": None, "unit": "s"}

    one = {"oneQubitFidelity": [fidelity(day.fidelity.one_qubit)]}
    return {
        "braketSchemaHeader": header(_STANDARD, "3"),
        "updatedAt": measured,
        "oneQubitProperties": dict.fromkeys(qubits, one),
        "T1": seconds(TIMING["t1"]),
        "T2": seconds(TIMING["t2"]),
        "readoutFidelity": [{"fidelity": day.fidelity.spam, "unit": "fraction"}],
        "twoQubitGateFidelity": [fidelity(day.fidelity.two_qubit)],
    }


def _of_ionq(day: Characterization) -> dict[str, Any]:
    return {
        "braketSchemaHeader": header("ionq.ionq_provider_properties"),
        "fidelity": {
            "1Q": {"mean": day.fidelity.one_qubit},
            "2Q": {"mean": day.fidelity.two_qubit},
            "spam": {"mean": day.fidelity.spam},
        },
        "timing": {name.upper() if name[0] in "t12" else name: value for name, value in TIMING.items()},
    }


def _of_aqt(day: Characterization, qubits: Sequence[str], measured: str) -> dict[str, Any]:
    def percent(value: float) -> dict[str, float]:
        return {"value": 100 * value, "uncertainty": 0.0}

    return {
        "braketSchemaHeader": header("aqt.aqt_provider_properties"),
        "properties": {
            "single_qubit_gate_fidelity": dict.fromkeys(qubits, percent(day.fidelity.one_qubit)),
            "mean_two_qubit_gate_fidelity": percent(day.fidelity.two_qubit),
            "spam_fidelity_lower_bound": 100 * day.fidelity.spam,
            "t1_s": {"value": TIMING["t1"], "uncertainty": 0.0},
            "t2_coherence_time_s": {"value": TIMING["t2"], "uncertainty": 0.0},
            "readout_time_micros": 1e6 * TIMING["readout"],
            "single_qubit_gate_duration_micros": 1e6 * TIMING["1q"],
            "two_qubit_gate_duration_micros": 1e6 * TIMING["2q"],
            "updated_at": measured,
        },
    }
