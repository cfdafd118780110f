"""A job's life fits on one screen, whatever happened to it, and says what a person needs at night."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.commands.job_page import dollars, duration, job_page
from qhybrid_pipelines.control.ledger.budget import Account
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.reporting.next_steps import next_steps
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.steps.on_demand.job_problems import explain_request
from qhybrid_pipelines_tests.support.job_histories import (
    COMPLETE,
    FAILED,
    UNKNOWN,
    WAITS_FOR_APPROVAL,
    noon_plus,
    write_job_history,
)
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger

LATER = noon_plus(400)


@pytest.fixture
def ledger():
    return MemoryLedger()


def render_page(ledger, job, now=LATER) -> str:
    return job_page(job, ledger.events(job.job_id), ledger.account(job.experiment), now=now)


def test_the_page_of_a_complete_job(ledger):
    job = write_job_history(ledger, "j0123456789abcdef", fields={"cost_usd": 0.4, "engine": "simulator"})
    page = render_page(ledger, job)
    lines = page.splitlines()
    assert lines[0] == "j0123456789abcdef  VERIFIED  on ionq:simulator"
    assert "ada in dev, data internal; trace " + job.correlation_id in page
    assert "quoted $0.50, reported $0.40, charged $0.40; budget $2.00, left $1.60" in " ".join(page.split())
    assert "05-01 12:05:00.300 vendor   JobStarted" in page
    waterfall = {line.split()[0]: line for line in lines if "█" in line or "▒" in line}
    assert "5 min 00 s" in waterfall["queue"]
    assert waterfall["queue"].count("▒") > 20 > waterfall["execute"].count("▒") >= 1
    assert "in all 5 min 21 s: █ application 11.0 s (3%), ▒ provider 5 min 10 s (97%)" in lines
    # Bars follow each other like stairs.
    begins = [waterfall[name].index(mark) for name, mark in (("network", "█"), ("queue", "▒"), ("fetch", "█"))]
    assert begins == sorted(begins)


def test_a_job_elsewhere_says_where_it_was_asked_for(ledger):
    job = write_job_history(ledger, "j1", requested_backend="ibm:fake_fez")
    assert render_page(ledger, job).startswith("j1  VERIFIED  on ionq:simulator\n")
    assert "asked for    ibm:fake_fez" in render_page(ledger, job)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (WAITS_FOR_APPROVAL, "`qhybrid jobs approve j1`"),
        (UNKNOWN, "`qhybrid jobs resolve j1 --provider-job-id ID` or `--not-there`"),
        (FAILED, "`qhybrid jobs retry j1`"),
        (COMPLETE[:5], "`qhybrid jobs reroute j1 BACKEND`"),
        (COMPLETE, "`qhybrid jobs replay j1`"),
    ],
)
def test_it_says_what_to_do_next(ledger, steps, words):
    assert words in " ".join(render_page(ledger, write_job_history(ledger, "j1", steps)).split())


def test_a_passed_deadline_and_a_refused_result_change_the_advice(ledger):
    late = write_job_history(ledger, "j1", COMPLETE[:5], deadline_at=noon_plus(60))
    assert "deadline has passed" in next_steps(late, LATER)
    assert "deadline" not in next_steps(late, noon_plus(30))


@pytest.mark.parametrize(
    ("said", "end"),
    [({"error": "Ran too long"}, "which is paid again."), ({"result_sha256": "0" * 64}, "which is paid again.")],
)
def test_advice_is_told_to_its_end(failed, said, end):
    job, events = failed
    problem = explain_request(job, Event.CANCEL, {"by": "grace"})
    account = Account(experiment="a", limit_usd=1.0)
    page = " ".join(job_page(replace(job, **said), events, account, now=LATER, problems=[problem]).split())
    assert page.endswith(end)
    assert f"`qhybrid jobs cancel {job.job_id}` asks now." in page


def test_there_is_advice_for_every_state(ledger):
    job = write_job_history(ledger, "j1")
    for state in JobState:
        assert "{" not in next_steps(replace(job, state=state), LATER)


@pytest.fixture(scope="module")
def failed():
    """A job that failed, and its events."""
    ledger = MemoryLedger()
    job = write_job_history(
        ledger, "j0123456789abcdef", FAILED, deadline_at=noon_plus(86400), requested_backend="ibm:some_backend"
    )
    return job, ledger.events(job.job_id)


@settings(deadline=None)
@given(
    more=st.integers(0, 40),
    said=st.builds(
        dict,
        error=st.none() | st.just("Ran too long") | st.text(max_size=3000),
        result_sha256=st.none() | st.just("0" * 64),
        experiment=st.text("abc-", min_size=1, max_size=120),
        price_source=st.text(max_size=400),
        principal=st.text("ab ", max_size=200),
        cost_quoted_usd=st.floats(0, 1e7),
        approved_by=st.none() | st.just("grace"),
        rerouted_to=st.none() | st.just("jfedcba9876543210"),
        engine=st.none() | st.just("an engine with a name"),
    ),
)
def test_it_always_fits_on_one_screen(failed, more, said):
    job, events = failed
    lived = [*events[:3], *([events[2]] * more), *events[3:]]
    account = Account(experiment="a", limit_usd=1e8)
    lines = job_page(replace(job, **said), lived, account, now=LATER).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (0.9996, "1.0 s"),
        (3.44, "3.4 s"),
        (99.96, "1 min 40 s"),
        (306, "5 min 06 s"),
        (7500, "2 h 05 min"),
        (277_200, "3 d 05 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_money():
    assert [dollars(usd) for usd in (None, 0.0, 0.5, 1234.5, 0.0004)] == [
        "-",
        "$0.00",
        "$0.50",
        "$1,234.50",
        "$0.000400",
    ]
