"""How far an experiment is, in sentences: each way to wait, to fail and to be stopped, from lives of jobs in a real ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.steps.on_demand.report_jobs import experiment_progress, job_contents
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import job_histories, sample_experiments

SPEC = sample_experiments.specification("maxcut square", ("ionq:simulator",))
KEY = experiment_key(SPEC)
FAILED_WITH = {"error": "QuantumComputerError: the machine failed."}


@dataclass(frozen=True)
class ControlPlaneOfALedger:
    """What the question what is due asks of a control plane, for a provider that queues."""

    ledger: SqlLedger

    def is_immediate(self, _backend):
        return False

    def may_need_approval(self, _backend):
        return False


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home").make()


@pytest.fixture
def ledger(home):
    opened = SqlLedger.open_sqlite(home.ledger)
    yield opened
    opened.close()


def write(ledger, job_id, steps, **more):
    return job_histories.write_job_history(ledger, job_id, steps, experiment=KEY, **more)


def progress(home, ledger):
    return experiment_progress(KEY, SPEC, Lake(home), ControlPlaneOfALedger(ledger), home)


def test_nothing_has_begun(home, ledger):
    found = progress(home, ledger)
    assert (found.decided, found.failed) == (False, False)
    [sentence] = found.sentences
    assert sentence.startswith("Not done yet: reading the problem")
    assert f"`qhybrid run {KEY}`" in sentence


def test_somebody_stopped_it(home, ledger):
    Stops(home).add([KEY], principal="ada", now=datetime(2026, 1, 5, tzinfo=UTC), reason="Ctrl-C")
    assert "It is stopped: Ctrl-C, by ada, 2026-01-05T00:00:00+00:00." in progress(home, ledger).sentences


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (job_histories.COMPLETE[:5], "is QUEUED on ionq:simulator since"),
        (job_histories.WAITS_FOR_APPROVAL, "qhybrid jobs approve"),
        (job_histories.UNKNOWN, "qhybrid jobs resolve"),
    ],
    ids=["queued", "approval", "unknown"],
)
def test_a_job_that_waits_says_for_whom(home, ledger, steps, words):
    write(ledger, "j1", steps)
    found = progress(home, ledger)
    assert (found.decided, found.failed) == (False, False)
    assert [sentence for sentence in found.sentences if words in sentence] != []
    [job] = job_contents(ledger, KEY)
    assert (job.open, job.ended_without_result) == (True, False)


def test_a_job_that_failed_says_why_and_what_helps(home, ledger):
    write(ledger, "j1", job_histories.FAILED, fields=FAILED_WITH)
    found = progress(home, ledger)
    assert found.failed
    [sentence] = [sentence for sentence in found.sentences if "Job j1" in sentence]
    assert (
        "ended without a result, FAILED: QuantumComputerError: the machine failed. `qhybrid jobs fetch j1`" in sentence
    )


def test_a_job_whose_work_ran_again_is_no_fault_any_more(home, ledger):
    write(ledger, "j1", job_histories.FAILED, fields=FAILED_WITH, payload_sha256="a" * 64)
    write(ledger, "j2", job_histories.COMPLETE, payload_sha256="a" * 64, run_number=2, token="another")
    found = progress(home, ledger)
    assert not found.failed
    assert [sentence for sentence in found.sentences if "j1" in sentence] == []
    assert [job.row["state"] for job in job_contents(ledger, KEY)] == ["FAILED", "VERIFIED"]


def test_the_stretches_of_a_job_are_those_of_its_events(ledger):
    write(ledger, "j1", job_histories.COMPLETE)
    [job] = job_contents(ledger, KEY)
    seconds = {name: seconds for name, seconds, _ in job.stretches}
    assert seconds["queue"] == pytest.approx(300, abs=1)
    assert seconds["execute"] == pytest.approx(10)
    assert {name for name, _, by_provider in job.stretches if by_provider} == {"queue", "execute"}
    assert job.cost["quoted_usd"] == 0.5
