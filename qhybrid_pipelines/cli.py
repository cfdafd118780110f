"""The command line ``qhybrid``: which commands there are, and how the process begins and ends.

Each command has its module in `commands`; the emulator's is `emulator.command`. Exit code 0 done, 2 wrong input, 3 a job
failed or timed out, 4 refused by policy or budget, 130 and 143 stopped by Ctrl-C and SIGTERM. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from qhybrid_pipelines.commands import (
    backends,
    bundle,
    costs,
    estimate,
    experiments,
    export,
    home,
    installation,
    jobs,
    keys,
    labels,
    new,
    report,
    results,
    run,
    service,
    status,
    wait,
    webhooks,
)
from qhybrid_pipelines.commands.common import print_version
from qhybrid_pipelines.commands.exit_codes import run_to_end
from qhybrid_pipelines.commands.memory_limit import READING, check_address_space
from qhybrid_pipelines.commands.output_streams import prepare_streams
from qhybrid_pipelines.core.stop_request import watch_stop_signals
from qhybrid_pipelines.emulator import command as emulator

ALLOCATIONS_PER_COLLECTION = 20_000
#: Parts of the help, each with its commands in the order in which they are shown.
COMMANDS = {
    "Experiments": (
        run.run,
        run.demo,
        experiments.schema,
        experiments.experiments,
        experiments.cancel,
        estimate.estimate,
        new.new,
        labels.archive,
        wait.wait,
    ),
    "Results": (results.answer, results.compare, report.report, bundle.bundle, results.sql, export.app),
    "Operations": (
        home.backup,
        home.restore,
        installation.sync,
        installation.doctor,
        installation.metrics,
        costs.costs,
        status.status,
        service.serve,
        jobs.app,
        home.app,
        backends.app,
        emulator.app,
        keys.app,
        webhooks.app,
    ),
}

app = typer.Typer(
    name="qhybrid",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for part, commands in COMMANDS.items():
    for command in commands:
        if isinstance(command, typer.Typer):
            app.add_typer(command, rich_help_panel=part)
        else:
            app.command(rich_help_panel=part)(command)


@app.callback()
def common_options(
    version: Annotated[  # noqa: ARG001, FBT002 - an option of typer, whose callback ends the command
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Hybrid quantum-classical experiments: from a problem file to a verdict."""
    check_address_space(READING)


def main() -> None:
    """Run the command line; errors of this package become one sentence and an exit code, never a traceback."""
    # Imports make some hundred thousand objects that live as long as the process: looking through them again and again
    # for cycles is a tenth and more of what a short command costs.
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION)
    prepare_streams()
    watch_stop_signals()
    run_to_end(app)
