"""Every command with a full output device, and with words in brackets: one sentence, and the same done as otherwise."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qhybrid_pipelines_tests.support.hostile_places import ARGUMENTS, SPEC, TABLE, every_command
from qhybrid_pipelines_tests.support.matrices import others_are_long
from qhybrid_pipelines_tests.support.page_commands import Terminal

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

POLICY = """
rules:
  - {name: ask, backend: "local:aer-exact", then: approve, reason: somebody should look}
  - {name: rest, backend: "local:*", then: allow, reason: this machine}
"""
#: Minutes long, and prints as `run` does.
LONG = {"demo"}
#: One of each kind of output: a table, an object, a page, a plot, files, a line, and what is sent on the way; the rest is `long`.
QUICK = (
    *("run", "report", "status", "sql", "schema", "jobs show", "jobs cancel", "jobs list", "export csv", "metrics"),
    *("keys create", "webhooks list", "doctor", "estimate"),
)
#: Commands whose first argument names something.
FIRST = {"run", "bundle", "new", "estimate", "jobs show", "cancel", "answer", "archive", "jobs approve", "jobs cancel"}


@pytest.fixture(scope="module")
def terminal(tmp_path_factory) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path_factory.mktemp("terminals"))
    yield terminal
    terminal.close()


@pytest.fixture(scope="module")
def place(terminal) -> tuple[Path, dict[str, str]]:
    """A folder with a home of two experiments, one of them waiting for approval, and its backup; names of what is in it."""
    folder = terminal.folder / "place"
    home = folder / "home"
    home.mkdir(parents=True)
    (home / "policy.yaml").write_text(POLICY)
    (folder / "one.yaml").write_text(SPEC)
    (folder / "two.yaml").write_text(SPEC.replace("name: one", "name: two") + 'backends: ["local:aer-exact"]\n')
    terminal.run(f"qhybrid run {folder}/one.yaml --home {home}")
    terminal.run(f"qhybrid run {folder}/two.yaml --home {home}", code=3)
    terminal.run(f"qhybrid webhooks add https://hooks.example.com/x --home {home}")
    [endpoint] = json.loads(terminal.run(f"qhybrid webhooks list --json --home {home}"))
    terminal.run(f"qhybrid backup {folder}/backup --home {home}")
    jobs = json.loads(terminal.run(f"qhybrid jobs list --json --home {home}"))
    by_state = {job["state"]: job for job in jobs}
    names = {
        "key": by_state["VERIFIED"]["experiment"],
        "other": by_state["AWAITING_APPROVAL"]["experiment"],
        "verified": by_state["VERIFIED"]["job_id"],
        "waiting": by_state["AWAITING_APPROVAL"]["job_id"],
        "endpoint": endpoint["endpoint"],
    }
    return folder, names


def words(command: str, folder: Path, names: dict[str, str]) -> list[str]:
    """Return a command with its arguments, and the home where it takes one."""
    given = [argument.format(folder=folder, **names) for argument in ARGUMENTS[command]]
    home = {"schema": [], "new": [], "emulator start": [], "wait": [], "restore": ["--home", f"{folder}/restored"]}
    return [*command.split(), *given, *home.get(command, ["--home", f"{folder}/home"])]


def states(folder: Path) -> list[tuple[str, str]]:
    """Return the states of the jobs of every home below a folder."""
    found = []
    for ledger in sorted(folder.rglob("ledger.db")):
        with closing(sqlite3.connect(ledger)) as connection:
            found += connection.execute("SELECT job_id, state FROM job ORDER BY job_id").fetchall()
    return found


def test_every_command_is_tried():
    assert set(every_command()) == set(ARGUMENTS)


@pytest.mark.parametrize("command", others_are_long(sorted(set(ARGUMENTS) - LONG), *QUICK))
def test_a_full_output_device_is_one_sentence_and_the_same_is_done(terminal, place, command, tmp_path):
    folder, names = place
    ended, homes = [], []
    for name, output in (("usual", None), ("full", Path("/dev/full"))):
        shutil.copytree(folder, tmp_path / name)
        ended.append(terminal.run_apart(words(command, tmp_path / name, names), output))
        homes.append(states(tmp_path / name))
    (usual, told, usual_errors), (full, _, errors) = ended
    assert usual in TABLE, usual_errors
    assert "Traceback" not in usual_errors + errors
    if told:
        assert full == 3
        assert errors.splitlines()[-1].startswith("error: the output cannot be written: No space left on device")
    else:
        assert full == usual
    assert homes[0] == homes[1]


@pytest.mark.parametrize("command", sorted(ARGUMENTS))
def test_words_in_brackets_are_shown_as_they_are(terminal, place, command):
    folder, names = place
    text = r"[bold]a\[/x]:smile:"
    given = words(command, folder, names)
    if command in FIRST:
        given[len(command.split())] = text
    elif command == "sql":
        given[1] = f"SELECT '{text}' AS told"
    elif command == "backends":
        given[2] = text  # the file behind --for; a further word would be a command of the group
    else:
        given.append(text)  # more than it takes, or something that is not there
    code, told, errors = terminal.run_apart(given)
    assert code in TABLE, errors
    assert "Traceback" not in errors
    assert text in "".join(line.strip("│ ") for line in (told + errors).splitlines()), told + errors
