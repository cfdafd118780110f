"""SIGKILL at every named place and at random ones: the provider's own book holds each job exactly once.

Each run is a real process, forked by the stage. The judge reads what the provider accepted, never only our ledger.
"""

from __future__ import annotations

import random
import re
import signal
from pathlib import Path

import pytest

import qhybrid_pipelines.control
from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.crash_process import KNOWN_EXPERIMENT, TRY_AGAIN, make_vendor
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor
from qhybrid_pipelines_tests.support.ledgers import open_test_ledger
from qhybrid_pipelines_tests.support.matrices import covered

KILLED = -signal.SIGKILL

#: In the order in which an undisturbed life passes them.
ON_THE_WAY = (
    "submit.before_intent",
    "submit.planned",
    "submit.intended",
    "submit.before_call",
    "vendor.received",
    "vendor.accepted",
    "submit.accepted",
    "submit.acknowledged",
    "poll.seen",
    "poll.recorded",
    "collect.before_fetch",
    "collect.fetched",
    "collect.stored",
    "collect.recorded",
    "collect.decoded",
    "collect.verified",
)
IN_RECOVERY = ("recover.before_look_up", "recover.looked_up")
#: Passed by a first submission to a provider that lists tokens, and by one whose refusal is doubted.
BEFORE_SENDING, IN_DOUBT = ("submit.before_look_up",), ("submit.doubted",)
IN_CANCELLATION = ("cancel.before_call", "cancel.answered", "cancel.left", "collect.stored_late")
#: Between a request to cancel and the end of a job that was never accepted; `jobs/test_cancellation_requests.py` dies there.
CANCELLED_UNSENT = ("submit.cancelled_unsent", "cancel.unsent")
FAULTS = ("none", "throttled", "ambiguous_before", "ambiguous_after", "rejected_after", "throttled_after")
#: What the vendor does to the first submissions, in this order.
TROUBLES = (
    "throttled",
    "rejected",
    "ambiguous_before",
    "ambiguous_after",
    "ambiguous_before ambiguous_after throttled",
    "rejected_after",
    "throttled_after",
    "throttled throttled_after rejected",
)
#: Ways to take a job back, with their end, and the places that each of them passes.
WAYS_BACK = {
    "cancel": (JobState.CANCELLED, IN_CANCELLATION[:2]),
    "cancel, but it comes": (JobState.CANCELLED, IN_CANCELLATION[-1:]),
    "expire": (JobState.EXPIRED, IN_CANCELLATION[:2]),
    "reroute": (JobState.REROUTED, (*IN_CANCELLATION[:3], *ON_THE_WAY[:8])),
}
KINDS = {
    "token": {"dedupe": "token"},
    "tag_lookup": {"dedupe": "tag_lookup", "listing_lag_seconds": 0.02, "has_known_job": True},
    "tag_lookup, new home": {"dedupe": "tag_lookup", "listing_lag_seconds": 0.02},
    "none": {"dedupe": "none"},
}


def run_to_the_end(run_process, home: Path, vendor: dict, **first) -> None:
    """Run the same command again and again until it is through, as a schedule would."""
    if first:
        run_process("life", home, vendor=vendor, **first)
    for _ in range(5):
        [code] = run_process("life", home, vendor=vendor)
        if code != TRY_AGAIN:
            break
    assert code == 0


def judge(home: Path, vendor: dict) -> None:
    """One job accepted, its result verified, nothing reserved, the chain whole; or, in doubt for ever, nothing sent twice."""
    book = make_vendor({"home": str(home), "vendor": vendor}).book()
    ledger = open_test_ledger(home)
    try:
        [job] = [job for job in ledger.jobs() if job.experiment != KNOWN_EXPERIMENT]
        known = {other.provider_job_id for other in ledger.jobs(experiment=KNOWN_EXPERIMENT)}
        accepted = [line for line in book if line["id"] not in known]
        assert ledger.verify_chain().is_intact
        assert len(ledger.attempts(job.job_id)) == 1
        if job.state is JobState.REJECTED:
            assert accepted == []
            assert ledger.account(job.experiment).reserved_usd == 0.0
            return
        if job.state is JobState.SUBMIT_UNKNOWN:
            assert vendor["dedupe"] == "none" or not known, "only who cannot tell asks a person"
            assert len(accepted) <= 1
            return
        assert job.state is JobState.VERIFIED
        assert [(line["token"], line["id"]) for line in accepted] == [(job.token, job.provider_job_id)]
        names = [event.event for event in ledger.events(job.job_id)]
        assert names.count("JobSubmitted") == names.count("JobFetched") == names.count("JobVerified") == 1
        assert ledger.account(job.experiment).reserved_usd == 0.0
        assert RawStore(home / "raw").get(job.result_sha256)
    finally:
        ledger.close()


def test_the_list_of_places_is_complete() -> None:
    folder = Path(qhybrid_pipelines.control.__file__).parent
    named = {
        name for file in folder.glob("**/*.py") for name in re.findall(r'failpoint\("([^"]+)"\)', file.read_text())
    }
    places = (*ON_THE_WAY, *BEFORE_SENDING, *IN_DOUBT, *IN_RECOVERY, *IN_CANCELLATION, *CANCELLED_UNSENT)
    assert named == {name for name in places if not name.startswith("vendor.")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ON_THE_WAY)
def test_killed_once_then_run_again(run_process, tmp_path: Path, kind: str, place: str) -> None:
    vendor = KINDS[kind]
    assert run_process("life", tmp_path, vendor=vendor, failpoint=place) == [KILLED]
    run_to_the_end(run_process, tmp_path, vendor)
    judge(tmp_path, vendor)


@pytest.mark.parametrize("kind", ["token", "tag_lookup", "tag_lookup, new home"])
@pytest.mark.parametrize("place", IN_RECOVERY)
def test_killed_again_while_it_recovers(run_process, tmp_path: Path, kind: str, place: str) -> None:
    for number, first in enumerate(["submit.intended", "vendor.received", "vendor.accepted", "submit.accepted"]):
        home, vendor = tmp_path / str(number), KINDS[kind]
        assert run_process("life", home, vendor=vendor, failpoint=first) == [KILLED]
        assert run_process("life", home, vendor=vendor, failpoint=place) == [KILLED]
        run_to_the_end(run_process, home, vendor)
        judge(home, vendor)


@pytest.mark.parametrize(("trouble", "kind"), covered(TROUBLES, [*KINDS], columns_per_row=2))
def test_faults_of_the_vendor_and_a_kill_at_every_place(run_process, tmp_path: Path, kind: str, trouble: str) -> None:
    """Every fault with every place of the submission, also those that only recovery passes."""
    for number, place in enumerate((*ON_THE_WAY[:8], *BEFORE_SENDING, *IN_DOUBT, *IN_RECOVERY)):
        home, vendor = tmp_path / str(number), KINDS[kind]
        make_vendor({"home": str(home), "vendor": vendor}).plan_faults(*trouble.split())
        run_to_the_end(run_process, home, vendor, failpoint=place)
        judge(home, vendor)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_random_moments(run_process, tmp_path: Path, kind: str) -> None:
    """Some kills fall before the first commit, some after the end; seeds make a failure repeatable in kind."""
    kills = 0
    for seed in range(8):
        chance, home, vendor = random.Random(seed), tmp_path / str(seed), KINDS[kind] | {"calls_seconds": 0.01}
        assert run_process("prepare", home, vendor=vendor) == [0]
        make_vendor({"home": str(home), "vendor": vendor}).plan_faults(*chance.choices(FAULTS, k=3))
        for _ in range(4):
            [code] = run_process("life", home, vendor=vendor, kill_after_seconds=chance.uniform(0.0, 0.08))
            kills += code == KILLED
        run_to_the_end(run_process, home, vendor)
        judge(home, vendor)
    assert kills >= 5


@pytest.mark.parametrize("kind", KINDS)
def test_processes_that_race_on_one_job_submit_it_once(run_process, tmp_path: Path, kind: str) -> None:
    """Also for providers that merge no tokens: one process submits, the others wait and find it done."""
    vendor = KINDS[kind] | {"calls_seconds": 0.05}
    assert run_process("life", tmp_path, vendor=vendor, copies=6) == [0] * 6
    assert make_vendor({"home": str(tmp_path), "vendor": vendor}).calls("submit") == 1 + ("has_known_job" in vendor)
    judge(tmp_path, vendor)


@pytest.mark.parametrize("kind", KINDS)
def test_the_survivors_of_a_race_continue_for_the_one_that_was_killed(run_process, tmp_path: Path, kind: str) -> None:
    vendor = KINDS[kind] | {"calls_seconds": 0.1}
    assert run_process("prepare", tmp_path, vendor=vendor) == [0]
    ends = run_process("life", tmp_path, vendor=vendor, copies=3, kill_after_seconds=0.06)
    assert sorted(ends) in ([KILLED, 0, 0], [0, 0, 0])
    run_to_the_end(run_process, tmp_path, vendor)
    judge(tmp_path, vendor)


@pytest.mark.parametrize(("place", "kind"), covered(ON_THE_WAY[:8], [*KINDS], columns_per_row=2))
def test_a_batch_in_parts_survives_a_kill_at_every_place(run_process, tmp_path: Path, kind: str, place: str) -> None:
    """Planned together or not at all; each part accepted once, whichever the kill fell on."""
    vendor = KINDS[kind]
    assert run_process("many", tmp_path, vendor=vendor, failpoint=place) == [KILLED]
    assert run_process("many", tmp_path, vendor=vendor) == [0]
    book = make_vendor({"home": str(tmp_path), "vendor": vendor}).book()
    ledger = open_test_ledger(tmp_path)
    jobs = [job for job in ledger.jobs() if job.experiment != KNOWN_EXPERIMENT]
    unknown = [job for job in jobs if job.state is JobState.SUBMIT_UNKNOWN]
    assert ledger.verify_chain().is_intact
    ledger.close()
    assert len(jobs) == 3
    assert len(unknown) <= (kind in ("none", "tag_lookup, new home"))
    assert {job.state for job in jobs if job not in unknown} == {JobState.VERIFIED}
    assert len({line["token"] for line in book}) == len(book) >= 3 - len(unknown)


@pytest.mark.parametrize("how", WAYS_BACK)
def test_killed_while_a_job_is_taken_back(run_process, tmp_path: Path, how: str) -> None:
    """Its vendor holds it once, whoever takes the work over gets it once, and nothing stays reserved."""
    end, places = WAYS_BACK[how]
    for number, place in enumerate(places):
        home, vendor = tmp_path / str(number), KINDS["token"] | {"price_usd": 1.0}
        settings = {"vendor": vendor, "budget_usd": 5.0}
        assert run_process("take_back", home, **settings) == [0]
        assert run_process("take_back", home, how=how, failpoint=place, **settings) == [KILLED], place
        assert run_process("take_back", home, how=how, **settings) == [0]
        ledger = open_test_ledger(home)
        first, *others = ledger.jobs()
        assert first.state is end
        assert [job.state for job in others] == [JobState.VERIFIED] * (how == "reroute")
        assert len(DurableVendor(home / "vendor").book()) == 1
        assert len(DurableVendor(home / "other", name="other").book()) == len(others)
        assert (first.result_sha256 is not None) == (how == "cancel, but it comes")
        told = [event.event for event in ledger.events(first.job_id)]
        assert len(told) == len(set(told))
        assert ledger.account(first.experiment).reserved_usd == 0.0
        assert ledger.verify_chain().is_intact
        ledger.close()


def taken_back(
    run_process, home: Path, how: str, place: str, **settings
) -> tuple[JobRecord, list[JobRecord], list[EventRecord]]:
    """Ada takes a job back and is killed; somebody else's daemon goes on. Return the job, its successors and its events."""
    settings = {"vendor": KINDS["token"] | {"price_usd": 1.0}, "budget_usd": 5.0} | settings
    assert run_process("take_back", home, **settings) == [0]
    assert run_process("take_back", home, how=how, by="ada", failpoint=place, **settings) == [KILLED], place
    assert run_process("take_back", home, how="go on", **settings) == [0]
    ledger = open_test_ledger(home)
    first, *others = ledger.jobs()
    events = ledger.events(first.job_id)
    assert ledger.verify_chain().is_intact
    ledger.close()
    return first, others, events


@pytest.mark.parametrize("how", ["cancel", "reroute"])
def test_who_asked_is_known_after_a_kill_at_every_place(run_process, tmp_path: Path, how: str) -> None:
    end, places = WAYS_BACK[how]
    for number, place in enumerate(places):
        first, others, events = taken_back(run_process, tmp_path / str(number), how, place)
        named = {event.event: (event.detail or {}).get("by") for event in events if event.event.startswith("JobCancel")}
        assert named["JobCancelIntended"] == "ada", "her request was written before the provider was asked"
        if place == "cancel.before_call":
            assert first.state is JobState.RUNNING, (
                "a poll of one job asks the provider for nothing; a daemon's round does"
            )
            continue
        assert first.state is end
        assert (events[-1].detail or {})["by"] == "ada", place
        assert [job.principal for job in others] == ["ada"] * (how == "reroute"), "it is her work that goes on"


def test_the_last_of_two_persons_is_named(run_process, tmp_path: Path) -> None:
    settings = {"vendor": KINDS["token"] | {"price_usd": 1.0}, "budget_usd": 5.0}
    assert run_process("take_back", tmp_path, **settings) == [0]
    for by, place in (("ada", "cancel.before_call"), ("ada", "cancel.before_call"), ("bob", "cancel.answered")):
        assert run_process("take_back", tmp_path, how="cancel", by=by, failpoint=place, **settings) == [KILLED]
    assert run_process("take_back", tmp_path, how="go on", **settings) == [0]
    ledger = open_test_ledger(tmp_path)
    [job] = ledger.jobs()
    named = [
        (event.event, event.detail["by"]) for event in ledger.events(job.job_id) if event.event.startswith("JobCancel")
    ]
    ledger.close()
    assert named == [("JobCancelIntended", "ada"), ("JobCancelIntended", "bob"), ("JobCancelled", "bob")]


def test_without_the_wish_in_the_ledger_nobody_knows_who_asked(run_process, tmp_path: Path) -> None:
    """The negative control: the same kill, and a cancellation that writes only the provider's answer."""
    _, _, events = taken_back(run_process, tmp_path, "cancel", "cancel.answered", forgets_who_asked=True)
    assert events[-1].event == "JobCancelled"
    assert "by" not in (events[-1].detail or {})


def test_the_naive_protocol_pays_twice_in_the_same_harness(run_process, tmp_path: Path) -> None:
    """The negative control; that of the quarantine stands in test_job_dispatcher."""
    vendor = KINDS["none"]
    assert run_process("naive", tmp_path, vendor=vendor, failpoint="naive.accepted") == [KILLED]
    assert run_process("naive", tmp_path, vendor=vendor) == [0]
    assert len(make_vendor({"home": str(tmp_path), "vendor": vendor}).book()) == 2
