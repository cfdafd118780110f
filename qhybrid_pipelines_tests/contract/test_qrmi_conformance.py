"""The adapter for QRMI, run by the library itself over plain HTTP against the emulated cloud; no answer that is not clear is read as one.

Its every call is a process, so the ordinary run meets each kind of check and of fault once.
"""

from __future__ import annotations

import socket

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.errors import Ambiguous, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.jobs.circuit_jobs import CancelOutcome, JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import IBM_INSTANCE
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.conformance import CHECKS, ProviderUnderTest, fetch_when_completed
from qhybrid_pipelines.execution.providers import qrmi
from qhybrid_pipelines.execution.providers.qrmi import QrmiProvider
from qhybrid_pipelines.execution.qrmi import resources
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.emulator_client import running_cloud
from qhybrid_pipelines_tests.support.matrices import others_are_long
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger

pytest.importorskip("qrmi", reason="SKIPPED LOUDLY: the extra `qrmi` is not installed")

MANILA = "qrmi:ibm_manila"
REQUEST = SubmitRequest(tier="batch", budget_usd=100.0)
NAMES = {check.__name__.removeprefix("check_"): check for check in CHECKS}
QUICK = (
    "capabilities",
    "find",
    "malformed_batches_are_rejected",
    "unknown_status_is_loud",
    "failed_poll_keeps_what_it_saw",
)
#: What befalls a submission, and whether the cloud has accepted a job all the same.
FAULTS = {
    "504 after": ({"fault": "after_accept", "params": {"status": 504}}, 1),
    "cut off after": ({"fault": "after_accept", "params": {"drop": True}}, 1),
    "cut off before": ({"fault": "before_accept", "params": {"drop": True}}, 0),
    "503 before": ({"fault": "before_accept", "params": {"status": 503}}, 0),
    "cut in the answer": ({"fault": "reset"}, 1),
    "half an answer": ({"fault": "truncated_json"}, 1),
    "a page": ({"fault": "html_200", "params": {"accept": True}}, 1),
    "429": ({"fault": "throttle", "params": {"retry_after": 1}}, 0),
    "429 after": ({"fault": "gateway", "params": {"status": 429}}, 1),
    "400 after": ({"fault": "gateway", "params": {"status": 400}}, 1),
    "401 after": ({"fault": "gateway", "params": {"status": 401}}, 1),
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("emulator") / "cloud", speed=1000.0, seed=7, drift_hours=1e5) as client:
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("qrmi")


@pytest.fixture(autouse=True)
def settings(cloud, monkeypatch):
    address = cloud.emulator.url.rpartition("/")[0]
    monkeypatch.setenv("QHYBRID_QRMI_BACKENDS", "ibm_manila, ibm_torino")
    for name, value in {
        "ENDPOINT": f"{address}/ibm/api/v1",
        "IAM_ENDPOINT": f"{address}/ibm",
        "IAM_APIKEY": cloud.emulator.key,
        "SERVICE_CRN": IBM_INSTANCE,
    }.items():
        monkeypatch.setenv(f"ibm_manila_QRMI_IBM_QCS_{name}", value)
    yield
    cloud.faults()


@pytest.fixture
def dispatcher(folder, tmp_path):
    allowed = {"rules": [{"name": "all", "then": "allow", "reason": "nothing here is real"}]}
    ledger = MemoryLedger()
    yield Dispatcher(
        ledger, {"qrmi": QrmiProvider(folder)}, RawStore(tmp_path / "raw"), policy=Policy.model_validate(allowed)
    )
    ledger.close()


def under_test(folder):
    return ProviderUnderTest(
        connect=lambda: QrmiProvider(folder),
        backend=MANILA,
        width=5,
        mutations={
            "another payload": lambda content: content.replace(b'"payload": "', b'"payload": "0'),
            "no metadata": lambda content: content.replace(b'"payload"', b'"other"'),
            "html": lambda _: b"<html></html>",
        },
        is_noiseless=False,
        with_status_word=lambda word: saying(folder, word),
    )


def saying(folder, word):
    """Return a provider that is told another word for every status."""

    class Told(QrmiProvider):
        def poll(self, refs):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(qrmi, "ask", lambda _, calls: [word] * len(calls))
                return super().poll(refs)

    return Told(folder)


def canary(**changes):
    return canary_batch("single", width=4, qubit=1, backend=MANILA, **changes)[0]


@pytest.mark.parametrize("name", others_are_long(list(NAMES), *QUICK))
def test_contract(name, folder):
    NAMES[name](under_test(folder))


def test_one_job_from_submission_to_result_carries_no_token(cloud, folder):
    provider = QrmiProvider(folder)
    ref = provider.submit(canary(), "a-token")
    [job] = [one for one in cloud.book() if one["id"] == ref.provider_job_id]
    assert job["metadata"] == {"tags": []}
    raw = fetch_when_completed(under_test(folder), provider, ref)
    assert max(provider.decode(raw, canary()).to_pylist(), key=lambda row: row["count"])["bits"] == 2
    assert provider.cancel(ref) is CancelOutcome.TOO_LATE
    again = provider.submit(canary(), "a-token")
    assert again != ref, "the same token is paid twice, which is why nobody but a person sends a job again"


@pytest.mark.parametrize("fault", others_are_long(list(FAULTS), "cut off after", "429", "400 after"))
def test_whatever_is_not_clear_waits_for_a_person_and_is_never_sent_again(cloud, dispatcher, fault):
    rule, accepted = FAULTS[fault]
    cloud.faults({"route": "POST /ibm/jobs", "nth": 1, **rule})
    before, bought = posts(cloud), len(cloud.book())
    for _ in range(2):
        assert dispatcher.submit(canary(), REQUEST).state is JobState.SUBMIT_UNKNOWN
    dispatcher.poll_due()
    assert (posts(cloud) - before, len(cloud.book()) - bought) == (1, accepted)


def test_a_person_who_found_the_job_brings_its_result_home(cloud, dispatcher):
    cloud.faults({"route": "POST /ibm/jobs", "nth": 1, "fault": "after_accept", "params": {"drop": True}})
    bought = len(cloud.book())
    job = dispatcher.submit(canary(), REQUEST)
    [there] = cloud.book()[bought:]
    dispatcher.decisions.resolve(job.job_id, there["id"])
    cloud.advance(1e6)
    counts = dispatcher.collect(job.job_id, canary()).counts
    assert max(counts.to_pylist(), key=lambda row: row["count"])["bits"] == 2
    assert len(cloud.book()) == bought + 1


def test_a_service_that_never_answers_holds_nobody_up(folder, monkeypatch):
    monkeypatch.setattr(resources, "CALL_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        for name in ("ENDPOINT", "IAM_ENDPOINT"):
            monkeypatch.setenv(f"ibm_manila_QRMI_IBM_QCS_{name}", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Unavailable, match="no answer for ibm_manila"):
            QrmiProvider(folder).status(MANILA)
        with pytest.raises(Ambiguous, match="may have been accepted"):
            resources.start_task(resources.resource_of(MANILA), "{}")


def test_what_is_missing_is_named_before_anything_is_sent(cloud, folder, monkeypatch):
    before = posts(cloud)
    provider = QrmiProvider(folder)
    with pytest.raises(Rejected, match="QHYBRID_QRMI_BACKENDS names qrmi:ibm_manila, qrmi:ibm_torino"):
        provider.capabilities("qrmi:ibm_fez")
    with pytest.raises(Unavailable, match="ibm_torino_QRMI_IBM_QCS_ENDPOINT or"):
        provider.capabilities("qrmi:ibm_torino")
    monkeypatch.setenv("ibm_manila_QRMI_IBM_QCS_ENDPOINT", "http://example.org/api")
    with pytest.raises(Throttled, match="does not start with https") as caught:
        provider.submit(canary(), "t")
    assert not caught.value.request_sent
    monkeypatch.setattr(resources, "find_spec", lambda _: None)
    with pytest.raises(Unavailable, match=r"pip install 'qhybrid-pipelines\[qrmi\]'"):
        provider.status(MANILA)
    assert posts(cloud) == before


@pytest.mark.parametrize("route", ["POST /ibm/token", "GET /ibm/backends"])
def test_a_service_that_is_away_before_anything_is_sent_leaves_no_doubt(cloud, folder, route):
    provider = QrmiProvider(folder)
    provider.estimate(canary())  # the device is known
    before = posts(cloud)
    cloud.faults({"route": route, "nth": 1, "fault": "before_accept", "params": {"status": 503}})
    with pytest.raises(Throttled) as caught:
        provider.submit(canary(), "t")
    assert not caught.value.request_sent
    assert posts(cloud) == before


def test_a_job_that_waits_is_cancelled_and_one_that_failed_says_so(cloud, folder):
    provider = QrmiProvider(folder)
    cloud.admin("PUT", "/backends/ibm_manila", {"extra_wait_seconds": 1e7})
    try:
        assert provider.cancel(provider.submit(canary(), "t")) is CancelOutcome.CANCELLED
    finally:
        cloud.admin("PUT", "/backends/ibm_manila", {"extra_wait_seconds": 0})
    cloud.faults(
        {"route": "POST /ibm/jobs", "nth": 1, "fault": "failed", "params": {"code": "9701", "message": "Leak."}}
    )
    ref = provider.submit(canary(), "t")
    cloud.advance(1e6)
    assert provider.poll([ref])[0].state is JobState.FAILED
    with pytest.raises(Unavailable, match="not completed"):
        provider.fetch(ref)
    with pytest.raises(Rejected, match="no job"):
        provider.cancel(JobRef(provider="qrmi", backend=MANILA, provider_job_id="none"))


def posts(cloud):
    return cloud.admin("GET", "/requests")["requests"].get("POST /ibm/jobs", 0)
