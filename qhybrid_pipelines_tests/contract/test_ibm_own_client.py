"""IBM's own client, unmodified, at the emulated cloud; it repeats a submission whose answer is an error, and pays again.

Its whole life is in clients/test_ibm_own_client.py. Here are its first steps, and the reason why our submissions are our own: the
negative control, with the emulator's book as the judge.
"""

from __future__ import annotations

import json

import pytest
from qiskit import QuantumCircuit

from qhybrid_pipelines.core.errors import Ambiguous
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.http.transport import CERTIFICATE_VARIABLES
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines_tests.support.emulator_client import running_cloud
from qhybrid_pipelines_tests.support.ibm_own_client import ibm_client_environment

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
BACKEND = "ibm:ibm_manila"
#: What both clients send, and the parameters of a job.
FIELDS, PARAMS = {"program_id", "backend", "params"}, {"pubs", "options", "version", "support_qiskit"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("ibm") / "cloud", speed=1000.0, seed=7) as client:
        yield client


@pytest.fixture
def proxy(cloud, monkeypatch, tmp_path):
    for name in (*CERTIFICATE_VARIABLES, *PROXY_VARIABLES, *map(str.lower, PROXY_VARIABLES)):
        monkeypatch.delenv(name, raising=False)
    with ibm_client_environment(cloud.emulator, tmp_path) as (variables, proxy):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield proxy
    cloud.faults()


def bodies(cloud) -> list[dict]:
    """Return what was sent to submit jobs."""
    return [one for one in cloud.admin("GET", "/bodies")["bodies"] if one["route"] == "POST /ibm/jobs"]


def flipped() -> QuantumCircuit:
    """On the device's own qubits: bit 0 is 1, bit 1 is 0."""
    circuit = QuantumCircuit(5, 2)
    circuit.x(3)
    circuit.measure([3, 1], [0, 1])
    return circuit


@pytest.mark.filterwarnings("ignore:The RuntimeOptions class:DeprecationWarning")
def test_it_runs_a_job_and_an_error_after_acceptance_makes_it_pay_twice(cloud, proxy):
    from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2

    service = QiskitRuntimeService()
    sampler = SamplerV2(service.backend("ibm_manila"))
    job = sampler.run([flipped()], shots=200)
    cloud.advance(1e6)
    counts = job.result()[0].data.c.get_counts()
    assert max(counts, key=counts.get) == "01"
    assert [entry["id"] for entry in cloud.book()] == [job.job_id()]
    [sent] = [json.loads(one["body"]) for one in bodies(cloud)]
    assert set(sent) == {*FIELDS, "log_level"}
    assert set(sent["params"]) == PARAMS

    cloud.faults({"route": "POST /ibm/jobs", "nth": 1, "fault": "after_accept", "params": {"status": 504}})
    again = sampler.run([flipped()], shots=201)
    bought = [entry["id"] for entry in cloud.book() if entry["shots"] == 201]
    assert len(bought) == 2, "its user sees one job"
    assert again.job_id() == bought[1]


def test_ours_is_sent_once_and_found(cloud, proxy, monkeypatch, tmp_path):
    """By the addresses that are built in, through the same proxy."""
    monkeypatch.setenv("QISKIT_IBM_BACKENDS", "ibm_manila")
    provider = IbmProvider(tmp_path / "ibm")
    batch, _ = canary_batch("batch", width=4, qubit=1, backend=BACKEND, shots=90)
    for number, fault in enumerate(({"status": 504}, {"drop": True})):
        cloud.faults({"route": "POST /ibm/jobs", "nth": 1, "fault": "after_accept", "params": fault})
        token = f"{number}" * 32
        with pytest.raises(Ambiguous):
            provider.submit(batch, token)
        [bought] = [entry for entry in cloud.book() if entry["name"] == token]
        assert provider.find(BACKEND, token).provider_job_id == bought["id"]
        ours = json.loads(bodies(cloud)[-1]["body"])
        assert set(ours) == {*FIELDS, "tags"}
        assert set(ours["params"]) == PARAMS
