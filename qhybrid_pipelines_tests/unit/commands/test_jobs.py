"""``qhybrid jobs``: what it shows, what it changes, and the one sentence it says when something is not possible."""

from __future__ import annotations

import json

import pytest

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.job_histories import (
    COMPLETE,
    EXPERIMENT,
    FAILED,
    UNKNOWN,
    WAITS_FOR_APPROVAL,
    noon_plus,
    write_job_history,
)

DONE, WAITS, DOUBT, LOST, QUEUED = (f"j{number}" + "0" * 15 for number in range(5))


@pytest.fixture
def home(tmp_path):
    """A home whose ledger has one job of each kind."""
    place = Home(tmp_path / "home").make()
    ledger = SqlLedger.open_sqlite(place.ledger)
    write_job_history(ledger, DONE, COMPLETE, fields={"cost_usd": 0.4})
    # Its deadline is far away from any day on which this test runs.
    write_job_history(ledger, WAITS, WAITS_FOR_APPROVAL, backend="local:auto", deadline_at=noon_plus(4e9))
    write_job_history(ledger, DOUBT, UNKNOWN)
    write_job_history(ledger, LOST, FAILED, fields={"error": "the machine\nwas struck by lightning"})
    ledger.close()
    return place.path


def jobs_of(home):
    ledger = SqlLedger.open_sqlite(Home(home).ledger)
    found = {job.job_id: job for job in ledger.jobs()}
    ledger.close()
    return found


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ((), {DONE, WAITS, DOUBT, LOST}),
        (("--state", "FAILED"), {LOST}),
        (("--state", "failed", "--state", "VERIFIED"), {LOST, DONE}),
        (("--backend", "local:auto"), {WAITS}),
        (("--backend", "ionq", "--open"), {DOUBT}),
        (("--open",), {WAITS, DOUBT}),
        (("--experiment", EXPERIMENT), {DONE, WAITS, DOUBT, LOST}),
        (("--backend", "ibm"), set()),
    ],
)
def test_the_list_is_filtered(home, qhybrid, options, ids):
    code, out, err = qhybrid("jobs", "list", *options, "--json", home=home)
    assert (code, err) == (0, "")
    assert {row["job_id"] for row in json.loads(out)} == ids
    code, out, _ = qhybrid("jobs", "list", *options, home=home)
    assert code == 0
    assert all(job_id in out for job_id in ids)


def test_show_is_a_page_for_people_and_parts_for_machines(home, qhybrid):
    code, out, _ = qhybrid("jobs", "show", LOST, home=home)
    assert code == 0
    assert "error        the machine was struck by lightning" in out
    code, out, _ = qhybrid("jobs", "show", DONE, "--json", home=home)
    told = json.loads(out)
    assert set(told) == {"job", "events", "latency", "cost", "problems", "next"}
    assert told["latency"]["queue_seconds"] == 300.0
    assert told["cost"]["reported_usd"] == 0.4
    assert len(told["events"]) == len(COMPLETE)


def test_a_person_agrees_or_not(home, qhybrid):
    code, out, _ = qhybrid("jobs", "approve", WAITS, "--by", "grace", home=home)
    assert code == 0
    assert f"{WAITS} is APPROVED on local:auto. Next: " in out
    assert jobs_of(home)[WAITS].approved_by == "grace"
    code, _, err = qhybrid("jobs", "decline", WAITS, "--reason", "too late", home=home)
    assert code == 2
    assert f"job {WAITS} is APPROVED and cannot be declined" in err


def test_no_says_who_and_why(home, qhybrid):
    code, out, _ = qhybrid("jobs", "decline", WAITS, "--reason", "not this month", "--by", "grace", "--json", home=home)
    assert (code, json.loads(out)["state"]) == (0, "REJECTED")
    assert jobs_of(home)[WAITS].error == "declined by grace: not this month"


def test_what_a_person_found_at_the_provider(home, qhybrid):
    code, out, _ = qhybrid("jobs", "resolve", DOUBT, "--provider-job-id", "vendor-7", "--json", home=home)
    assert (code, json.loads(out)["state"]) == (0, "SUBMITTED")
    assert jobs_of(home)[DOUBT].provider_job_id == "vendor-7"


def test_what_a_person_did_not_find_is_tried_again(home, qhybrid):
    code, out, _ = qhybrid("jobs", "resolve", DOUBT, "--not-there", "--json", home=home)
    assert (code, json.loads(out)["state"]) == (0, "APPROVED")


def test_what_was_never_sent_is_cancelled_without_asking_anybody(home, qhybrid):
    code, out, _ = qhybrid("jobs", "cancel", WAITS, "--json", home=home)
    assert (code, json.loads(out)["state"]) == (0, "CANCELLED")


def test_a_request_that_came_too_late_says_so(home, qhybrid):
    code, out, _ = qhybrid("jobs", "cancel", DONE, home=home)
    assert code == 0
    assert out.startswith(f"It was too late for that. {DONE} is VERIFIED")


def test_a_request_about_a_job_in_doubt_is_noted_and_says_so(home, qhybrid):
    code, out, _ = qhybrid("jobs", "cancel", DOUBT, home=home)
    assert code == 0
    assert out.startswith("That is in the ledger, and counts as soon as it is known whether the provider has the job. ")
    assert "Its cancellation counts as soon as `qhybrid jobs resolve` has said" in " ".join(
        qhybrid("jobs", "show", DOUBT, home=home)[1].split()
    )
    code, out, _ = qhybrid("jobs", "resolve", DOUBT, "--not-there", "--json", home=home)
    assert (code, json.loads(out)["state"]) == (0, "CANCELLED")


def test_a_job_that_waits_changes_its_place(home, qhybrid):
    qhybrid("jobs", "resolve", DOUBT, "--not-there", home=home)
    code, out, _ = qhybrid("jobs", "reprioritise", DOUBT, "7", "--json", home=home)
    assert (code, json.loads(out)["priority"]) == (0, 7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", LOST[:-1] + "x"), f"Did you mean {LOST}"),
        (("show", LOST[:6]), f"Did you mean {LOST}?"),
        (("show", "x" * 5000), "`qhybrid jobs list` shows those it has."),
        (("show", "'; DROP TABLE job; --"), "`qhybrid jobs list` shows those it has."),
        (("cancel", "nope"), "the ledger has no job 'nope'"),
        (("replay", "nope"), "the ledger has no job 'nope'"),
        (("list", "--state", "VERIFID"), "Use VERIFIED."),
        (("list", "--backend", "local:atuo"), "there is no backend 'local:atuo'. Did you mean local:auto"),
        (("list", "--backend", "nosuch"), ", ibm:fake_"),
        (("list", "--experiment", "nosuch"), "there is no experiment 'nosuch'. `qhybrid experiments` lists them."),
        (("approve", DONE), f"job {DONE} is VERIFIED and cannot be approved"),
        (("approve", WAITS, "--by", " "), "Say who decides"),
        (("decline", WAITS, "--reason", " "), "Give one with --reason TEXT"),
        (("resolve", DOUBT), "Give one of --provider-job-id ID, --not-there and --pay-own"),
        (("resolve", DOUBT, "--not-there", "--provider-job-id", "x"), "Give one of"),
        (("resolve", DONE, "--not-there"), f"job {DONE} is VERIFIED and cannot be resolved"),
        (("reprioritise", DONE, "7"), f"job {DONE} is VERIFIED and cannot be given another priority"),
        (("reroute", LOST, "ionq:simulato"), "Use ionq:simulator."),
    ],
)
def test_what_is_not_possible_is_said_in_one_sentence(home, qhybrid, arguments, words):
    before = jobs_of(home)
    code, out, err = qhybrid("jobs", *arguments, home=home)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err
    code, out, err = qhybrid("jobs", *arguments, "--json", home=home)
    assert (code, err) == (2, "")
    assert json.loads(out)["remedy"]
    assert jobs_of(home) == before


@pytest.mark.parametrize("arguments", [("reroute", LOST, "local:auto"), ("retry", LOST), ("replay", DONE)])
def test_without_the_circuits_nothing_is_sent_again(home, qhybrid, arguments):
    code, out, err = qhybrid("jobs", *arguments, home=home)
    assert (code, out) == (3, "")
    assert "asset 'circuit_batches' has no table" in err


@pytest.mark.parametrize("arguments", [("reprioritise", WAITS, "high"), ("reprioritise", WAITS), ("decline", WAITS)])
def test_misuse_is_the_parsers_to_say(home, qhybrid, arguments):
    code, _, err = qhybrid("jobs", *arguments, home=home)
    assert code == 2
    assert "Traceback" not in err


def test_figures_for_prometheus(home, qhybrid):
    code, out, _ = qhybrid("metrics", home=home)
    assert code == 0
    assert 'qhybrid_jobs{backend="ionq:simulator",state="FAILED"} 1.0' in out
    code, out, _ = qhybrid("metrics", "--json", home=home)
    assert {"name": "qhybrid_spooled_records", "labels": {}, "value": 0.0} in json.loads(out)


def test_the_doctor_names_what_waits_for_a_person(home, qhybrid):
    code, out, _ = qhybrid("doctor", "--json", home=home)
    rows = {row["check"]: row for row in json.loads(out)}
    assert code == 3
    assert not rows["jobs in doubt"]["ok"]
    assert DOUBT in rows["jobs in doubt"]["finding"]
    assert "qhybrid jobs approve" in rows["jobs that wait for approval"]["finding"]
    assert LOST in rows["paid and not collected"]["finding"]
    assert {name for name, row in rows.items() if not row["ok"]} == {
        "jobs in doubt",
        "jobs that wait for approval",
        "paid and not collected",
    }
