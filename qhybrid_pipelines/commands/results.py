"""What came out of an experiment, for people and for other programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from qhybrid_pipelines.commands.common import AsJson, ExperimentKey, Home, existing_workspace, find_experiment


def answer(
    key: ExperimentKey,
    home: Home = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one line per variable, separated by commas.")] = False,
) -> None:
    """Print the answer that stands, in the words of its problem: who is chosen, what goes where."""
    from qhybrid_pipelines.steps.on_demand.answers import named_answers
    from qhybrid_pipelines.terminal import print_answer, print_csv, print_json

    workspace = existing_workspace(home)
    answers = named_answers(find_experiment(workspace, key), workspace.specifications, workspace.lake)
    if as_json:
        print_json([asdict(found) for found in answers])
    elif as_csv:
        print_csv([row for found in answers for row in found.rows()])
    else:
        for found in answers:
            print_answer(found)
