"""Calibrations of different vendors say the same few things in ways of their own."""

import pytest

from qhybrid_pipelines.execution.calibration_summary import CalibrationSummary, summarise_calibration
from qhybrid_pipelines.execution.providers import ibm


def test_medians_with_units():
    medians = {
        "T1": {"value": 0.2, "unit": "ms"},
        "T2": {"value": 150.0, "unit": "us"},
        "cz gate_error": {"value": 0.003, "unit": ""},
        "sx gate_error": {"value": 0.0002, "unit": ""},
        "readout_error": {"value": 0.01, "unit": ""},
    }
    assert summarise_calibration({"medians": medians, "qubits": [{}, {}]}) == CalibrationSummary(
        qubits=2, t1_us=200.0, t2_us=150.0, one_qubit_error=0.0002, two_qubit_error=0.003, readout_error=0.01
    )


def test_fidelities_and_seconds():
    payload = {
        "qubits": 25,
        "fidelity": {"1q": {"median": 0.9998}, "2q": {"mean": 0.98}, "spam": {"median": 0.995}},
        "timing": {"t1": 10.0, "t2": 0.5},
    }
    found = summarise_calibration(payload)
    assert (found.qubits, found.t1_us, found.t2_us) == (25, 1e7, 5e5)
    assert found.one_qubit_error == pytest.approx(0.0002)
    assert found.two_qubit_error == pytest.approx(0.02)
    assert found.readout_error == pytest.approx(0.005)


def test_what_is_not_said_is_not_known():
    assert summarise_calibration({}) == CalibrationSummary()
    assert summarise_calibration({"medians": {}, "qubits": 3}) == CalibrationSummary(qubits=3)


def test_every_figure_of_a_fake_device_is_found(tmp_path):
    calibration = ibm.build(tmp_path).calibration("ibm:fake_manila")
    found = summarise_calibration(calibration.payload)
    assert found.qubits == 5
    assert None not in found.to_row().values()
    assert 10 < found.t1_us < 1000
    assert 0 < found.one_qubit_error < found.two_qubit_error < 0.1
