"""``qhybrid costs``: who spent how much, on what, and when."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, workspace_for
from qhybrid_pipelines.core.errors import InvalidInput


class CostsBy(StrEnum):
    """What costs are added up by."""

    BACKEND = "backend"
    PROVIDER = "provider"
    EXPERIMENT = "experiment"
    OWNER = "owner"
    TAG = "tag"
    MONTH = "month"


def costs(
    by: Annotated[CostsBy, typer.Option("--by", help="What to add up by.")] = CostsBy.BACKEND,
    home: Home = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a table in Markdown.")] = False,
) -> None:
    """Add up what the jobs cost, from the last publication of the warehouse; canaries are left out.

    A job that a provider accepted counts at its quote until a cost was reported or reconciled. An experiment with two tags
    counts under each of them, so that tags may add up to more than the whole.
    """
    from qhybrid_pipelines.steps.on_demand.costs import costs_by
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_csv, print_markdown, print_table

    if as_json + as_csv + as_markdown > 1:
        raise InvalidInput(
            "only one output format can be printed at a time",
            remedy="Give one of --json, --csv, --markdown.",
            field="--json",
        )
    rows = costs_by(workspace_for(home, reading=True, make=False).home, by.value)
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv(rows)
    elif as_markdown:
        print_markdown(rows)
    else:
        print_table(rows, in_words=True)
