"""The life of a job as the documentation shows it: a diagram and three tables, made from `control.ledger.lifecycle`."""

from __future__ import annotations

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, TERMINAL, TRANSITIONS, Event
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.vocabulary.enum_docs import MEANING, markdown_table


def mermaid() -> str:
    """Return the table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {before or '[*]'} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()]
    lines += [f"    {state} --> [*]" for state in JobState if state in TERMINAL]
    return "\n".join(lines) + "\n"


def state_table() -> str:
    """Return the states as a Markdown table, for the documentation."""
    return markdown_table(
        JobState, "State", {MEANING: "What it means", "By": "Moved on by", "Next": "What happens next"}
    )


def stuck_table() -> str:
    """Return what to do about a job that does not leave its state as a Markdown table, for the documentation."""
    return markdown_table(JobState, "State", {"If it stays": "If it stays"})


def event_table() -> str:
    """Return the events as a Markdown table, for the documentation."""
    labels = {MEANING: "What it means", "By": "Recorded by", "Next": "What happens next"}
    return markdown_table(Event, "Event", labels, more=("In tables and logs", lambda value: EVENT_NAMES[Event(value)]))
