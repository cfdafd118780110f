"""A price that rises between the quote and the submission, on each face: told and reserved where the budget holds it, else nothing is sent.

A process plans a job and dies; the price rises; the next process goes on. The vendor's book says what was accepted, and at which price.
IonQ and Braket tell their prices, IBM and D-Wave do not: there it is the user's own rate that changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import make_sub_batch
from qhybrid_pipelines.core.system import failpoints
from qhybrid_pipelines.execution.canary_anneals import canary_anneal, canary_model
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.braket import BraketProvider
from qhybrid_pipelines.execution.providers.dwave import DWaveProvider
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.emulator_client import running_cloud
from qhybrid_pipelines_tests.support.sapi_client import SMALL

FACTOR = 3.0
POLICY = Policy.model_validate({"rules": [{"name": "all", "then": "allow", "reason": "within the budget"}]})


class Died(Exception):
    """A process that dies, but for the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A vendor's side, and ours.

    Attributes:
        backend: without the provider's name, as the administrator knows it.
        connect: returns the adapter of a new process.
        rate: the user's variable and its value, where the vendor tells no price.
        batch: made with an adapter.
    """

    backend: str
    connect: Callable
    batch: Callable
    rate: tuple[str, float] | None = None


def one_circuit(name: str) -> Callable:
    def make(provider):
        whole, _ = canary_batch("single", width=4, qubit=1, backend=name, shots=1000)
        return make_sub_batch(whole, first_point=0, points=1, first_repetition=0, repetitions=1).batch

    return make


def one_problem(provider):
    model = canary_model(width=4, variable=1)
    embedding = provider.embed(model, f"dwave:{SMALL}", seed=7)
    whole = canary_anneal(model, embedding, backend=f"dwave:{SMALL}", shots=1000, repetitions=1)
    return make_sub_batch(whole, first_point=0, points=1, first_repetition=0, repetitions=1).batch


FACES: Mapping[str, Face] = {
    "ionq": Face(backend="qpu.aria-1", connect=IonQProvider, batch=one_circuit("ionq:qpu.aria-1")),
    "braket": Face(backend="iqm.Garnet", connect=BraketProvider, batch=one_circuit("braket:iqm.Garnet")),
    "dwave": Face(backend=SMALL, connect=DWaveProvider, batch=one_problem, rate=("DWAVE_USD_PER_SECOND", 0.55)),
    "ibm": Face(
        backend="ibm_manila",
        connect=IbmProvider,
        batch=one_circuit("ibm:ibm_manila"),
        rate=("QISKIT_IBM_USD_PER_SECOND", 1.6),
    ),
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("prices") / "cloud", speed=1000.0, seed=7, drift_hours=1e5) as client:
        yield client


@pytest.fixture
def addresses(cloud, monkeypatch):
    emulator = cloud.emulator
    sapi = {"DWAVE_API_ENDPOINT": emulator.sapi_url, "DWAVE_API_TOKEN": emulator.key, "DWAVE_ACCEPTANCE_SECONDS": "0"}
    for name, value in (emulator.environment | emulator.braket_environment | emulator.ibm_environment | sapi).items():
        monkeypatch.setenv(name, value)
    for vendor in ("IONQ", "BRAKET", "DWAVE", "QISKIT_IBM"):
        monkeypatch.setenv(f"{vendor}_LISTING_LAG_SECONDS", "0")


def set_price(cloud, monkeypatch, face: Face, factor: float) -> None:
    cloud.admin("PUT", f"/backends/{face.backend}", {"price_factor": factor})
    if face.rate is not None:
        variable, usd = face.rate
        monkeypatch.setenv(variable, str(usd * factor))


def new_process(tmp_path, ledger, face: Face) -> Dispatcher:
    provider = face.connect(tmp_path / "provider")
    return Dispatcher(ledger, {provider.name: provider}, RawStore(tmp_path / "raw"), policy=POLICY)


def plan_and_die(dispatcher: Dispatcher, batch, request, monkeypatch) -> None:
    def die(name: str) -> None:
        if name == "submit.planned":
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "on_reached", die)
        with pytest.raises(Died):
            dispatcher.submit(batch, request)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name == "ibm" else name for name in FACES]
)
def test_a_risen_price_is_told_and_reserved_or_nothing_is_sent(name, cloud, addresses, monkeypatch, tmp_path):
    face, ledger = FACES[name], SqlLedger.open_sqlite(tmp_path / "ledger.sqlite")
    set_price(cloud, monkeypatch, face, 1.0)
    provider = face.connect(tmp_path / "provider")
    batch = face.batch(provider)
    usd = provider.estimate(batch).high_usd
    sent_before = len(cloud.book())
    rich, poor = replace(batch, experiment="rich-00000000"), replace(batch, experiment="poor-00000000")
    budgets = {rich.experiment: (1 + FACTOR) * usd, poor.experiment: 1.05 * usd}
    requests = {name: SubmitRequest(tier="batch", budget_usd=budget) for name, budget in budgets.items()}
    for one in (rich, poor):
        plan_and_die(new_process(tmp_path, ledger, face), one, requests[one.experiment], monkeypatch)
    assert len(cloud.book()) == sent_before
    set_price(cloud, monkeypatch, face, FACTOR)

    with pytest.raises(Refused, match="budget"):
        new_process(tmp_path, ledger, face).submit(poor, requests[poor.experiment])
    assert len(cloud.book()) == sent_before, "it was refused before anything was paid"
    [job] = ledger.jobs(experiment=poor.experiment)
    assert (job.state, job.cost_quoted_usd) == (JobState.APPROVED, pytest.approx(usd, abs=1e-5))

    job = new_process(tmp_path, ledger, face).submit(rich, requests[rich.experiment])
    [accepted] = cloud.book()[sent_before:]
    assert job.provider_job_id.endswith(accepted["id"])
    assert usd < job.cost_quoted_usd <= FACTOR * usd + 1e-5  # a fee per task stays what it is
    assert ledger.account(rich.experiment).reserved_usd == pytest.approx(job.cost_quoted_usd, abs=1e-5)
    # IBM bills the seconds that a job has used, and the quote is their upper end.
    share = accepted["estimated_usd"] / job.cost_quoted_usd
    assert share < 1 if name == "ibm" else share == pytest.approx(1, rel=0.01)
    [told] = [event for event in ledger.events(job.job_id) if event.event == "JobApprovalRequested"]
    assert told.detail["reason"] == f"the price rose from ${usd:.2f} to ${job.cost_quoted_usd:.2f}"
    ledger.close()
