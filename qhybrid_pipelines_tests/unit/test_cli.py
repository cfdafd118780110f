"""The command line: one command alone is what it is among all, and values that need no model come without Pydantic."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from qhybrid_pipelines import cli

NAMES = [name for modules in cli.COMMANDS.values() for name in modules]
WHOLE = typer.main.get_command(cli.app)


def described(command):
    """Return a command's options and arguments with their help, and those of the commands below it."""
    context = typer.Context(command)
    own = [(p.name, p.opts, getattr(p, "help", None), p.required) for p in command.get_params(context)]
    return command.name, command.help, own, [described(below) for below in getattr(command, "commands", {}).values()]


@pytest.mark.parametrize("name", NAMES)
def test_a_command_alone_is_the_command_among_all(name):
    alone = typer.main.get_command(cli.build_app(name))
    assert list(alone.commands) == [name]
    assert described(alone.commands[name]) == described(WHOLE.commands[name])


def test_the_help_lists_every_command_once():
    assert sorted(WHOLE.commands) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)
    groups = {name for name, command in WHOLE.commands.items() if hasattr(command, "commands")}
    assert groups == {"jobs", "home", "backends", "emulator", "keys", "webhooks", "export"}


def test_an_unknown_attribute_is_an_error():
    with pytest.raises(AttributeError, match="apq"):
        _ = cli.apq


@pytest.mark.parametrize("words", [["costs", "--help"], ["costz"], ["jobs", "list", "--limit", "x"]], ids=" ".join)
def test_a_process_says_what_the_whole_command_line_says(words):
    code = "import sys; sys.argv = ['qhybrid', *sys.argv[1:]]; from qhybrid_pipelines import cli; {}"
    alone, whole = (
        subprocess.run(
            [sys.executable, "-c", code.format(call), *words], capture_output=True, text=True, timeout=120, check=False
        )
        for call in ("cli.main()", "cli.app(prog_name='qhybrid')")
    )
    assert (alone.returncode, alone.stdout, alone.stderr) == (whole.returncode, whole.stdout, whole.stderr)
