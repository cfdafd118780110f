"""The command line ``qhybrid``: its commands, and how the process begins and ends.

Each command has its module in `commands`; the emulator's is `emulator.command`. Exit code 0 done, 2 wrong input, 3 a job
failed or timed out, 4 refused by policy or budget, 130 and 143 stopped by Ctrl-C and SIGTERM. Nothing heavy is imported before a command
needs it, and of the other commands nothing at all.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from importlib import import_module
from typing import Annotated, Any

import typer

from qhybrid_pipelines.commands.common import print_version
from qhybrid_pipelines.commands.exit_codes import run_to_end
from qhybrid_pipelines.commands.memory_limit import READING, check_address_space
from qhybrid_pipelines.commands.output_streams import prepare_streams
from qhybrid_pipelines.commands.plain_values import use_plain_values
from qhybrid_pipelines.commands.process_end import ending_at_once
from qhybrid_pipelines.core.system.stop_request import watch_stop_signals

ALLOCATIONS_PER_COLLECTION = 20_000
#: Parts of the help, each with its commands in the order in which they are shown, and the module of `commands` that has each
#: as a function of its name, or with ``:app`` as a group with commands of its own.
COMMANDS: Mapping[str, Mapping[str, str]] = {
    "Experiments": {
        "run": "run",
        "demo": "run",
        "schema": "experiments",
        "experiments": "experiments",
        "cancel": "experiments",
        "estimate": "estimate",
        "new": "new",
        "archive": "labels",
        "wait": "wait",
    },
    "Results": {
        "answer": "results",
        "compare": "results",
        "report": "report",
        "bundle": "bundle",
        "sql": "results",
        "export": "export:app",
    },
    "Operations": {
        "backup": "home",
        "restore": "home",
        "retention": "retention",
        "sync": "installation",
        "doctor": "installation",
        "metrics": "installation",
        "costs": "costs",
        "status": "status",
        "serve": "service",
        "jobs": "jobs:app",
        "home": "home:app",
        "backends": "backends:app",
        "emulator": "qhybrid_pipelines.emulator.command:app",
        "keys": "keys:app",
        "webhooks": "webhooks:app",
    },
}
#: Set by the shell that asks for completions.
COMPLETION_VARIABLE = "_QHYBRID_COMPLETE"


def build_app(*only: str) -> typer.Typer:
    """Return the command line with all its commands, or with those named."""
    app = typer.Typer(name="qhybrid", no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(common_options)
    for part, modules in COMMANDS.items():
        for name, module in modules.items():
            if only and name not in only:
                continue
            place, _, group = module.partition(":")
            found: Any = import_module(place if "." in place else f"{__package__}.commands.{place}")
            if group:
                app.add_typer(getattr(found, group), rich_help_panel=part)
            else:
                app.command(rich_help_panel=part)(getattr(found, name))
    return app


def __getattr__(name: str) -> typer.Typer:
    """Return the whole command line under the name ``app``: who runs one command does not wait for the others."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["app"] = whole = build_app()
    return whole


def common_options(
    version: Annotated[  # noqa: ARG001, FBT002 - an option of typer, whose callback ends the command
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Hybrid quantum-classical experiments: from a problem file to a verdict."""
    check_address_space(READING)


def run_command() -> None:
    """Run the command that was typed; only its own module is imported."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    is_known = any(word in modules for modules in COMMANDS.values()) and COMPLETION_VARIABLE not in os.environ
    command = typer.main.get_command(build_app(*([word] if is_known else [])))
    if is_known:
        use_plain_values(command)
    command()


def main() -> None:
    """Run the command line; errors of this package become one sentence and an exit code, never a traceback."""
    # Imports make some hundred thousand objects that live as long as the process: looking through them again and again
    # for cycles is a tenth and more of what a short command costs.
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION)
    # Else pydantic reads the metadata of every installed package, to look for plugins of which it knows none here.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    prepare_streams()
    watch_stop_signals()
    # The script of an installation is `__main__`; a module that calls this goes on after the command.
    is_whole_process = sys._getframe(1).f_globals.get("__name__") == "__main__"  # noqa: SLF001
    with ending_at_once() if is_whole_process else nullcontext():
        run_to_end(run_command)
