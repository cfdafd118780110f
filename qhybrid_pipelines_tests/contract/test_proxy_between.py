"""Behind an HTTP proxy a lost answer is not repeated: paid once, found by its token. The emulator's book is the judge.

The transport of a vendor's own client takes the cut tunnel for a proxy that could not be reached, and sends again whatever
the method: the negative control.
"""

from __future__ import annotations

import json

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.http.transport import CERTIFICATE_VARIABLES
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.connect_proxy import HOST, connect_proxy, make_certificate
from qhybrid_pipelines_tests.support.emulator_client import Client, job_body
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger

POLICY = Policy.model_validate(
    {
        "rules": [{"name": "all", "then": "allow", "reason": "a test"}],
        "routing": {"calibration": {"stale": "accept"}},
    }
)
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_emulator(tmp_path_factory.mktemp("proxy") / "cloud", speed=4000.0, seed=7) as emulator:
        client = Client(emulator)
        yield client
        client.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def proxy(cloud, certificate, monkeypatch):
    """A proxy that is the only way to the cloud, named as companies name theirs."""
    for name in (*CERTIFICATE_VARIABLES, *PROXY_VARIABLES, *map(str.lower, PROXY_VARIABLES)):
        monkeypatch.delenv(name, raising=False)
    for name, value in cloud.emulator.environment.items():
        monkeypatch.setenv(name, value)
    with connect_proxy(cloud.emulator.url.rpartition("/")[0], certificate) as running:
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        monkeypatch.setenv("IONQ_API_URL", f"https://{HOST}/v0.4")
        monkeypatch.setenv("IONQ_LISTING_LAG_SECONDS", "0.05")
        yield running


@pytest.mark.parametrize("lost", [1, 2])
def test_ours_sends_once_and_finds_what_was_accepted(cloud, proxy, tmp_path, lost):
    dispatcher = Dispatcher(
        MemoryLedger(), {"ionq": IonQProvider(tmp_path / "ionq")}, RawStore(tmp_path / "raw"), policy=POLICY
    )
    batch, _ = canary_batch("batch", width=4, qubit=1, backend="ionq:qpu.forte-1", shots=100 + lost)
    before = len(cloud.book())
    proxy.answers_to_lose = lost
    job = dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=1000.0))
    assert job.state is JobState.SUBMITTED
    assert [entry["id"] for entry in cloud.book()[before:]] == [job.provider_job_id]
    assert proxy.passed.count(("POST", "/v0.4/jobs")) == 1
    assert set(proxy.tunnels) == {f"{HOST}:443"}
    cloud.advance(1e6)
    assert dispatcher.collect(job.job_id, batch).job.state is JobState.VERIFIED


@pytest.mark.parametrize("lost", [1, 3])
def test_a_vendors_client_pays_again_for_every_lost_answer(cloud, proxy, certificate, lost):
    """The negative control: the session of IBM's client, with its own retries, posts one job."""
    from qiskit_ibm_runtime.api.session import RetrySession

    session = RetrySession(
        f"https://{HOST}/v0.4",
        proxies={"https": proxy.url},
        verify=True,
    )
    session.verify = str(certificate)
    before = len(cloud.book())
    proxy.answers_to_lose = lost
    answer = session.post(
        "/jobs",
        data=json.dumps(job_body()),
        headers={"Authorization": f"apiKey {cloud.emulator.key}", "Content-Type": "application/json"},
    )
    assert answer.status_code == 201, "its user sees one success"
    assert len(cloud.book()) - before == 1 + lost
