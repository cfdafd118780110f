"""What came out of an experiment, for people and for other programs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.commands.common import (
    AsJson,
    ExperimentKey,
    Home,
    find_experiment,
    unusable_tag,
    workspace_for,
    workspace_of_results,
)
from qhybrid_pipelines.core.errors import InvalidInput, MissingUpstream, NotDecided

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.workspace import Workspace


def answer(
    key: ExperimentKey,
    home: Home = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one line per variable, separated by commas.")] = False,
) -> None:
    """Print the current answer, in the words of its problem: who is chosen, what goes where."""
    from qhybrid_pipelines.steps.on_demand.answers import named_answers
    from qhybrid_pipelines.terminal import print_answer, print_json
    from qhybrid_pipelines.terminal_tables import print_csv

    workspace = workspace_of_results(home)
    try:
        answers = named_answers(find_experiment(workspace, key), workspace.specifications, workspace.lake)
    except MissingUpstream as missing:
        raise NotDecided(missing.asset, missing.key) from None
    if as_json:
        print_json([asdict(found) for found in answers])
    elif as_csv:
        print_csv([row for found in answers for row in found.rows()])
    else:
        for found in answers:
            print_answer(found)


def compare(
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY...", help="Two or more keys; the others are compared with the first."),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
    last: Annotated[
        int | None,
        typer.Option("--last", metavar="N", min=2, help="Instead: the N experiments registered last, oldest first."),
    ] = None,
    tag: Annotated[
        str | None, typer.Option("--tag", metavar="TAG", help="Instead: those with this tag, oldest first.")
    ] = None,
) -> None:
    """Compare experiments: what changed, what came out, and whether chance explains the difference."""
    from qhybrid_pipelines.steps.on_demand.comparisons import compare_experiments
    from qhybrid_pipelines.terminal import print_comparison, print_json

    workspace = workspace_of_results(home)
    if bool(keys) + (last is not None) + (tag is not None) != 1:
        raise InvalidInput(
            "nothing says what to compare, or two options do",
            remedy="Name two or more keys, or give --last 2, or --tag TAG.",
            field="KEY",
        )
    known = workspace.specifications
    if keys:
        chosen = [find_experiment(workspace, key) for key in keys]
    else:
        oldest_first = sorted(known, key=known.registered_at)
        chosen = oldest_first[-last:] if last is not None else _tagged(workspace, oldest_first, str(tag))
    try:
        found = compare_experiments(chosen, known, workspace.lake)
    except MissingUpstream as missing:
        raise NotDecided(missing.asset, missing.key) from None
    if as_json:
        print_json([asdict(comparison) for comparison in found])
        return
    for comparison in found:
        print_comparison(comparison)


def _tagged(workspace: Workspace, keys: list[str], tag: str) -> list[str]:
    """Return the experiments with a tag.

    Raises:
        InvalidInput: fewer than two have it.
    """
    from qhybrid_pipelines.storage.label_store import LabelStore

    chosen = [key for key in keys if tag in LabelStore(workspace.home).read(key).tags]
    if len(chosen) < 2:
        raise unusable_tag(workspace, tag, having=len(chosen))
    return chosen


def sql(
    query: Annotated[
        str | None,
        typer.Argument(
            help="One SELECT over the warehouse, or `-` to read it from standard input; docs/data-dictionary.md lists the tables."
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a table in Markdown.")] = False,
    as_lines: Annotated[bool, typer.Option("--line", help="Print one line per value.")] = False,
    file: Annotated[Path | None, typer.Option("--file", metavar="F", help="Read the query from a file.")] = None,
) -> None:
    """Query the warehouse."""
    from qhybrid_pipelines.storage.analyst import query_rows
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_csv, print_lines, print_markdown, print_table

    if as_json + as_csv + as_markdown + as_lines > 1:
        raise InvalidInput(
            "only one output format can be printed at a time",
            remedy="Give one of --json, --csv, --markdown, --line.",
            field="--json",
        )
    rows, names = query_rows(workspace_for(home, reading=True, make=False).home, _read_query(query, file))
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv(rows, names)
    elif as_markdown:
        print_markdown(rows, names)
    elif as_lines:
        print_lines(rows, names)
    else:
        print_table(rows, names, hint="--line and --json print all")


def _read_query(query: str | None, file: Path | None) -> str:
    """Return the query that was given, read from a file, or read from standard input.

    Raises:
        InvalidInput: none was given, or two; or it cannot be read, is not UTF-8 text, or is empty.
    """
    if (query is None) == (file is None):
        raise InvalidInput(
            "there is no query" if query is None else "there are two queries",
            remedy="Give one as an argument, `-` to read it from standard input, or --file F.",
            field="QUERY",
        )
    try:
        if file is not None:
            text = file.read_text(encoding="utf-8")
        else:
            text = sys.stdin.read() if query == "-" else str(query)
        text.encode()  # a shell or a pipe gives bytes that are not UTF-8 as surrogates, which cannot be encoded
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidInput(
            f"the query cannot be read: {reason}",
            remedy="Give a text with one SELECT.",
            file=None if file is None else str(file),
        ) from None
    if not text.strip():
        raise InvalidInput(
            "the query is empty", remedy='Ask with SELECT, for example "SELECT * FROM verdicts".', field="QUERY"
        )
    return text
