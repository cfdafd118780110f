"""Calibrations keep the vendor's figures, units and dates, and are known by their content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from qhybrid_pipelines.core.canonical import canonical_json, content_hash
from qhybrid_pipelines.execution.ibm.calibrations import calibration_from_properties
from qhybrid_pipelines.execution.providers.ibm import IbmProvider

# From the files that the client carries.
MEASURED_AT = {
    "fake_manila": "2024-05-27T18:27:23+00:00",
    "fake_sherbrooke": "2025-02-26T19:43:10+00:00",
    "fake_torino": "2025-02-26T20:26:08+00:00",
    "fake_fez": "2025-02-26T20:16:25+00:00",
    "fake_marrakesh": "2025-02-26T19:52:45+00:00",
}


@pytest.mark.parametrize("name", MEASURED_AT)
def test_the_calibration_is_dated_as_the_vendor_dated_it(tmp_path, name):
    provider = IbmProvider(tmp_path)
    calibration = provider.calibration(f"ibm:{name}")
    payload = calibration.payload
    assert calibration.measured_at.isoformat() == payload["measured_at"] == MEASURED_AT[name]
    assert calibration.fetched_at - datetime.now(UTC) < timedelta(seconds=60)
    assert payload["oldest_figure_at"] < payload["measured_at"]
    assert payload["oldest_figure_at"] < payload["newest_figure_at"]  # some are younger than the vendor's "last update"
    assert calibration.calibration_id == content_hash(payload)
    assert provider.calibration(f"ibm:{name}").calibration_id == calibration.calibration_id
    canonical_json(payload)  # no NaN, no infinity
    assert len(payload["qubits"]) == {"fake_manila": 5, "fake_sherbrooke": 127, "fake_torino": 133}.get(name, 156)
    two = "cx" if name == "fake_manila" else "ecr" if name == "fake_sherbrooke" else "cz"
    assert 1e-4 < payload["medians"][f"{two} gate_error"]["value"] < 0.1
    assert 10 < payload["medians"]["T1"]["value"] < 1000
    assert payload["medians"]["T1"]["unit"] == "us"
    assert {two, "rz", "sx", "x"} <= set(provider.capabilities(f"ibm:{name}").native_gates)


def test_a_figure_keeps_its_own_date_and_unit(tmp_path):
    first = IbmProvider(tmp_path).calibration("ibm:fake_manila").payload["qubits"][0]["T1"]
    assert first == {"value": 131.5286444531517, "unit": "us", "measured_at": "2024-05-27T07:30:14+00:00"}


def test_what_is_no_number_is_none_and_another_figure_is_another_calibration():
    def properties(t1):
        date = "2026-01-01T10:00:00-05:00"
        return {
            "backend_name": "b",
            "backend_version": "1",
            "last_update_date": date,
            "qubits": [[{"date": date, "name": "T1", "unit": "us", "value": t1}]],
            "gates": [],
        }

    now = datetime.now(UTC)
    infinite, finite, later = (
        calibration_from_properties(properties(t1), fetched_at=at)
        for t1, at in ((float("inf"), now), (50.0, now), (50.0, now + timedelta(hours=1)))
    )
    assert infinite.payload["qubits"][0]["T1"]["value"] is None
    assert infinite.payload["medians"] == {}
    assert infinite.calibration_id != finite.calibration_id == later.calibration_id
    assert finite.measured_at == datetime(2026, 1, 1, 15, tzinfo=UTC)
