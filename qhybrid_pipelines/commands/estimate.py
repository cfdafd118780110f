"""``qhybrid estimate``: what experiments would cost, before anything is registered or sent."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, estimate_pages, named_workspace, with_price
from qhybrid_pipelines.core.errors import InvalidInput


def estimate(
    specifications: Annotated[
        list[Path] | None, typer.Argument(metavar="SPEC...", help="Specifications, or problem files.")
    ] = None,
    due: Annotated[
        bool, typer.Option("--due", help="Instead: all registered experiments that are not decided on every backend.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what experiments would cost, and whether policy and budgets allow it. Nothing is registered or sent.

    Jobs that are in the ledger already cost nothing more. Exit code 4 when something would be refused.
    """
    from qhybrid_pipelines.steps.on_demand.estimates import estimate_due
    from qhybrid_pipelines.terminal import print_error, print_json
    from qhybrid_pipelines.terminal_tables import print_table

    if due == bool(specifications):
        raise InvalidInput("nothing to estimate", remedy="Name specifications, or give --due.", field="SPEC")
    workspace = named_workspace(home)
    if specifications:
        try:
            preview = estimate_pages(workspace, specifications)
        except InvalidInput as error:
            raise with_price(error, specifications[0], workspace) from None
    else:
        preview = estimate_due(workspace.specifications, workspace.control_plane.dispatcher, workspace.lake)
    if as_json:
        problems = [problem.details() for problem in preview.problems]
        parts = {
            "epochs": preview.epochs,
            "circuits": [asdict(circuit) for circuit in preview.circuits],
            "depths": preview.depths,
            "sensitivities": preview.sensitivities,
        }
        known = {name: part for name, part in parts.items() if part}
        print_json({"rows": preview.rows, "total": preview.totals, "problems": problems, **known})
    else:
        print_table(preview.rows, in_words=True)
        echo(
            "total: {jobs} jobs, {jobs_paid} of them there already; {shots:,} shots; "
            "${low_usd:,.2f} to ${high_usd:,.2f} still to be paid".format_map(preview.totals)
            + "".join(
                f"; {preview.totals[name]} {words}"
                for name, words in (("without_price", "without a price"), ("refused", "refused, and in no sum"))
                if preview.totals[name]
            )
        )
        for sentence in preview.sentences():
            echo(sentence)
        for circuit in preview.circuits:
            echo(f"\n{circuit.experiment}: which variable each qubit of its circuit is")
            print_table(circuit.rows)
            for warning in circuit.warnings:
                echo(f"warning: {warning}", err=True)
        if preview.epochs:
            echo("\nOne epoch of training there, by parameter shift (training here costs nothing):")
            print_table(preview.epochs)
        for problem in preview.problems:
            print_error(problem, as_json=False)
    raise typer.Exit(preview.exit_code)
