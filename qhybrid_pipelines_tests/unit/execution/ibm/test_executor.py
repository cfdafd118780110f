"""The program ``executor`` with the pinned release of the vendor's client, which cannot write or read it; see `clients`."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.execution.ibm import executor
from qhybrid_pipelines.execution.ibm.results import decode_result


def test_a_program_that_nobody_knows_is_refused(monkeypatch):
    monkeypatch.delenv("QISKIT_IBM_PROGRAM", raising=False)
    assert executor.wanted_program() == "sampler"
    monkeypatch.setenv("QISKIT_IBM_PROGRAM", "executer")
    with pytest.raises(Rejected, match="'executer'; choose sampler or executor"):
        executor.wanted_program()


def test_a_release_without_the_program_says_what_it_needs(monkeypatch):
    from qiskit import QuantumCircuit

    for name in ("quantum_program", "decoders", "decoders.executor", "decoders.executor.decoder"):
        monkeypatch.setitem(__import__("sys").modules, f"qiskit_ibm_runtime.{name}", None)
    with pytest.raises(Rejected, match=r"cannot write its jobs: the program executor needs 0\.51"):
        executor.executor_params(QuantumCircuit(1), np.zeros((1, 1, 0)), shots=1, passed_through={})
    with pytest.raises(Rejected, match=r"cannot read its results: .* QISKIT_IBM_PROGRAM"):
        decode_result(b'{"schema_version": "v2.0"}', None)
