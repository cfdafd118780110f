"""The whole table of the life cycle, read as a graph."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import (
    ENDED_WITHOUT_RESULT,
    EVENT_NAMES,
    OPEN,
    SETTLED,
    TERMINAL,
    TRANSITIONS,
    UNCANCELLED,
    Event,
    is_settled,
    next_state,
)
from qhybrid_pipelines.control.ledger.lifecycle_tables import event_table, mermaid, state_table, stuck_table
from qhybrid_pipelines.core.errors import IllegalTransition
from qhybrid_pipelines.core.jobs.job_states import JobState

S = JobState


def reachable(start: JobState | None) -> set[JobState | None]:
    seen, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        following = {after for (before, _), after in TRANSITIONS.items() if before is here} - seen
        seen |= following
        waiting += following
    return seen


def test_the_terminal_states_are_these_and_have_no_exit() -> None:
    assert {S.VERIFIED, S.REJECTED, S.FAILED, S.CANCELLED, S.EXPIRED, S.REROUTED} == TERMINAL
    only_noted = {(S.EXPIRED, Event.ARRIVE_LATE), (S.CANCELLED, Event.ARRIVE_LATE), (S.REROUTED, Event.REROUTE)}
    assert all(TRANSITIONS[state, event] is state for state, event in only_noted)
    assert TRANSITIONS[S.FAILED, Event.RECOVER] is S.COMPLETED, "a failure that turns out to be none"
    assert TRANSITIONS[S.REROUTED, Event.CANCEL] is S.CANCELLED, "work that goes nowhere after all"
    exits = {(S.FAILED, Event.RECOVER), (S.REROUTED, Event.CANCEL)}
    for state, event in set(itertools.product(TERMINAL, Event)) - only_noted - exits:
        with pytest.raises(IllegalTransition, match=f"{state} cannot {event}"):
            next_state(state, event)


def test_every_state_can_be_reached_and_from_every_state_an_end() -> None:
    assert reachable(None) == {None, *JobState}
    for state in JobState:
        assert reachable(state) & TERMINAL, state


def test_every_event_is_used_and_has_a_public_name() -> None:
    assert {event for _, event in TRANSITIONS} == set(Event) == set(EVENT_NAMES)
    assert all(name.startswith("Job") for name in EVENT_NAMES.values())
    assert {"JobSubmitted", "JobQueued", "JobStarted", "JobCompleted", "JobFailed"} <= set(EVENT_NAMES.values())


def test_the_table_is_total_every_other_step_is_illegal() -> None:
    for state, event in itertools.product((None, *JobState), Event):
        if (state, event) in TRANSITIONS:
            assert next_state(state, event) is TRANSITIONS[state, event]
        else:
            with pytest.raises(IllegalTransition):
                next_state(state, event)


def test_a_provider_is_called_only_after_an_intent_and_a_result_only_counts_when_it_was_stored() -> None:
    into = {
        state: {before for (before, _), after in TRANSITIONS.items() if after is state and before is not state}
        for state in JobState
    }
    assert into[S.SUBMITTING] == {S.APPROVED}
    assert into[S.SUBMITTED] == {S.SUBMITTING, S.SUBMIT_UNKNOWN}
    assert into[S.VERIFIED] == {S.FETCHED}
    assert into[S.FETCHED] == {S.COMPLETED}


def test_a_job_that_a_provider_may_hold_moves_or_expires_only_by_way_of_cancelling() -> None:
    may_hold = {S.SUBMITTING, S.SUBMIT_UNKNOWN, S.SUBMITTED, S.QUEUED, S.RUNNING}
    for (before, _), after in TRANSITIONS.items():
        if after in (S.REROUTED, S.EXPIRED):
            assert before not in may_hold


def test_a_job_is_sent_again_only_when_it_is_known_not_to_have_been_accepted() -> None:
    back = {(before, event) for (before, event), after in TRANSITIONS.items() if after is S.APPROVED}
    assert back == {
        (S.PLANNED, Event.APPROVE),
        (S.AWAITING_APPROVAL, Event.APPROVE),
        (S.APPROVED, Event.REPRIORITISE),
        (S.APPROVED, Event.INTEND_CANCEL),
        (S.SUBMITTING, Event.RETRY_LATER),
        (S.SUBMITTING, Event.CONFIRM_ABSENT),
        (S.SUBMIT_UNKNOWN, Event.CONFIRM_ABSENT),
    }


def test_a_late_result_changes_no_state() -> None:
    assert all(after is before for (before, event), after in TRANSITIONS.items() if event is Event.ARRIVE_LATE)


def test_open_jobs_can_still_change_at_the_provider() -> None:
    assert not OPEN & TERMINAL
    assert S.SUBMIT_UNKNOWN not in OPEN
    assert TERMINAL - {S.VERIFIED} == ENDED_WITHOUT_RESULT


def test_the_diagram_shows_every_step_once() -> None:
    lines = mermaid().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert "    [*] --> PLANNED: plan" in lines
    assert "    SUBMITTING --> SUBMITTED: acknowledge" in lines
    assert "    VERIFIED --> [*]" in lines
    assert len(lines) == len(set(lines)) == 1 + len(TRANSITIONS) + len(TERMINAL)


def test_nobody_waits_for_a_job_that_has_a_result_or_will_have_none() -> None:
    waiting = {S.PLANNED, S.AWAITING_APPROVAL, S.APPROVED, S.SUBMITTING, S.SUBMIT_UNKNOWN}
    assert set(JobState) - waiting - OPEN == SETTLED
    assert {state for state in JobState if is_settled(SimpleNamespace(state=state))} == SETTLED
    assert {S.SUBMITTED, S.QUEUED, S.RUNNING} == UNCANCELLED


@pytest.mark.parametrize(
    ("page", "text"),
    [("architecture", mermaid), ("architecture", state_table), ("runbook", stuck_table), ("architecture", event_table)],
)
def test_the_page_shows_every_state_step_and_name_as_the_code_has_them(page: str, text) -> None:
    """The page is the independent copy: analysts have the names of events in their queries."""
    assert text().strip() in Path(__file__).parents[4].joinpath(f"docs/{page}.md").read_text("utf-8")
