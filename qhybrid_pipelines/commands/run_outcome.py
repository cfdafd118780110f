"""What ``qhybrid run`` says at its end: verdicts, jobs that are still waiting, what failed, and what was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.commands.common import echo
from qhybrid_pipelines.core.errors import InvalidInput

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import JobRecord
    from qhybrid_pipelines.launch import StageFailure

#: Experiments that the command for the next step names; more would not be read.
MAX_COMPARED = 3


def print_outcome(
    rows: list[dict[str, Any]],
    lines: list[dict[str, Any]],
    learning_rows: list[dict[str, Any]],
    sampling_rows: list[dict[str, Any]],
    waiting: Sequence[JobRecord],
    *,
    charged: Mapping[str, float],
    problems: Sequence[str],
    failures: Sequence[StageFailure],
    refused: Sequence[InvalidInput],
    as_json: bool,
) -> None:
    """Print verdicts, jobs that are still waiting, failures and refused files.

    ``charged`` is US dollars by experiment.
    """
    from qhybrid_pipelines.steps.on_demand.run_table import totals
    from qhybrid_pipelines.terminal import (
        print_error,
        print_json,
        print_learning_verdicts,
        print_sampling_verdicts,
        print_verdicts,
    )

    if as_json:
        print_json(
            {
                "verdicts": rows,
                "learning": learning_rows,
                "sampling": sampling_rows,
                "waiting": [{"job_id": job.job_id, "backend": job.backend, "state": job.state} for job in waiting],
                "poll_problems": problems,
                "failures": [{"what": failure.what, "message": failure.message} for failure in failures],
                "refused": [error.details() for error in refused],
            }
        )
    else:
        if rows:
            keys = list(dict.fromkeys(row["experiment"] for row in rows))
            following = f"qhybrid {'compare' if len(keys) > 1 else 'answer'} {' '.join(keys[:MAX_COMPARED])}"
            print_verdicts(lines, f"{totals(lines)}. Next:\n{following}")
        if learning_rows:
            print_learning_verdicts(learning_rows, _summary(learning_rows, "verdict", charged))
        if sampling_rows:
            print_sampling_verdicts(sampling_rows, _summary(sampling_rows, "circuit", charged))
        if waiting:
            echo(waiting_message(waiting), err=True)
        for failure in failures:
            echo(f"failed: {failure.what}: {failure.message}", err=True)
        for error in refused:
            print_error(error, as_json=False)


def _summary(rows: Sequence[Mapping[str, Any]], what: str, charged: Mapping[str, float]) -> str:
    """Return how many lines there are, what their experiments were charged, and the command to go on with."""
    keys = list(dict.fromkeys(row["experiment"] for row in rows))
    usd = sum(charged.get(key, 0.0) for key in keys)
    return (
        f"{len(rows)} {what}{'' if len(rows) == 1 else 's'}: ${usd:,.2f}. Next:\n"
        f"qhybrid report {' '.join(keys[:MAX_COMPARED])}"
    )


def waiting_message(jobs: Sequence[JobRecord]) -> str:
    """Return what becomes of jobs that were left with their providers, or that wait for a person."""
    from qhybrid_pipelines.control.ledger.lifecycle import OPEN
    from qhybrid_pipelines.control.reporting.next_steps import next_steps

    lines = [
        f"waiting: {job.job_id} is {job.state} on {job.backend}. Next: {next_steps(job, datetime.now(UTC))}"
        for job in jobs
        if job.state not in OPEN
    ]
    left = len(jobs) - len(lines)
    if left:
        lines.append(
            f"waiting: {left} {'job is' if left == 1 else 'jobs are'} with the provider. The sensors of `make ui` collect "
            "what comes back, and so does this command, now with --wait or later without."
        )
    return "\n".join(lines)
