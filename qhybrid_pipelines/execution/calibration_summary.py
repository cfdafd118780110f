"""The few figures by which calibrations of different vendors are compared, read from what each vendor says.

A vendor's own calibration is kept whole as its payload. Known ways of saying the same: medians by name with a unit
(``"T1": {"value": 197.4, "unit": "us"}``, ``"cz gate_error"``), or medians (where there are none, means) of fidelities and
of times in seconds (``"fidelity": {"2q": {"median": 0.98}}``, ``"timing": {"t1": 100.0}``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_TO_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "µs": 1.0, "ns": 1e-3}
_ONE_QUBIT_GATES = ("sx", "x", "rx")
_TWO_QUBIT_GATES = ("ecr", "cz", "cx", "rzz")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSummary:
    """Medians over a device; None where the vendor does not say.

    Attributes:
        readout_error: of preparing and reading one qubit, as the vendor defines it.
    """

    qubits: int | None = None
    t1_us: float | None = None
    t2_us: float | None = None
    one_qubit_error: float | None = None
    two_qubit_error: float | None = None
    readout_error: float | None = None

    def to_row(self) -> dict[str, Any]:
        """Return the figures by name."""
        return asdict(self)


def summarise_calibration(payload: Mapping[str, Any]) -> CalibrationSummary:
    """Return the figures of a calibration's payload."""
    qubits = payload.get("qubits")
    counted = len(qubits) if isinstance(qubits, list) else qubits if isinstance(qubits, int) else None
    reported = _from_medians(payload["medians"]) if "medians" in payload else _from_fidelities(payload)
    return CalibrationSummary(qubits=counted, **reported)


def _from_medians(medians: Mapping[str, Any]) -> dict[str, float | None]:
    def value(*names: str) -> float | None:
        return next((float(medians[name]["value"]) for name in names if name in medians), None)

    def microseconds(name: str) -> float | None:
        found = value(name)
        return None if found is None else found * _TO_MICROSECONDS[medians[name]["unit"]]

    return {
        "t1_us": microseconds("T1"),
        "t2_us": microseconds("T2"),
        "one_qubit_error": value(*(f"{gate} gate_error" for gate in _ONE_QUBIT_GATES)),
        "two_qubit_error": value(*(f"{gate} gate_error" for gate in _TWO_QUBIT_GATES)),
        "readout_error": value("readout_error"),
    }


def _from_fidelities(payload: Mapping[str, Any]) -> dict[str, float | None]:
    fidelity, timing = payload.get("fidelity") or {}, payload.get("timing") or {}

    def error(name: str) -> float | None:
        reported = fidelity.get(name) or {}
        value = reported.get("median", reported.get("mean")) if isinstance(reported, Mapping) else reported
        return None if value is None else 1.0 - float(value)

    def microseconds(name: str) -> float | None:
        return None if timing.get(name) is None else float(timing[name]) * 1e6

    return {
        "t1_us": microseconds("t1"),
        "t2_us": microseconds("t2"),
        "one_qubit_error": error("1q"),
        "two_qubit_error": error("2q"),
        "readout_error": error("spam"),
    }
