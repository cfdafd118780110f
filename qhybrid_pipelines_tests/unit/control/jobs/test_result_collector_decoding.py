"""What a kept result is decoded with: its readout errors, its chains, its late twin, and what is told where it is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.errors import CorruptFile, CorruptResult, InvalidInput, Rejected, Unavailable
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines_tests.support.dispatcher_harness import NOON, SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, make_batch

BATCH = make_batch()


def completed(harness):
    """A dispatcher and a job whose result waits at its provider."""
    dispatcher = harness.dispatcher()
    dispatcher.poll([dispatcher.submit(BATCH, SUBMIT_REQUEST)])
    [job] = harness.ledger.jobs()
    assert job.state is JobState.COMPLETED
    return dispatcher, job


def describe(harness, **facts) -> None:
    """Let the vendor say more of its backend."""
    capabilities = harness.one.capabilities
    harness.one.capabilities = lambda backend: replace(capabilities(backend), **facts)


class TestReadoutErrors:
    def asked(self, harness, *, details=None, calibrated=True, able=True, kept=("before", "named")):
        """Collect a job of a noisy vendor and return whose calibration it was asked with, and what came back."""
        describe(harness, noisy=True, readout_calibrated=calibrated)
        asked, errors = [], ReadoutErrors.none(3)
        if able:
            harness.one.abilities = harness.one.abilities | {Ability.READOUT_ERRORS}

            def readout_errors(raw, batch, calibration):
                asked.append((raw.content, batch, calibration and calibration.calibration_id))
                return errors

            harness.one.readout_errors = readout_errors
        for at, name in enumerate(kept):
            harness.one.calibrate(name, NOON - timedelta(minutes=30 - at))
            harness.ledger.add_calibration(BACKEND, harness.one.calibration(BACKEND))
        harness.one.calibrate("planned", NOON - timedelta(minutes=10))
        dispatcher, job = completed(harness)
        original = harness.one.details
        harness.one.details = lambda raw: original(raw) | (details or {})
        found = dispatcher.collect(job.job_id, BATCH).readout_errors()
        content = harness.one.fetch(job.ref).content
        assert all(case[:2] == (content, BATCH) for case in asked)
        return [name for *_, name in asked], found is errors, found

    def test_the_calibration_that_the_result_names_counts(self, harness) -> None:
        assert self.asked(harness, details={"calibration_id": "named"})[:2] == (["named"], True)

    def test_without_one_it_is_that_which_was_noted_last_when_it_was_planned_or_sent(self, harness) -> None:
        assert self.asked(harness)[:2] == (["planned"], True)
        assert harness.ledger.events(harness.ledger.jobs()[0].job_id)[0].detail["calibration_id"] == "planned"

    def test_one_that_nobody_has_kept_is_passed_over(self, harness) -> None:
        assert self.asked(harness, details={"calibration_id": "unheard of"})[:2] == (["planned"], True)

    def test_a_backend_that_is_not_calibrated_has_none(self, harness) -> None:
        assert self.asked(harness, calibrated=False) == ([], False, None)

    def test_a_provider_that_cannot_say_has_none(self, harness) -> None:
        assert self.asked(harness, able=False) == ([], False, None)

    def test_an_ideal_backend_reads_every_bit_rightly(self, harness) -> None:
        dispatcher, job = completed(harness)
        found = dispatcher.collect(job.job_id, BATCH).readout_errors()
        assert np.array_equal(found.zero_as_one, [0.0, 0.0, 0.0])
        assert np.array_equal(found.one_as_zero, [0.0, 0.0, 0.0])


class TestStoredResults:
    def test_what_is_kept_is_decoded_again_without_asking_anybody(self, harness) -> None:
        dispatcher, job = completed(harness)
        collected = dispatcher.collect(job.job_id, BATCH)
        assert collected.chain_breaks is None
        assert (collected.job.engine, collected.details["engine_version"]) == ("vendor-one", "1.0")
        fetches, version = harness.one.calls("fetch"), collected.job.version
        assert dispatcher.decode_stored(collected.job, BATCH).equals(collected.counts)
        assert dispatcher.collect(job.job_id, BATCH).counts.equals(collected.counts)
        assert harness.one.calls("fetch") == fetches
        assert harness.ledger.job(job.job_id).version == version, "and nothing is written"

    def test_where_nothing_came_a_person_is_told_where_to_look(self, harness) -> None:
        dispatcher, job = completed(harness)
        with pytest.raises(InvalidInput) as refusal:
            dispatcher.decode_stored(job, BATCH)
        assert refusal.value.problem == f"job {job.job_id} is COMPLETED, and no result of it was ever received"
        assert refusal.value.remedy == f"`qhybrid jobs show {job.job_id}` says what can be done."

    def test_a_verified_result_that_is_refused_today_changes_nothing(self, harness) -> None:
        dispatcher, job = completed(harness)
        job = dispatcher.collect(job.job_id, BATCH).job

        def refuse(raw, batch):
            raise CorruptResult("this decoder is stricter")

        harness.one.decode = refuse
        for again in (dispatcher.collect, lambda _, batch: dispatcher.decode_stored(job, batch)):
            with pytest.raises(CorruptResult, match="stricter"):
                again(job.job_id, BATCH)
        assert harness.ledger.job(job.job_id) == job

    def test_bytes_that_are_gone_are_told_apart(self, harness) -> None:
        dispatcher, job = completed(harness)
        job = dispatcher.collect(job.job_id, BATCH).job
        for file in (harness.path / "raw").rglob("*"):
            if file.is_file():
                file.unlink()
        with pytest.raises(CorruptFile):
            dispatcher.decode_stored(job, BATCH)

    def test_long_words_of_a_vendor_are_cut_and_other_values_stay(self, harness) -> None:
        dispatcher, job = completed(harness)
        harness.one.details = lambda raw: {"engine": "e" * 500, "shots": 7, "seconds": 0.5, "none": None}
        details = dispatcher.collect(job.job_id, BATCH).details
        assert (details["shots"], details["seconds"], details["none"]) == (7, 0.5, None)
        assert set(details["engine"].rstrip("….")) == {"e"}
        assert 190 <= len(details["engine"]) <= 200
        assert harness.ledger.events(job.job_id)[-1].detail == details

    def test_a_late_result_of_another_job_is_not_kept(self, harness) -> None:
        dispatcher, job = completed(harness)
        ended = dispatcher.submit(make_batch(seed=9), SUBMIT_REQUEST)
        (harness.one.folder / f"{ended.provider_job_id}.cancel").write_text("cancelled")
        ended = dispatcher.decisions.cancel(ended.job_id)
        assert ended.state is JobState.CANCELLED
        fetch = harness.one.fetch
        harness.one.fetch = lambda ref: replace(fetch(ref), ref=job.ref)
        [problem] = dispatcher.poll_due().problems
        assert f"asked for the late result of job {ended.job_id}, got that of another" in str(problem)
        assert harness.ledger.stored_result(ended.job_id) is None
        harness.one.fetch = fetch
        dispatcher.poll_due()
        assert harness.ledger.job(ended.job_id).state is JobState.CANCELLED
        assert harness.ledger.stored_result(ended.job_id).content_type == "application/json"
        assert harness.ledger.stored_result(ended.job_id).size_bytes == len(fetch(ended.ref).content)


class TestRefusedResults:
    def refuse(self, harness, words="404 no result."):
        def fetch(ref):
            raise Rejected(words)

        harness.one.fetch = fetch

    def test_as_long_as_the_tier_says_it_is_not_yet_and_then_a_person_is_asked(self, harness) -> None:
        dispatcher, job = completed(harness)
        seconds = dispatcher.policy.tiers.of("batch").result_grace_seconds
        self.refuse(harness)
        said = f"job {job.job_id} was paid, and its result is refused: vendor: fetch failed: 404 no result. The answer is kept"
        free = f"`qhybrid jobs fetch {job.job_id}`"
        for passed in (0.0, seconds - 1.0):
            harness.now = NOON + timedelta(seconds=passed)
            with pytest.raises(Unavailable) as early:
                dispatcher.collect(job.job_id, BATCH)
            told = str(early.value)
            assert f"{said}, and it is fetched again automatically, which costs nothing; {free} does it now" in told
        harness.now = NOON + timedelta(seconds=seconds)
        with pytest.raises(CorruptResult) as late:
            dispatcher.collect(job.job_id, BATCH)
        told = f"{said}, and has been refused for more than {seconds:g} seconds: {free} fetches it once more, which is free"
        assert told in str(late.value)
        job = harness.ledger.job(job.job_id)
        assert (job.state, job.error) == (JobState.COMPLETED, "vendor: fetch failed: 404 no result.")
        assert job.has_doubted_result

    def test_on_this_machine_it_is_the_end(self, harness) -> None:
        harness.one.immediate = True
        dispatcher, job = completed(harness)
        self.refuse(harness)
        with pytest.raises(CorruptResult, match=r"^vendor: fetch failed: 404 no result"):
            dispatcher.collect(job.job_id, BATCH)
        failed = harness.ledger.job(job.job_id)
        assert (failed.state, failed.error) == (JobState.FAILED, "vendor: fetch failed: 404 no result.")

    def test_what_contradicts_its_request_is_noted_as_that_and_its_bytes_are_kept(self, harness) -> None:
        dispatcher, job = completed(harness)

        def decode(raw, batch):
            raise CorruptResult("shots are missing")

        harness.one.decode = decode
        with pytest.raises(Unavailable, match="shots are missing"):
            dispatcher.collect(job.job_id, BATCH)
        noted = harness.ledger.events(job.job_id)[-1]
        kept = harness.ledger.stored_result(job.job_id)
        assert noted.event == "JobResultDoubted"
        assert noted.detail == {"phase": "verify", "class": "CorruptResult", "retryable": False, "sha256": kept.sha256}
        harness.one.decode = type(harness.one).decode.__get__(harness.one)
        assert dispatcher.collect(job.job_id, BATCH).job.error == "", "what was said of an earlier answer holds no more"

    def test_a_job_that_failed_and_has_a_result_after_all_goes_on_with_what_it_cost(self, harness) -> None:
        dispatcher, job = completed(harness)
        harness.one.immediate = True
        self.refuse(harness)
        with pytest.raises(CorruptResult):
            dispatcher.collect(job.job_id, BATCH)
        harness.one.immediate = False
        harness.one.fetch = type(harness.one).fetch.__get__(harness.one)
        harness.one.price_usd = 1.25
        harness.now += timedelta(seconds=100)
        dispatcher.poll_due()
        recovered = harness.ledger.job(job.job_id)
        assert (recovered.state, recovered.error, recovered.cost_usd) == (JobState.COMPLETED, "", 1.25)
        assert harness.ledger.events(job.job_id)[-1].event == "JobRecovered"
