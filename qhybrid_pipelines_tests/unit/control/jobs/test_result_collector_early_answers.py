"""One incomplete, early or contradicting answer is "not yet": what was paid is collected, and fetching it again costs nothing.

The judge is the vendor's own book: one job was accepted, and its counts are the vendor's.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.reporting.next_steps import next_steps
from qhybrid_pipelines.core.errors import (
    CorruptResult,
    IllegalTransition,
    InvalidInput,
    JobFailed,
    Rejected,
    Unavailable,
)
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, RawResult
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST, DispatcherHarness
from qhybrid_pipelines_tests.support.durable_vendor import make_batch
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger

S = JobState
PRICE_USD = 3.0


@pytest.fixture(params=["in memory", "in SQLite"])
def harness(request, tmp_path, ledger):
    made = DispatcherHarness(tmp_path, MemoryLedger() if request.param == "in memory" else ledger)
    made.one.price_usd = PRICE_USD
    return made


def submit(harness: DispatcherHarness) -> JobRecord:
    return harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)


def without_shots(body):
    body["counts"][0]["count"] -= 1
    return body


def without_a_circuit(body):
    return body | {"counts": body["counts"][1:]}


def of_another_batch(body):
    return body | {"payload": "0" * 64}


def of_another_job(body):
    return body | {"id": "v-7"}


EARLY_RESULTS = {
    "nothing": lambda body: body | {"counts": []},
    "a circuit short": without_a_circuit,
    "shots missing": without_shots,
    "another batch's": of_another_batch,
    "another job's": of_another_job,
}


class TestResults:
    @pytest.mark.parametrize("early", EARLY_RESULTS)
    def test_a_result_that_is_wrong_once_is_fetched_again_and_kept_both_times(self, harness, early) -> None:
        job, dispatcher = submit(harness), harness.dispatcher()
        path = harness.one.folder / f"{job.provider_job_id}.result"
        whole = path.read_bytes()
        path.write_text(json.dumps(EARLY_RESULTS[early](json.loads(whole))))
        with pytest.raises(Unavailable, match=f"fetched again automatically.*`qhybrid jobs fetch {job.job_id}`"):
            dispatcher.collect(job.job_id, make_batch())
        doubted = harness.ledger.job(job.job_id)
        assert (doubted.state, doubted.has_doubted_result) == (S.COMPLETED, True)
        assert RawStore(harness.path / "raw").get(doubted.result_sha256) == path.read_bytes()
        noted = {"phase": "verify", "class": "CorruptResult", "retryable": False, "sha256": doubted.result_sha256}
        assert harness.ledger.events(job.job_id)[-1].detail == noted
        assert f"`qhybrid jobs fetch {job.job_id}`" in next_steps(doubted, harness.now).partition(";")[0]

        path.write_bytes(whole)
        result = dispatcher.collect(job.job_id, make_batch())
        assert (result.job.state, result.job.error) == (S.VERIFIED, "")
        assert result.counts.column("count").to_pylist() == [row["count"] for row in json.loads(whole)["counts"]]
        assert RawStore(harness.path / "raw").get(result.job.result_sha256) == whole
        assert len(harness.one.book()) == 1
        assert harness.ledger.account(job.experiment).settled_usd == PRICE_USD

    def test_what_another_process_has_just_refused_is_not_yet_and_no_failure(self, harness) -> None:
        """Both fetch the early answer; one refuses it while the other has it in hand."""
        job, original = submit(harness), harness.one.fetch
        path = harness.one.folder / f"{job.provider_job_id}.result"
        whole = path.read_bytes()
        path.write_text(json.dumps(without_a_circuit(json.loads(whole))))
        seen = []

        def fetch(ref):
            answer = original(ref)
            if not seen:
                seen.append(ref)
                with pytest.raises(Unavailable):
                    harness.dispatcher().collect(job.job_id, make_batch())
            return answer

        harness.one.fetch = fetch
        with pytest.raises(Unavailable, match=f"`qhybrid jobs fetch {job.job_id}`"):
            harness.dispatcher().collect(job.job_id, make_batch())
        assert harness.ledger.job(job.job_id).state is S.COMPLETED
        path.write_bytes(whole)
        assert harness.dispatcher().collect(job.job_id, make_batch()).job.state is S.VERIFIED
        assert len(harness.one.book()) == 1

    def test_a_delivery_that_the_provider_refuses_is_asked_for_again(self, harness) -> None:
        job, dispatcher, original = submit(harness), harness.dispatcher(), harness.one.fetch

        def gone(ref):
            raise Rejected("410 gone")

        harness.one.fetch = gone
        with pytest.raises(Unavailable, match="410 gone"):
            dispatcher.collect(job.job_id, make_batch())
        assert harness.ledger.events(job.job_id)[-1].detail["phase"] == "fetch"
        harness.one.fetch = original
        assert dispatcher.collect(job.job_id, make_batch()).job.state is S.VERIFIED

    def test_the_answer_about_another_job_is_not_taken_for_ours(self, harness) -> None:
        job, dispatcher, original = submit(harness), harness.dispatcher(), harness.one.fetch
        other = JobRef(provider="vendor", backend=job.backend, provider_job_id="v-9")
        harness.one.fetch = lambda ref: RawResult(ref=other, content=original(ref).content, content_type="text/plain")
        with pytest.raises(Unavailable, match="v-1, got that of v-9"):
            dispatcher.collect(job.job_id, make_batch())
        harness.one.fetch = original
        assert dispatcher.collect(job.job_id, make_batch()).job.state is S.VERIFIED

    def test_after_the_stated_time_a_person_is_asked_and_fetches_it_for_free(self, harness) -> None:
        job, dispatcher = submit(harness), harness.dispatcher(tiers={"batch": {"result_grace_seconds": 600}})
        path = harness.one.folder / f"{job.provider_job_id}.result"
        whole = path.read_bytes()
        path.write_text(json.dumps(of_another_batch(json.loads(whole))))
        for seconds in (0, 300, 299):
            harness.now += timedelta(seconds=seconds)
            with pytest.raises(Unavailable):
                dispatcher.collect(job.job_id, make_batch())
        harness.now += timedelta(seconds=1)
        with pytest.raises(CorruptResult, match=f"more than 600 seconds: `qhybrid jobs fetch {job.job_id}`"):
            dispatcher.collect(job.job_id, make_batch())
        assert harness.ledger.job(job.job_id).state is S.COMPLETED, "never final"
        path.write_bytes(whole)
        assert dispatcher.fetch_again(job.job_id, make_batch()).state is S.VERIFIED
        assert len(harness.one.book()) == 1

    def test_only_a_person_gives_a_refused_result_up(self, harness) -> None:
        job, dispatcher = submit(harness), harness.dispatcher()
        with pytest.raises(IllegalTransition, match="was not refused"):
            dispatcher.decisions.give_up_result(job.job_id)
        path = harness.one.folder / f"{job.provider_job_id}.result"
        path.write_text(json.dumps(of_another_batch(json.loads(path.read_text()))))
        with pytest.raises(Unavailable):
            dispatcher.collect(job.job_id, make_batch())
        ended = dispatcher.decisions.give_up_result(job.job_id)
        assert (ended.state, ended.cost_settled_usd) == (S.FAILED, PRICE_USD)
        assert harness.ledger.events(job.job_id)[-1].detail == {"given_up_by": "ada"}

    def test_a_simulator_on_this_machine_will_not_say_anything_else(self, harness) -> None:
        harness.one.immediate = True
        job, dispatcher = submit(harness), harness.dispatcher()
        path = harness.one.folder / f"{job.provider_job_id}.result"
        path.write_text(json.dumps(of_another_batch(json.loads(path.read_text()))))
        with pytest.raises(CorruptResult):
            dispatcher.collect(job.job_id, make_batch())
        assert harness.ledger.job(job.job_id).state is S.FAILED
        refused = harness.ledger.events(job.job_id)[-1].detail
        assert refused == {
            "phase": "verify",
            "class": "CorruptResult",
            "retryable": False,
            "sha256": harness.ledger.stored_result(job.job_id).sha256,
        }


class TestFailures:
    def test_a_failure_that_reads_completed_a_moment_later_is_none(self, harness) -> None:
        job, dispatcher = submit(harness), harness.dispatcher()
        harness.one.show(job.provider_job_id, S.FAILED, message="calibration lost")
        [job] = dispatcher.poll([job])
        assert (job.state, job.error) == (S.SUBMITTED, None)
        assert harness.ledger.events(job.job_id)[-1].event == "JobFailureReported"
        harness.now += timedelta(seconds=10)
        harness.one.show(job.provider_job_id, S.COMPLETED)
        result = dispatcher.collect(job.job_id, make_batch())
        assert result.job.state is S.VERIFIED
        assert len(harness.one.book()) == 1

    @pytest.mark.parametrize("state", [S.QUEUED, S.RUNNING])
    def test_a_failure_is_believed_the_second_time_and_says_why(self, harness, state) -> None:
        job, dispatcher = submit(harness), harness.dispatcher()
        harness.one.show(job.provider_job_id, state)
        dispatcher.poll([job])
        harness.one.show(job.provider_job_id, S.FAILED, message="calibration lost")
        for seconds, expected in ((0, state), (1, state), (1, S.FAILED)):
            harness.now += timedelta(seconds=seconds)
            [job] = dispatcher.poll([harness.ledger.job(job.job_id)])
            assert job.state is expected
        assert job.error == "calibration lost"
        assert harness.ledger.events(job.job_id)[-1].detail == {"phase": "execute", "message": "calibration lost"}
        with pytest.raises(JobFailed, match="is FAILED and has no result: calibration lost"):
            dispatcher.collect(job.job_id, make_batch())
        with pytest.raises(JobFailed, match="has no result: its provider says failed, calibration lost"):
            dispatcher.fetch_again(job.job_id, make_batch())

    def test_on_this_machine_one_report_is_enough(self, harness) -> None:
        harness.one.immediate = True
        job, dispatcher = submit(harness), harness.dispatcher()
        harness.one.show(job.provider_job_id, S.FAILED)
        assert dispatcher.poll([job])[0].state is S.FAILED

    @pytest.mark.parametrize("by", ["the schedule", "a person"])
    def test_a_failed_job_that_has_a_result_after_all_is_collected_and_charged_once(self, harness, by) -> None:
        job, dispatcher = submit(harness), harness.dispatcher()
        harness.one.show(job.provider_job_id, S.FAILED, cost_usd=0.0)
        for _ in range(2):
            dispatcher.poll([harness.ledger.job(job.job_id)])
            harness.now += timedelta(seconds=10)
        assert harness.ledger.job(job.job_id).state is S.FAILED
        assert harness.ledger.account(job.experiment).settled_usd == 0.0
        harness.one.show(job.provider_job_id, S.COMPLETED, cost_usd=PRICE_USD)
        if by == "the schedule":
            [recovered] = dispatcher.poll_due().changed
            assert (recovered.state, recovered.has_doubted_result) == (S.COMPLETED, False)
            dispatcher.collect(job.job_id, make_batch())
        else:
            dispatcher.fetch_again(job.job_id, make_batch())
        assert harness.ledger.job(job.job_id).state is S.VERIFIED
        account = harness.ledger.account(job.experiment)
        assert (account.reserved_usd, account.settled_usd) == (0.0, PRICE_USD)
        assert len(harness.one.book()) == 1

    def test_a_failed_job_whose_work_was_run_again_is_left_alone(self, harness) -> None:
        job, dispatcher = submit(harness), harness.dispatcher()
        harness.one.show(job.provider_job_id, S.FAILED)
        for _ in range(2):
            dispatcher.poll([harness.ledger.job(job.job_id)])
            harness.now += timedelta(seconds=10)
        again = dispatcher.submit(make_batch(), SUBMIT_REQUEST.__class__(tier="batch", budget_usd=100.0, repeat=True))
        assert again.run_number == 2
        harness.one.show(job.provider_job_id, S.COMPLETED)
        dispatcher.poll_due()
        assert harness.ledger.job(job.job_id).state is S.FAILED

    def test_what_no_provider_ever_had_cannot_be_fetched(self, harness) -> None:
        dispatcher = harness.dispatcher({"name": "ask", "then": "approve", "reason": "a person"})
        job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        with pytest.raises(InvalidInput, match="no provider has it"):
            dispatcher.fetch_again(job.job_id, make_batch())

    @pytest.mark.parametrize("end", [S.CANCELLED, S.EXPIRED])
    def test_the_late_result_of_a_job_that_had_ended_is_kept_on_request(self, harness, end) -> None:
        job, dispatcher = submit(harness), harness.dispatcher()
        harness.one.show(job.provider_job_id, S.RUNNING)
        (harness.one.folder / f"{job.provider_job_id}.cancel").write_text("cancelled")
        if end is S.CANCELLED:
            dispatcher.decisions.cancel(job.job_id)
        else:
            harness.now = job.deadline_at
            dispatcher.expire_due()
        assert harness.ledger.job(job.job_id).state is end
        harness.one.show(job.provider_job_id, S.COMPLETED)
        kept = dispatcher.fetch_again(job.job_id, make_batch())
        assert (kept.state, kept.result_sha256 is not None) == (end, True)
