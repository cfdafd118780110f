"""What states, events and verdicts say of themselves agrees with the table of transitions."""

import re
from enum import StrEnum

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import TERMINAL, TRANSITIONS, Event
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.vocabulary.enum_docs import MEANING, markdown_table, read_member_docs
from qhybrid_pipelines.core.vocabulary.verdicts import DecisionKind, Verdict


class Traffic(StrEnum):
    RED = "red"
    """Wait, even if nobody
    comes.

    By: the light.

    Next: GREEN.
    """
    GREEN = "green"
    """Go."""


class Silent(StrEnum):
    RED = "red"
    GREEN = "green"
    """Go."""


def test_paragraphs_are_read_by_their_labels():
    assert read_member_docs(Traffic) == {
        "red": {MEANING: "Wait, even if nobody comes.", "By": "the light.", "Next": "GREEN."},
        "green": {MEANING: "Go."},
    }
    assert markdown_table(Traffic, "Light", {"Next": "Then"}, more=("Loud", str.upper)) == (
        "| Light | Loud | Then |\n| --- | --- | --- |\n| `red` | `RED` | GREEN. |\n"
    )


def test_a_member_without_a_docstring_is_named():
    with pytest.raises(ValueError, match=r"Silent\.RED"):
        read_member_docs(Silent)


@pytest.mark.parametrize("enum", [JobState, Event, Verdict, DecisionKind], ids=lambda e: e.__name__)
def test_every_member_says_what_it_means_by_whom_and_what_comes_next(enum):
    told = read_member_docs(enum)
    assert list(told) == [member.value for member in enum]
    assert all({MEANING, "By", "Next"} <= parts.keys() for parts in told.values())


def test_the_states_that_come_next_are_those_of_the_table():
    words = re.compile(rf"\b({'|'.join(JobState)})\b")
    for value, parts in read_member_docs(JobState).items():
        state = JobState(value)
        possible = {after for (before, _), after in TRANSITIONS.items() if before is state} - {state}
        assert set(words.findall(parts["Next"])) == possible, state
        assert ("If it stays" in parts) == (state not in TERMINAL), state


def test_the_events_that_come_next_are_possible():
    words = re.compile(rf"\b({'|'.join(Event.__members__)})\b")
    for value, parts in read_member_docs(Event).items():
        reached = {after for (_, event), after in TRANSITIONS.items() if event == value}
        possible = {event.name for (before, event) in TRANSITIONS if before in reached}
        assert set(words.findall(parts["Next"])) <= possible, value
