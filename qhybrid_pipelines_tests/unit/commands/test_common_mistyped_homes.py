"""A home that was mistyped: no command makes one but those that are to, and each says so in one sentence."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

from qhybrid_pipelines.cli import app
from qhybrid_pipelines_tests.support.hostile_places import ARGUMENTS, SPEC, every_command

#: Commands whose work makes a home: they run experiments, put one back, serve one, or give the first key to it.
MAKERS = {"run", "demo", "restore", "serve", "keys create"}


COMMANDS: Any = typer.main.get_command(app)  # takes a fifth of a second, and there are fifty commands


def has_home(words: str) -> bool:
    command = COMMANDS
    for word in words.split():
        command = command.commands[word]
    return "home" in {parameter.name for parameter in command.params}


OTHERS = sorted(words for words in every_command() if has_home(words) and words not in MAKERS)


@pytest.mark.parametrize("words", [*OTHERS, "estimate --due", "bundle open"])
def test_a_mistyped_home_is_named_and_nothing_is_made(words, qhybrid, tmp_path):
    (tmp_path / "one.yaml").write_text(SPEC)
    (tmp_path / "one.qhybrid").write_bytes(b"not read")
    given = {"estimate --due": [], "bundle open": ["{folder}/one.qhybrid"]}.get(words) or ARGUMENTS.get(words, [])
    places = {"folder": tmp_path, "key": "one-0123456789abcdef", "other": "two-0123456789abcdef"}
    arguments = [
        word.format(**places, verified="j0123456789abcdef", waiting="j0123456789abcdef", endpoint="0123")
        for word in given
    ]
    before = sorted(tmp_path.iterdir())
    code, out, err = qhybrid(*words.split(), *arguments, home=tmp_path / "no" / "such")
    assert (code, out) == (2, "")
    assert re.search(rf"there is no (ledger|warehouse yet) in {re.escape(str(tmp_path / 'no' / 'such'))}", err)
    assert sorted(tmp_path.iterdir()) == before


def test_every_command_that_takes_a_home_is_in_one_of_the_lists():
    assert set(every_command()) >= MAKERS
    assert {"estimate", "backends verify", "bundle", "doctor", "sql", "export csv", "jobs cancel"} <= set(OTHERS)
