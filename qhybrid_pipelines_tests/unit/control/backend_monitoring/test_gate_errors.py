"""Gate errors before a circuit is made: of simulators none, of a fake device its own, and nobody is asked who is not set up."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from qhybrid_pipelines.control.backend_monitoring.gate_errors import two_qubit_error, two_qubit_error_if_known
from qhybrid_pipelines.core.errors import ProviderError
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home


@pytest.fixture
def dispatcher(tmp_path, monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY", raising=False)
    return Workspace(Home(tmp_path / "home").make()).control_plane.dispatcher


def test_a_simulator_has_none(dispatcher):
    assert two_qubit_error(dispatcher, "local:auto") is None
    assert two_qubit_error_if_known(dispatcher, "local:auto") is None


def test_a_fake_device_has_the_median_of_its_own_snapshot(dispatcher):
    from qiskit_ibm_runtime.fake_provider import FakeTorino

    target = FakeTorino().target
    errors = [entry.error for entry in target["cz"].values() if entry is not None and entry.error is not None]
    assert two_qubit_error(dispatcher, "ibm:fake_torino") == pytest.approx(np.median(errors), rel=0.2)


def test_who_is_not_set_up_is_not_asked(dispatcher):
    assert dispatcher.missing_setting("ionq:qpu.aria-1") is not None
    assert two_qubit_error_if_known(dispatcher, "ionq:qpu.aria-1") is None


def test_who_does_not_answer_is_done_without(dispatcher, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("IONQ_API_KEY", "a-key")
    monkeypatch.setenv("IONQ_API_URL", f"http://127.0.0.1:{port}/v0.4")
    with pytest.raises(ProviderError):
        two_qubit_error(dispatcher, "ionq:qpu.aria-1")
    assert two_qubit_error_if_known(dispatcher, "ionq:qpu.aria-1") is None
