"""What devices say about their qubits and gates, in two published forms: qubit by qubit, and for ions as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

_TO_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def quality_payload(qubits: int, standardized: Mapping[str, Any], provider: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload of a calibration: medians that comparisons read, with the vendor's own words beside them.

    Args:
        qubits: how many the device has.
        standardized: Braket's section about quality, version 1 or 3.
        provider: the vendor's section.
    """
    ones = [one for one in (standardized.get("oneQubitProperties") or {}).values() if isinstance(one, Mapping)]
    pairs = [pair for pair in (standardized.get("twoQubitProperties") or {}).values() if isinstance(pair, Mapping)]
    of_qubits = [entry for one in ones for entry in one.get("oneQubitFidelity") or ()]
    of_pairs = [entry for pair in pairs for entry in pair.get("twoQubitGateFidelity") or ()]
    of_readout = [entry for entry in of_qubits if "READOUT" in _kind(entry)]
    fidelity = {
        "1q": _median(entry["fidelity"] for entry in of_qubits if "READOUT" not in _kind(entry)),
        "2q": _median(entry["fidelity"] for entry in of_pairs or standardized.get("twoQubitGateFidelity") or ()),
        "spam": _median(entry["fidelity"] for entry in of_readout or standardized.get("readoutFidelity") or ()),
    }
    timing = {
        name.lower(): _median(
            entry["value"] * _TO_SECONDS[str(entry.get("unit", "s")).lower()]
            for entry in [*(one.get(name) for one in ones), standardized.get(name)]
            if entry
        )
        for name in ("T1", "T2")
    }
    return {
        "qubits": qubits,
        "fidelity": {name: {"median": value} for name, value in fidelity.items() if value is not None},
        "timing": {name: value for name, value in timing.items() if value is not None},
        "standardized": dict(standardized),
        "provider": dict(provider),
    }


def _kind(entry: Mapping[str, Any]) -> str:
    return str((entry.get("fidelityType") or {}).get("name", "")).upper()


def _median(values: Iterable[Any]) -> float | None:
    found = [float(value) for value in values]
    return median(found) if found else None
