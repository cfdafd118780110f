"""The emulator's law of errors: told by its characterizations, the same after a restart, and fixed for a folder."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.emulator.noise_laws import read_noise
from qhybrid_pipelines.emulator.process import EmulatorStartError, start_emulator
from qhybrid_pipelines.execution.calibration_summary import summarise_calibration
from qhybrid_pipelines_tests.support.emulator_client import Client

QUBITS, SHOTS = 6, 2000
#: Every qubit is turned over, so that what is read is 1 but for errors.
ONES = [{"gate": "x", "target": qubit} for qubit in range(QUBITS)]


def newest(client):
    return client.get("/backends/qpu.aria-1/characterizations", limit=1).json()["characterizations"][0]


def run(client):
    job = client.submit_job(ONES, backend="qpu.aria-1", shots=SHOTS, qubits=QUBITS)
    client.run_to_end(job)
    return job


def probabilities(client, job):
    return client.get(f"/jobs/{job}/results/probabilities").json()


def test_local_errors_are_told_drift_and_stay_after_a_restart(tmp_path):
    emulator = start_emulator(tmp_path / "cloud", seed=4, noise="local", drift_hours=1.0)
    client = Client(emulator)
    first = newest(client)
    told = first["emulator"]
    assert (told["noise"], len(told["qubits"]), len(told["2q"])) == ("local", 25, 25 * 24 // 2)
    medians = summarise_calibration(first).to_row()
    assert np.median([1 - pair[2] for pair in told["2q"]]) == pytest.approx(medians["two_qubit_error"], abs=1e-6)
    client.advance(7200)
    later = newest(client)["emulator"]
    ratios = [a["1q"] / b["1q"] for a, b in zip(told["qubits"], later["qubits"], strict=True)]
    assert len(set(ratios)) > 20  # each drifts by itself
    job = run(client)
    before = probabilities(client, job)
    client.close()
    emulator.restart()
    client = Client(emulator)
    assert probabilities(client, job) == before
    client.close()
    emulator.stop()
    # each qubit reads 0 as often as that day's characterization says, but for the few errors of its one gate
    shares = [sum(p for state, p in before.items() if not int(state) >> q & 1) for q in range(QUBITS)]
    expected = [qubit["read_one_as_zero"] for qubit in later["qubits"][:QUBITS]]
    for share, error in zip(shares, expected, strict=True):
        assert abs(share - error) < 4 * np.sqrt(error / SHOTS) + 0.002
    with pytest.raises(EmulatorStartError, match="the folder was begun with local, not uniform"):
        start_emulator(tmp_path / "cloud", noise="uniform")


@pytest.mark.parametrize("law", ["loud", "uniform:3", "local:", "local:-1", "local:x", "local:12345"])
def test_a_law_that_is_not_known_is_refused(law):
    with pytest.raises(InvalidInput, match=f"'{law}' is not known. Choose one of uniform, local"):
        read_noise(law)


def test_the_command_refuses_it_too(tmp_path):
    with pytest.raises(EmulatorStartError, match=r"'loud' is not known. Choose one of uniform, local"):
        start_emulator(tmp_path / "cloud", noise="loud")


def test_a_planted_qubit_is_the_worst_of_each_machine_and_stays_after_a_restart(tmp_path):
    emulator = start_emulator(tmp_path / "cloud", seed=4, noise="local:3")
    for _ in range(2):
        client = Client(emulator)
        for machine in ("qpu.aria-1", "qpu.forte-1"):
            told = client.get(f"/backends/{machine}/characterizations", limit=1).json()["characterizations"][0]
            pairs = told["emulator"]["2q"]
            worst = np.array([np.mean([1 - f for a, b, f in pairs if qubit in (a, b)]) for qubit in range(25)])
            assert worst.argmax() == 3
        client.close()
        emulator.restart()
    emulator.stop()


def test_uniform_stays_the_default_and_tells_no_places(tmp_path):
    emulator = start_emulator(tmp_path / "cloud", seed=4)
    client = Client(emulator)
    assert "emulator" not in newest(client)
    client.close()
    emulator.stop()
