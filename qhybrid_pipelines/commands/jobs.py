"""``qhybrid jobs``: what jobs there are, the life of one, and everything that a person may do about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.commands.common import (
    AsJson,
    Home,
    JobId,
    close_matches,
    echo,
    existing_workspace,
    explain_illegal_transition,
    find_job,
    match_experiment,
)
from qhybrid_pipelines.core.errors import InvalidInput, JobFailed

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import JobRecord
    from qhybrid_pipelines.core.jobs.job_states import JobState
    from qhybrid_pipelines.steps.workspace import Workspace

app = typer.Typer(
    name="jobs", help="Jobs in the ledger: list them, show one, and decide what becomes of it.", no_args_is_help=True
)

ByOption = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who decides; else QHYBRID_PRINCIPAL, else the user of this system."),
]
LIST_COLUMNS = ("job_id", "experiment", "backend", "state", "age", "cost_usd")
WIDE_COLUMNS = (*LIST_COLUMNS[:-1], "tier", "priority", "circuits", "shots", "cost_quoted_usd", "cost_usd", "error")
#: Columns in the order in which they give way where the terminal is too narrow.
DROPPED_FIRST = ("tier", "priority", "circuits", "cost_quoted_usd", "shots", "backend", "cost_usd", "age")
LIST_LIMIT = 100
STATE_STYLES = {
    "VERIFIED": "green",
    "FAILED": "red",
    "REJECTED": "red",
    "EXPIRED": "red",
    "SUBMIT_UNKNOWN": "bold red",
    "AWAITING_APPROVAL": "bold yellow",
}


@app.command("list")
def list_jobs(
    home: Home = None,
    as_json: AsJson = False,
    experiment: Annotated[
        str | None, typer.Option(help="Only jobs of this experiment; the beginning of its key is enough.")
    ] = None,
    state: Annotated[list[str] | None, typer.Option(help="Only jobs in this state; may be given again.")] = None,
    backend: Annotated[str | None, typer.Option(help="Only jobs on this backend, or of this provider.")] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only jobs that have not ended.")] = False,
    canaries: Annotated[bool, typer.Option("--canaries", help="Also those that prove the bit order.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Show more of each job.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many jobs, the newest first.")] = LIST_LIMIT,
) -> None:
    """List the jobs of the ledger, the newest first."""
    from qhybrid_pipelines.commands.job_page import duration
    from qhybrid_pipelines.control.ledger.lifecycle import TERMINAL
    from qhybrid_pipelines.control.reporting.ledger_tables import job_row
    from qhybrid_pipelines.core.jobs.job_states import JobState
    from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    states = [_parse_state(name) for name in state] if state else None
    workspace = existing_workspace(home, reading=True)
    experiment = _check_filters(workspace, experiment, backend)
    if only_open:
        states = [one for one in states or list(JobState) if one not in TERMINAL]
    ledger, without = workspace.control_plane.ledger, None if canaries or experiment else CANARY_EXPERIMENT
    if as_json:
        jobs = [
            job
            for job in ledger.jobs(experiment=experiment, states=states)
            if job.experiment != without and (backend is None or backend in (job.backend, job.provider))
        ]
        print_json([job_row(job) for job in jobs])
        return
    now = datetime.now(UTC)
    newest, number = ledger.newest_jobs(
        limit=limit, experiment=experiment, states=states, place=backend, without=without
    )
    columns = WIDE_COLUMNS if wide else LIST_COLUMNS
    rows = [
        {
            "age": duration((now - job.created_at).total_seconds()),
            **{name: getattr(job, name) for name in columns if name != "age"},
        }
        for job in newest
    ]
    print_table(rows, columns, in_words=True, styles={"state": STATE_STYLES}, given_up=DROPPED_FIRST)
    if len(newest) < number:
        echo(f"{len(newest)} of {number} jobs; --limit shows more", err=True)


def _check_filters(workspace: Workspace, experiment: str | None, backend: str | None) -> str | None:
    """Return the key of the experiment that is meant.

    Raises:
        InvalidInput: nothing has such a name; an empty list must not stand for a mistyped one.
    """
    ledger = workspace.control_plane.ledger
    if experiment is not None and ledger.account(experiment) is None:  # whatever has a job has a budget
        found = match_experiment(workspace, experiment)
        _check_known(
            "experiment", found or experiment, set(workspace.specifications), listed="`qhybrid experiments` lists them."
        )
        experiment = found
    if backend is not None:
        backends = {*workspace.control_plane.backends, *ledger.backends_used()}
        known = backends | {name.partition(":")[0] for name in backends}
        _check_known("backend", backend, known, listed=f"There are {', '.join(sorted(backends))}.")
    return experiment


def _check_known(what: str, name: str, known: set[str], *, listed: str) -> None:
    if name in known:
        return
    close = close_matches(name, sorted(known))
    raise InvalidInput(
        f"there is no {what} {name[:80]!r}",
        remedy=f"Did you mean {' or '.join(close)}? {listed}" if close else listed,
        field=f"--{what}",
    )


@app.command()
def show(job_id: JobId, home: Home = None, as_json: AsJson = False) -> None:
    """Show the life of one job on one screen: who, what, when, how long, how much, and what to do next."""
    from qhybrid_pipelines.commands.job_page import job_page
    from qhybrid_pipelines.control.reporting.ledger_tables import cost_row, event_row, job_row, latency_row
    from qhybrid_pipelines.control.reporting.next_steps import next_steps
    from qhybrid_pipelines.steps.on_demand.job_problems import job_problems
    from qhybrid_pipelines.terminal import print_json

    workspace = existing_workspace(home, reading=True)
    ledger, job, now = workspace.control_plane.ledger, find_job(workspace, job_id), datetime.now(UTC)
    events, account = ledger.events(job.job_id), ledger.account(job.experiment)
    problems = job_problems(job, workspace.specifications, workspace.lake, workspace.control_plane)
    if not as_json:
        echo(job_page(job, events, account, now=now, problems=problems))
        return
    print_json(
        {
            "job": job_row(job),
            "events": [event_row(event) for event in events],
            "latency": latency_row(job, events),
            "cost": cost_row(job, account),
            "problems": list(problems),
            "next": next_steps(job, now),
        }
    )


@app.command()
def cancel(job_id: JobId, home: Home = None, as_json: AsJson = False) -> None:
    """Cancel a job; where its provider has already finished it, the result counts."""
    workspace = existing_workspace(home)
    job = find_job(workspace, job_id)
    with explain_illegal_transition(job, "cancelled"):
        _print_job(workspace.control_plane.dispatcher.decisions.cancel(job.job_id), before=job, as_json=as_json)


@app.command()
def approve(job_id: JobId, by: ByOption = None, home: Home = None, as_json: AsJson = False) -> None:
    """Approve a job that waits for approval; the next run of its experiment submits it."""
    workspace = existing_workspace(home)
    job = find_job(workspace, job_id)
    with explain_illegal_transition(job, "approved"):
        _print_job(
            workspace.control_plane.dispatcher.decisions.approve(job.job_id, by=_decider(workspace, by)),
            as_json=as_json,
        )


@app.command()
def decline(
    job_id: JobId,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; stored with the job.")],
    by: ByOption = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Decline a job that waits for approval."""
    workspace = existing_workspace(home)
    job = find_job(workspace, job_id)
    if not reason.strip():
        raise InvalidInput("a refusal needs a reason", remedy="Give one with --reason TEXT.", field="--reason")
    with explain_illegal_transition(job, "declined"):
        _print_job(
            workspace.control_plane.dispatcher.decisions.decline(job.job_id, by=_decider(workspace, by), reason=reason),
            as_json=as_json,
        )


@app.command()
def resolve(
    job_id: JobId,
    provider_job_id: Annotated[
        str | None, typer.Option("--provider-job-id", metavar="ID", help="The provider has it, under this id.")
    ] = None,
    not_there: Annotated[
        bool, typer.Option("--not-there", help="The provider does not have it; the next run tries once more.")
    ] = False,
    pay_own: Annotated[
        bool, typer.Option("--pay-own", help="Another home has sent it; the next run sends and pays one of our own.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Settle a job in SUBMIT_UNKNOWN, or decide whether to adopt what another home has sent."""
    if [bool(provider_job_id), not_there, pay_own].count(True) != 1:
        raise InvalidInput(
            "exactly one answer is needed",
            remedy="Give one of --provider-job-id ID, --not-there and --pay-own.",
            field="--not-there",
        )
    workspace = existing_workspace(home)
    job = find_job(workspace, job_id)
    with explain_illegal_transition(job, "resolved"):
        _print_job(
            workspace.control_plane.dispatcher.decisions.resolve(job.job_id, provider_job_id, pay_own=pay_own),
            as_json=as_json,
        )


@app.command()
def reroute(
    job_id: JobId,
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help="Backend to move it to, as provider:backend.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Move a job to another backend; refused while its provider may still run it."""
    from qhybrid_pipelines.steps.on_demand.reroutes import reroute as reroute_job

    workspace = existing_workspace(home)
    job = find_job(workspace, job_id)
    if backend not in workspace.control_plane.backends:
        close = close_matches(backend, list(workspace.control_plane.backends)) or list(workspace.control_plane.backends)
        raise InvalidInput(f"there is no backend '{backend}'", remedy=f"Use {' or '.join(close)}.", field="BACKEND")
    with explain_illegal_transition(job, "rerouted"):
        _print_job(
            reroute_job(job, backend, workspace.control_plane.dispatcher, workspace.lake, workspace.specifications),
            before=job,
            as_json=as_json,
        )


@app.command()
def fetch(job_id: JobId, home: Home = None, as_json: AsJson = False) -> None:
    """Fetch a job's result again, at no cost; also where the result was refused, or the job was recorded as failed."""
    from qhybrid_pipelines.steps.on_demand.reroutes import fetch as fetch_job

    workspace = existing_workspace(home)
    job = find_job(workspace, job_id)
    with explain_illegal_transition(job, "fetched"):
        _print_job(
            fetch_job(job, workspace.control_plane.dispatcher, workspace.lake, workspace.specifications),
            as_json=as_json,
        )


@app.command()
def retry(job_id: JobId, home: Home = None, as_json: AsJson = False) -> None:
    """Run the work of a job that ended without a result again, as a new job that has to be paid for."""
    from qhybrid_pipelines.steps.on_demand.reroutes import retry as retry_job

    workspace = existing_workspace(home)
    job = find_job(workspace, job_id)
    with explain_illegal_transition(job, "run again"):
        _print_job(
            retry_job(job, workspace.control_plane.dispatcher, workspace.lake, workspace.specifications),
            as_json=as_json,
        )


@app.command()
def reprioritise(
    job_id: JobId,
    priority: Annotated[int, typer.Argument(metavar="N", help="0 is normal, higher goes first.", min=-1000, max=1000)],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Change the order in which jobs that are not submitted yet are sent."""
    workspace = existing_workspace(home)
    job = find_job(workspace, job_id)
    with explain_illegal_transition(job, "given another priority"):
        _print_job(workspace.control_plane.dispatcher.decisions.reprioritise(job.job_id, priority), as_json=as_json)


@app.command()
def replay(job_id: JobId, home: Home = None, as_json: AsJson = False) -> None:
    """Decode the stored result again and compare it with the stored counts; no provider is asked. Exit code 3 if they differ."""
    from qhybrid_pipelines.steps.on_demand.replays import replay as replay_job
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    workspace = existing_workspace(home, reading=True)
    job, dispatcher = find_job(workspace, job_id), workspace.control_plane.dispatcher
    found = replay_job(job, dispatcher, workspace.lake, workspace.specifications)
    if as_json:
        print_json(found.details())
    else:
        echo(found.sentence)
        if found.points and not found.equal:
            print_table(found.points)
    if not found.equal:
        raise typer.Exit(JobFailed.exit_code)


def _print_job(job: JobRecord, *, as_json: bool, before: JobRecord | None = None) -> None:
    """Print a job as it is after a command changed it; ``before`` is given where the change may have come too late."""
    from qhybrid_pipelines.control.reporting.ledger_tables import job_row
    from qhybrid_pipelines.control.reporting.next_steps import next_steps
    from qhybrid_pipelines.core.jobs.job_states import JobState
    from qhybrid_pipelines.terminal import print_json

    if as_json:
        print_json(job_row(job))
    else:
        said, under_way = "", (JobState.CANCELLING, JobState.CANCELLED)
        if before and job.state is JobState.SUBMIT_UNKNOWN:
            said = "That is in the ledger, and counts as soon as it is known whether the provider has the job. "
        elif before and (before.job_id, before.state) == (job.job_id, job.state) and job.state not in under_way:
            said = "It was too late for that. "
        echo(f"{said}{job.job_id} is {job.state} on {job.backend}. Next: {next_steps(job, datetime.now(UTC))}")


def _parse_state(name: str) -> JobState:
    from qhybrid_pipelines.core.jobs.job_states import JobState

    try:
        return JobState(name.upper())
    except ValueError:
        close = close_matches(name.upper(), list(JobState)) or list(JobState)
        raise InvalidInput(f"there is no state '{name}'", remedy=f"Use {', '.join(close)}.", field="--state") from None


def _decider(workspace: Workspace, name: str | None) -> str:
    """Return who decides."""
    if name is not None and not name.strip():
        raise InvalidInput("a decision needs a name", remedy="Say who decides: --by NAME.", field="--by")
    return name or workspace.control_plane.deployment.principal
