"""The limits of fake devices, read from their files, are what the vendor's own code says."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.execution.ibm import fakes
from qhybrid_pipelines.execution.ibm.fakes import FAKES, FakeLimits, fake_device, fake_limits


def limits_of(device):
    return FakeLimits(
        n_qubits=device.n_qubits, gates=device.gates, max_shots=device.max_shots, max_circuits=device.max_circuits
    )


@pytest.mark.parametrize("name", FAKES)
def test_limits_are_those_of_the_vendors_device(name):
    assert fake_limits(name) == limits_of(fake_device(name))


def test_limits_come_from_the_device_where_the_file_is_elsewhere(monkeypatch):
    monkeypatch.setattr(fakes, "find_spec", lambda _: None)
    assert fake_limits.__wrapped__("fake_manila") == limits_of(fake_device("fake_manila"))


def test_limits_load_no_client():
    import subprocess
    import sys

    code = (
        "import sys; from qhybrid_pipelines.execution.ibm.fakes import FAKES, fake_limits; "
        "[fake_limits(name) for name in FAKES]; print({'qiskit', 'qiskit_ibm_runtime'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
