"""The installed command in places that are not kind to it, and how it may end there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from qhybrid_pipelines.cli import app

QHYBRID = str(Path(sys.executable).with_name("qhybrid"))
SPEC = """
name: one
problem: {family: maxcut, source: 'networkx:petersen'}
shots: 64
repetitions: 2
sweep: {strategy: fixed_angles, points: 2}
rounds: {max: 1}
"""
#: Exit codes that the page of errors knows.
TABLE = {0, 2, 3, 4, 130, 143}
#: Every command with arguments that do something in a home of `SPEC`; ``{verified}`` and ``{waiting}`` are its jobs.
ARGUMENTS = {
    "backup": ["{folder}/new"],
    "restore": ["{folder}/backup"],
    "run": ["{folder}/one.yaml"],
    "demo": [],
    "schema": [],
    "experiments": [],
    "cancel": ["{other}"],
    "estimate": ["{folder}/one.yaml"],
    "retention": [],
    "sync": [],
    "doctor": [],
    "metrics": [],
    "new": ["maxcut"],
    "archive": ["{other}"],
    "costs": [],
    "answer": ["{key}"],
    "compare": ["{key}", "{key}"],
    "report": ["{key}", "-o", "{folder}/report.html"],
    "sql": ["SELECT experiment FROM verdicts"],
    "status": [],
    "jobs list": [],
    "jobs show": ["{verified}"],
    "jobs cancel": ["{waiting}"],
    "jobs approve": ["{waiting}", "--by", "grace"],
    "jobs decline": ["{waiting}", "--by", "grace", "--reason", "not now"],
    "jobs resolve": ["{waiting}", "--not-there"],
    "jobs reroute": ["{waiting}", "local:auto"],
    "jobs fetch": ["{verified}"],
    "jobs retry": ["{waiting}"],
    "jobs reprioritise": ["{waiting}", "5"],
    "jobs replay": ["{verified}"],
    "home show": [],
    "home check": [],
    "home continue": [],
    "home separate": [],
    "backends": ["--for", "{folder}/one.yaml"],
    "backends list": [],
    "backends show": ["local:auto"],
    "backends verify": ["local:auto"],
    "export parquet": ["{folder}/files"],
    "export csv": ["{folder}/files"],
    "export qoblib": [
        "{key}",
        "--submitter",
        "Ada",
        "-o",
        "{folder}/submission",
    ],  # refused: not an instance of the library
    "keys create": ["ada", "--scope", "read"],
    "keys list": [],
    "keys revoke": ["0123456789ab"],
    "webhooks add": ["mailto:grace@example.org"],
    "webhooks list": [],
    "webhooks secret": ["{endpoint}"],
    "webhooks enable": ["{endpoint}"],
    "webhooks replay": ["{endpoint}", "--after", "0", "--until", "3"],
    "webhooks remove": ["{endpoint}"],
    "wait": ["{key}", "--timeout", "1", "--url", "http://127.0.0.1:9"],
    "bundle": ["{key}", "-o", "{folder}/one.qhybrid"],
    "serve": ["--host", "192.0.2.1"],  # refused: as a server it would not end
    "emulator start": ["--folder", "{folder}/one.yaml"],  # a file: as a server it would not end,
}


def every_command() -> Iterator[str]:
    """Yield the words of each command that the command line has, also of groups that do something by themselves."""

    def leaves(command: Any, words: tuple[str, ...]) -> Iterator[str]:
        if hasattr(command, "commands"):
            if words and command.invoke_without_command:
                yield " ".join(words)
            for name, below in command.commands.items():
                yield from leaves(below, (*words, name))
        else:
            yield " ".join(words)

    return leaves(typer.main.get_command(app), ())


def qhybrid(
    *arguments: Any, before: Sequence[str] = (), shell: str = "", after: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in an environment that holds nothing but what is given.

    Args:
        arguments: of the command.
        before: a command that starts it, such as one that gives up rights.
        shell: what a shell does before it becomes the command.
        after: redirections.
        environment: variables.
    """
    command = [*before, "/bin/sh", "-c", f'{shell} exec "$0" "$@" {after}', QHYBRID, *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        errors="replace",
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        timeout=600,
    )


def assert_one_sentence(done: subprocess.CompletedProcess[str]) -> None:
    """It failed, and said so in one line."""
    assert done.returncode in TABLE - {0}, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.startswith("error: ") or "failed: " in done.stderr
    assert done.stderr.count("\n") <= 6, done.stderr
