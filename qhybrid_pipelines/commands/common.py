"""What commands share: their common options, the home they work in, and the job that an id names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.commands.memory_limit import RUNNING, check_address_space
from qhybrid_pipelines.core.errors import IllegalTransition, InvalidInput
from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.settings import HOME_VARIABLE, Settings, prepare_home

if TYPE_CHECKING:
    from pathlib import Path

    from qhybrid_pipelines.control.ledger.port import JobRecord
    from qhybrid_pipelines.core.system.stop_request import StopRequested
    from qhybrid_pipelines.launch import Launcher
    from qhybrid_pipelines.steps.on_demand.estimate_preview import Preview
    from qhybrid_pipelines.steps.workspace import Workspace

Home = Annotated[
    str | None,
    typer.Option(
        "--home", metavar="DIR", help="Folder of all state; else QHYBRID_HOME, else ./data.", show_default=False
    ),
]
#: Stands for the experiment that was registered last.
LATEST = "latest"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="Our id of the job, as `qhybrid jobs list` shows it.")]

ExperimentKey = Annotated[
    str,
    typer.Argument(
        metavar="KEY", help="Key of an experiment, the beginning of one, or `latest`; `qhybrid experiments` lists them."
    ),
]


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text on the output or the error stream; what would steer the terminal is spelt out."""
    typer.echo(printable(text), err=err, nl=nl)


def workspace_for(home: str | None, *, reading: bool = False, make: bool = True) -> Workspace:
    """Return the workspace of a home, whose folders are made as `prepare_home` says. Raises as that."""
    from qhybrid_pipelines.steps.workspace import Workspace
    from qhybrid_pipelines.storage.layout import Home as HomeFolder

    return Workspace(HomeFolder(prepare_home(home, reading=reading, make=make)))


def existing_workspace(home: str | None, *, reading: bool = False) -> Workspace:
    """Return the workspace of a home that has a ledger: an empty list must not stand for a mistyped folder.

    Args:
        home: as it was typed.
        reading: nothing will be written; a home that may only be read will do.

    Raises:
        InvalidInput: there is none.
    """
    workspace = workspace_for(home, reading=reading, make=False)
    if workspace.control_plane.deployment.ledger_url is not None:
        return workspace_for(home, reading=reading)  # a home whose ledger is elsewhere may be new on this machine
    if not workspace.home.ledger.is_file():
        raise InvalidInput(
            f"there is no ledger in {workspace.home.path}",
            remedy="Check --home; the ledger is made by the first `qhybrid run`.",
            field="--home",
        )
    return workspace


def workspace_of_results(home: str | None) -> Workspace:
    """Return the workspace of a home of which only specifications and lake are read: a copy of these two will do.

    Raises:
        InvalidInput: the home has neither a registered experiment nor a ledger.
    """
    workspace = workspace_for(home, reading=True, make=False)
    registered = next(iter(workspace.specifications), None) is not None
    return workspace if registered else existing_workspace(home, reading=True)


def named_workspace(home: str | None, *, make: bool = False) -> Workspace:
    """Return the workspace of a home to read in, which may be new, but not where somebody named a folder that is not there.

    Args:
        home: as it was typed.
        make: make the folders of a new one; what was named and is not there is refused all the same.

    Raises:
        InvalidInput: the folder that was named does not exist.
    """
    workspace = workspace_for(home, reading=True, make=False)
    named = home is not None or HOME_VARIABLE in os.environ
    if named and not workspace.home.path.is_dir():
        return existing_workspace(home, reading=True)
    return workspace_for(home) if make else workspace


def launcher_for(home: str | None) -> Launcher:
    """Return what runs experiments in a home."""
    check_address_space(RUNNING)
    folder = prepare_home(home)
    from qhybrid_pipelines.launch import Launcher

    return Launcher(Settings(home=folder))


def find_experiment(workspace: Workspace, word: str) -> str:
    """Return the key that a person means: a key, the beginning of just one, or ``latest`` for the newest.

    Raises:
        InvalidInput: there is none, or more than one begins like that; names those that come close.
    """
    if not word.strip():
        raise InvalidInput(
            "the key is empty", remedy="Name an experiment; `qhybrid experiments` lists those there are.", field="KEY"
        )
    if (key := match_experiment(workspace, word)) is not None:
        return key
    keys = list(workspace.specifications)
    begin_alike = [key for key in keys if word and key.startswith(word)]
    by_name = {key.rpartition("-")[0]: key for key in keys}
    close = begin_alike[:3] or close_matches(word, keys) or [by_name[name] for name in close_matches(word, [*by_name])]
    listed = "`qhybrid experiments` lists those there are."
    raise InvalidInput(
        f"{len(begin_alike)} experiments begin with '{word[:80]}'"
        if begin_alike
        else f"experiment '{word[:80]}' is not registered in {workspace.home.path}",
        remedy=f"Did you mean {' or '.join(close)}? {listed}" if close else listed,
        field="KEY",
    )


def known_tags(workspace: Workspace) -> list[str]:
    """Return the tags that experiments have, archived ones included, sorted."""
    from qhybrid_pipelines.storage.label_store import read_labels

    return sorted({tag for key in workspace.specifications for tag in read_labels(workspace.home, key).tags})


def unusable_tag(workspace: Workspace, tag: str, *, having: int) -> InvalidInput:
    """Return the error of a tag that too few experiments have; names the nearest one where none has it, and all."""
    from qhybrid_pipelines.core.text.spelling import closest_match

    every = known_tags(workspace)
    hint = "" if having else closest_match(tag, every)
    return InvalidInput(
        f"{'only one' if having else 'no'} experiment has the tag {tag!r}",
        remedy=" ".join(filter(None, [hint, f"Tags there are: {', '.join(every) or 'none'}."])),
        field="--tag",
    )


def match_experiment(workspace: Workspace, word: str) -> str | None:
    """Return the one key that a word can mean, as in `find_experiment`; None where there is none, or more than one."""
    keys = list(workspace.specifications)
    if word in keys:
        return word
    if word == LATEST and keys:
        return max(keys, key=workspace.specifications.registered_at)
    begin_alike = [key for key in keys if word and key.startswith(word)]
    return begin_alike[0] if len(begin_alike) == 1 else None


def with_price(error: InvalidInput, page: Path, workspace: Workspace) -> InvalidInput:
    """Return an error; where a page stands for too many experiments, with what they would cost."""
    if error.field != "vary":
        return error
    from qhybrid_pipelines.steps.on_demand.combination_prices import price_combinations

    return price_combinations(error, page, partial(estimate_pages, workspace), tmp=workspace.home.tmp)


def estimate_pages(workspace: Workspace, pages: Sequence[Path]) -> Preview:
    """Return what the experiments of some pages would cost in a home."""
    from qhybrid_pipelines.steps.on_demand.estimates import estimates

    control_plane = workspace.control_plane
    return estimates(
        pages,
        control_plane.dispatcher,
        workspace.lake,
        backends=control_plane.backends,
        tmp=workspace.home.tmp,
        key_of=workspace.key_of,
    )


def print_version(wanted: bool) -> None:  # noqa: FBT001  the form of a callback
    """Print the version and end, where it is asked for."""
    if wanted:
        from importlib.metadata import version

        echo(f"qhybrid {version('qhybrid-pipelines')}")
        raise typer.Exit


def find_job(workspace: Workspace, job_id: str) -> JobRecord:
    """Return the job of an id.

    Raises:
        InvalidInput: there is none; names the ids that come close.
    """
    ledger = workspace.control_plane.ledger
    try:
        return ledger.job(job_id)
    except InvalidInput:
        close = close_matches(job_id, [job.job_id for job in ledger.jobs()])
        remedy = f"Did you mean {' or '.join(close)}?" if close else "`qhybrid jobs list` shows those it has."
        raise InvalidInput(f"the ledger has no job '{job_id[:40]}'", remedy=remedy) from None


def close_matches(word: str, words: list[str]) -> list[str]:
    """Return up to three words that begin like ``word`` or differ little from it."""
    from difflib import get_close_matches

    if len(word) > 80:
        return []
    begin_alike = [other for other in words if len(word) >= 4 and other.startswith(word)]
    return (begin_alike or get_close_matches(word, words, cutoff=0.7))[:3]


@contextmanager
def explain_illegal_transition(job: JobRecord, what: str) -> Iterator[None]:
    """Turn a step that the life of a job does not know into a sentence about the job.

    Raises:
        InvalidInput: the job's state does not allow it, or the job changed in this very moment.
    """
    from qhybrid_pipelines.control.ledger.port import StaleJob

    try:
        yield
    except IllegalTransition:
        raise InvalidInput(
            f"job {job.job_id} is {job.state} and cannot be {what}",
            remedy=f"`qhybrid jobs show {job.job_id}` says what can be done.",
        ) from None
    except StaleJob:
        raise InvalidInput(
            f"job {job.job_id} changed at this moment, and was not {what}",
            remedy=f"Look at it with `qhybrid jobs show {job.job_id}`, and try again.",
        ) from None


def stop_message(
    workspace: Workspace, request: StopRequested, keys: Sequence[str], waiting: Sequence[JobRecord]
) -> str:
    """Return what a person who stopped a run wants to know: what is with providers, and how to go on."""
    from qhybrid_pipelines.control.ledger.lifecycle import OPEN

    left = [f"{job.job_id} is {job.state} on {job.backend}" for job in waiting if job.state in OPEN]
    with_providers = f"with providers: {', '.join(left)}" if left else "no job is with a provider"
    again = f"qhybrid run {' '.join(keys)} --home {workspace.home.path}"
    return f"stopped by {request.reason}: nothing was sent afterwards; {with_providers}. To go on: {again}"
