"""Readout errors from a machine's characterization."""

from datetime import UTC, datetime

import numpy as np
import pytest

from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration
from qhybrid_pipelines.emulator.drift import CharacterizationHistory
from qhybrid_pipelines.emulator.machines import MACHINES
from qhybrid_pipelines.execution.ionq.readout import readout_errors

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def calibration(payload):
    return Calibration(calibration_id="c", measured_at=NOW, fetched_at=NOW, payload=payload)


def test_one_figure_stands_for_all_qubits():
    found = readout_errors(calibration({"fidelity": {"spam": {"median": 0.99, "stderr": None}}}), 3)
    np.testing.assert_allclose([found.zero_as_one, found.one_as_zero], np.full((2, 3), 0.01))
    assert (found.calibration_id, found.measured_at) == ("c", NOW)
    assert readout_errors(calibration({"fidelity": {"spam": 0.9}}), 1).zero_as_one == pytest.approx(0.1)


def test_errors_of_each_qubit_are_those_that_the_emulated_machine_reads_with():
    machine = next(one for one in MACHINES.values() if one.average_fidelity is not None)
    history = CharacterizationHistory(machine, seed=3, began_at=0.0, every_seconds=3600, local=True)
    found = readout_errors(calibration(history.at(0.0).payload(skew_seconds=0)), 5)
    errors = history.at(0.0).errors
    np.testing.assert_allclose(found.zero_as_one, errors.read_zero_as_one[:5], atol=1e-7)
    np.testing.assert_allclose(found.one_as_zero, errors.read_one_as_zero[:5], atol=1e-7)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"fidelity": {}},
        {"fidelity": {"spam": {"median": None}}},
        {"fidelity": {"spam": {"median": 1.5}}},
        {"fidelity": {"spam": "high"}},
        {"emulator": {"qubits": [{"read_zero_as_one": 0.1}]}},
        {
            "emulator": {"qubits": [{"read_zero_as_one": 0.1, "read_one_as_zero": 0.1}]}
        },  # of one qubit, and two were used
    ],
)
def test_without_usable_figures_there_are_none(payload):
    assert readout_errors(calibration(payload), 2) is None
    assert readout_errors(None, 2) is None
