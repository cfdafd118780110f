"""What the chapters of all kinds of experiment have alike: their frame, money and time, and how to do it again."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from qhybrid_pipelines.reports.blocks import Chapter, CodeBlock, Section, Verdict, facts_table, records_table
from qhybrid_pipelines.reports.content import ExperimentContent
from qhybrid_pipelines.reports.figures.waterfall import waterfall
from qhybrid_pipelines.reports.words import count, show_seconds, show_usd

MAX_JOB_ROWS = 60


def build_chapter(
    content: ExperimentContent, *, question: str, verdicts: Iterable[Verdict], sections: Iterable[Section | None]
) -> Chapter:
    """Return the chapter of an experiment.

    Args:
        content: what is known of it.
        question: that it answers.
        verdicts: one says that there is none yet where these are empty.
        sections: None for those without content, which are left out.
    """
    return Chapter(
        name=content.key,
        heading=content.name,
        subtitle=f"`{content.key}`, registered {content.registered_at:%Y-%m-%d %H:%M} UTC",
        question=question,
        verdicts=tuple(verdicts)
        or (Verdict(place="", word="not decided", tone="open", sentence="There is no verdict yet."),),
        progress=content.progress.sentences,
        failed=content.progress.failed,
        sections=tuple(section for section in (*sections, removed_artefacts(content)) if section is not None),
    )


def removed_artefacts(content: ExperimentContent) -> Section | None:
    """Return what is not there any more, when it went and by which rule; None where everything is."""
    if not content.removed:
        return None
    listed = content.removed[:MAX_JOB_ROWS]
    more = (
        f" The first {len(listed)} of {len(content.removed)} are listed." if len(listed) < len(content.removed) else ""
    )
    return Section(
        name="removed",
        heading="What was removed",
        paragraphs=(
            f"The policy keeps artefacts for a time. The verdict stands; what it was computed from is not all there any more.{more}",
            *(f"{sentence[0].upper()}{sentence[1:]}." for sentence in listed),
        ),
    )


def money_and_time(content: ExperimentContent) -> Section | None:
    """Return what the jobs cost and where their time went; None where there is no job."""
    if not content.jobs:
        return None
    records = []
    for job in content.jobs[:MAX_JOB_ROWS]:
        spent: dict[str, float] = {}
        for name, seconds, _ in job.stretches:
            spent[name] = spent.get(name, 0.0) + seconds
        records.append(
            {
                "job_id": job.row["job_id"],
                "backend": job.row["backend"],
                "state": job.row["state"],
                "shots": job.row["shots"],
                "quoted_usd": show_usd(job.cost["quoted_usd"]),
                "reported_usd": show_usd(job.cost["reported_usd"]),
                "reconciled_usd": show_usd(job.cost["reconciled_usd"]),
                "queue": show_seconds(spent.get("queue")),
                "execute": show_seconds(spent.get("execute")),
                "total": show_seconds(sum(spent.values()) if spent else None),
            }
        )
    columns = (
        ("job_id", "Job"),
        ("backend", "Backend"),
        ("state", "State"),
        ("shots", "Shots"),
        ("quoted_usd", "Quoted"),
        ("reported_usd", "Reported"),
        ("reconciled_usd", "Charged"),
        ("queue", "Queue"),
        ("execute", "Execution"),
        ("total", "In all"),
    )
    charged = sum(job.cost["reconciled_usd"] or 0.0 for job in content.jobs)
    ended = sum(job.cost["reconciled_usd"] is not None for job in content.jobs)
    facts = facts_table(
        "costs",
        "Costs of the experiment",
        [
            ("budget_usd", "Budget", show_usd(content.budget_usd)),
            ("quoted_usd", "Quoted before, at most", show_usd(sum(job.cost["quoted_usd"] for job in content.jobs))),
            ("reconciled_usd", "Charged to the budget", show_usd(charged)),
            ("left_usd", "Left of the budget", show_usd(content.budget_usd - charged)),
            ("shots", "Shots", sum(job.row["shots"] for job in content.jobs)),
        ],
    )
    picture = waterfall(content.jobs)
    more = (
        f" The first {MAX_JOB_ROWS} of {count(len(content.jobs), 'job')} are listed."
        if len(content.jobs) > MAX_JOB_ROWS
        else ""
    )
    return Section(
        name="costs",
        heading="What it cost, and where the time went",
        paragraphs=(
            f"{ended} of {count(len(content.jobs), 'job')} ended. Backends of this machine cost nothing.{more}",
        ),
        drawings=() if picture is None else (picture,),
        tables=(facts, records_table("jobs", "Jobs", columns, records)),
    )


def how_to_reproduce(content: ExperimentContent) -> Section:
    """Return the specification and the commands that do all of it again."""
    text = yaml.safe_dump(dict(content.specification), sort_keys=False, allow_unicode=True)
    verified = [job.row["job_id"] for job in content.jobs if job.row["state"] == "VERIFIED"]
    commands = [
        f"qhybrid run {content.key}",
        f"qhybrid report {content.key}",
        *(f"qhybrid jobs replay {job_id}" for job_id in verified[:1]),
    ]
    return Section(
        name="reproduce",
        heading="How to reproduce it",
        paragraphs=(
            (
                "The key is a hash of the specification, and every random choice descends from its seed: the same specification "
                "on the same engine gives the same counts. Where it is registered already, nothing runs twice; in another home, register "
                "this specification, with the file that it names by its hash if it names one."
            ),
        ),
        codes=(
            CodeBlock(name="commands", caption="Commands", text="\n".join(commands)),
            CodeBlock(name="specification", caption="Specification", text=text.rstrip()),
        ),
    )
