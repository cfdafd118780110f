"""Calibrations of IBM devices: the vendor's dated figures as one JSON-ready value with an identity of its own."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from qhybrid_pipelines.core.canonical import content_hash
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration

#: Figures that decide a circuit's quality; the rest of the vendor's list (pulse frequencies, crosstalk) stays out.
QUBIT_FIGURES = ("T1", "T2", "readout_error", "prob_meas0_prep1", "prob_meas1_prep0")
GATE_FIGURES = ("gate_error", "gate_length")


def calibration_from_properties(properties: Mapping[str, Any], *, fetched_at: datetime) -> Calibration:
    """Return the calibration that a device's properties state.

    The payload holds every figure with its unit and its own date (the vendor measures T1 on other days than readout),
    and medians over the device. Its hash is the identity, so that looking twice at one calibration finds one.

    Args:
        properties: what ``BackendProperties.to_dict()`` gives, or the service's JSON; dates as text or `datetime`.
        fetched_at: when it was read.
    """
    measured_at = _parse_timestamp(properties["last_update_date"])
    qubits = [_figures(figures, QUBIT_FIGURES) for figures in properties["qubits"]]
    gates = [
        {"gate": gate["gate"], "qubits": list(gate["qubits"]), **_figures(gate["parameters"], GATE_FIGURES)}
        for gate in properties["gates"]
    ]
    dates = [
        figure["measured_at"] for entry in (*qubits, *gates) for figure in entry.values() if isinstance(figure, dict)
    ]
    payload = {
        "backend": properties["backend_name"],
        "backend_version": properties["backend_version"],
        "measured_at": measured_at.isoformat(),
        "oldest_figure_at": min(dates, default=None),
        "newest_figure_at": max(dates, default=None),
        "medians": _medians(qubits, gates),
        "qubits": qubits,
        "gates": gates,
    }
    return Calibration(
        calibration_id=content_hash(payload), measured_at=measured_at, fetched_at=fetched_at, payload=payload
    )


def _figures(entries: list[dict[str, Any]], wanted: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the wanted figures by name; one that is infinite or not a number is None, for JSON has no word for it."""
    return {
        entry["name"]: {
            "value": entry["value"] if math.isfinite(entry["value"]) else None,
            "unit": entry["unit"],
            "measured_at": _parse_timestamp(entry["date"]).isoformat(),
        }
        for entry in entries
        if entry["name"] in wanted
    }


def _medians(qubits: list[dict[str, Any]], gates: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for name, entry in [("", entry) for entry in qubits] + [(entry["gate"], entry) for entry in gates]:
        for figure, reported in entry.items():
            if isinstance(reported, dict) and reported["value"] is not None:
                values[f"{name} {figure}".strip(), reported["unit"]].append(reported["value"])
    return {
        name: {"value": statistics.median(reported), "unit": unit} for (name, unit), reported in sorted(values.items())
    }


def _parse_timestamp(reported: datetime | str) -> datetime:
    moment = reported if isinstance(reported, datetime) else datetime.fromisoformat(reported)
    return moment.astimezone(UTC)
