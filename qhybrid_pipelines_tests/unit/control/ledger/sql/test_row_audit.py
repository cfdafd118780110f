"""Rows against the events that say what they are: every difference is one sentence, and nothing else is said."""

from __future__ import annotations

import json

import pytest

from qhybrid_pipelines.control.ledger.sql.row_audit import BudgetSum, JobRows, compare_budget, compare_job, rebuild

JOB = {"job_id": "j", "experiment": "e", "cost_quoted_microusd": 5, "cost_settled_microusd": None}


def event(sequence: int, facts, *, state="PLANNED", at=100):
    stored = facts if isinstance(facts, str | None) else json.dumps(facts)
    return {
        "position": 10 + sequence,
        "sequence": sequence,
        "to_state": state,
        "observed_at_us": at,
        "facts": stored,
    }


PLANNED = event(1, {"job": JOB, "attempt": {"number": 1, "token": "t"}, "budget": {"limit_microusd": 7}})


def test_rows_are_what_the_events_say_together() -> None:
    result = {"sha256": "s", "size_bytes": 3}
    said = rebuild(
        "j",
        [
            PLANNED,
            event(2, None, state="APPROVED", at=200),
            event(3, {"job": {"engine": "x"}, "attempt": {"number": 2, "token": "u"}}, state="SUBMITTING", at=300),
            event(4, {"attempt": {"number": 2, "outcome": "open"}, "result": result}, state="FETCHED", at=400),
            event(5, "", state="VERIFIED", at=500),
        ],
    )
    assert said.job == JOB | {"engine": "x", "state": "VERIFIED", "version": 5, "updated_at_us": 500}
    assert said.attempts == {
        1: {"job_id": "j", "number": 1, "token": "t"},
        2: {"job_id": "j", "number": 2, "token": "u", "outcome": "open"},
    }
    assert said.result == {"job_id": "j", "stored_at_us": 400, "sha256": "s", "size_bytes": 3}
    assert (said.job_id, said.budget_limit_microusd) == ("j", 7)


def test_an_older_ledger_that_was_sealed_as_it_stood_names_all_attempts() -> None:
    said = rebuild("j", [event(1, {"job": JOB, "attempts": [{"number": 1}, {"number": 2}], "attempt": {"number": 3}})])
    assert sorted(said.attempts) == [1, 2, 3]
    assert said.result is None
    assert said.budget_limit_microusd is None


def test_events_that_do_not_say_what_was_planned_make_no_job() -> None:
    assert rebuild("j", []).job is None
    assert rebuild("j", [event(1, {"job": {"engine": "x"}})]).job is None


@pytest.mark.parametrize("facts", ["[]", "{", "3", '{"attempt": {}}', '{"attempts": [{}]}', '{"attempts": 3}', "\x00"])
def test_facts_that_no_ledger_writes_are_named_by_their_event(facts) -> None:
    with pytest.raises(ValueError, match=r"^event 12 seals something that the ledger never writes$"):
        rebuild("j", [PLANNED, event(2, facts)])
    with pytest.raises(ValueError, match="event 11 seals"):
        rebuild("j", [PLANNED | {"facts": 3}])


def job_rows(job=None, *, attempts=None, result=None) -> JobRows:
    return JobRows(job_id="j", job=job, attempts=attempts or {}, result=result)


@pytest.mark.parametrize(
    ("said", "found", "has_events", "sentences"),
    [
        (job_rows(JOB), job_rows(dict(JOB)), True, []),
        (job_rows(JOB), job_rows(), True, ["job j is not among the jobs, and the ledger has its events"]),
        (job_rows(), job_rows(), False, ["job j is not among the jobs, and it has no event"]),
        (job_rows(), job_rows(JOB), False, ["job j has no event at all"]),
        (job_rows(), job_rows(JOB), True, ["job j has events that do not say what it was planned as"]),
        (
            job_rows(JOB),
            job_rows(JOB | {"experiment": "f", "more": 1}),
            True,
            ["job j: experiment is 'f', and its events say 'e'", "job j: more is 1, and its events say None"],
        ),
        (
            job_rows({"job_id": "j", "n": 5}),
            job_rows({"job_id": "j", "n": 5.0}),
            True,
            ["job j: n is 5.0, and its events say 5"],
        ),
        (
            job_rows(JOB, attempts={1: {"token": "t"}, 3: {"token": "v"}}),
            job_rows(JOB, attempts={1: {"token": "x"}, 2: {"token": "u"}}),
            True,
            [
                "attempt 1 of job j: token is 'x', and its events say 't'",
                "attempt 2 of job j is in the ledger, and no event says so",
                "attempt 3 of job j is not in the ledger, and its events say that it was",
            ],
        ),
        (
            job_rows(JOB),
            job_rows(JOB, result={"sha256": "s"}),
            True,
            ["the stored result of job j is in the ledger, and no event says so"],
        ),
        (
            job_rows(JOB, result={"sha256": "s"}),
            job_rows(JOB, result={"sha256": "r"}),
            True,
            ["the stored result of job j: sha256 is 'r', and its events say 's'"],
        ),
    ],
)
def test_each_difference_is_one_sentence(said, found, has_events, sentences) -> None:
    assert list(compare_job(said, found, has_events=has_events)) == sentences


def with_limit(limit, **job) -> JobRows:
    return JobRows(job_id="j", job=JOB | job, budget_limit_microusd=limit)


def test_quotes_count_until_a_job_is_charged() -> None:
    total = BudgetSum()
    for rows in (
        with_limit(7),
        with_limit(7, cost_quoted_microusd=3),
        with_limit(None, cost_settled_microusd=2),
        with_limit(7, cost_settled_microusd=0),
        with_limit(7, cost_quoted_microusd=None),
        JobRows(job_id="gone"),
    ):
        total.add(rows)
    assert total == BudgetSum(limits={7}, reserved_microusd=8, settled_microusd=2)


BUDGET = "the budget of experiment 'e'"


@pytest.mark.parametrize(
    ("said", "found", "sentences"),
    [
        (BudgetSum({7}, 5, 2), (7, 5, 2), []),
        (BudgetSum({7}, 5, 2), (8, 5, 2), [f"{BUDGET}: limit_microusd is 8, and its events say 7"]),
        (BudgetSum({7}, 5, 2), (7, 6, 2), [f"{BUDGET}: reserved_microusd is 6, and its events say 5"]),
        (BudgetSum({7}, 5, 2), (7, 5, 3), [f"{BUDGET}: settled_microusd is 3, and its events say 2"]),
        (BudgetSum({7}, 5, 2), None, [f"{BUDGET} is not in the ledger, and its events say that it was"]),
        (BudgetSum(), (7, 0, 0), [f"{BUDGET} is in the ledger, and no event says so"]),
        (BudgetSum(), None, []),
        (BudgetSum({9, 7}), None, [f"{BUDGET} was sealed with several limits: [7, 9] micro-dollars"]),
    ],
)
def test_a_budget_is_what_its_jobs_say(said, found, sentences) -> None:
    names = ("limit_microusd", "reserved_microusd", "settled_microusd")
    row = None if found is None else {"experiment": "e", **dict(zip(names, found, strict=True))}
    assert list(compare_budget("e", said, row)) == sentences
