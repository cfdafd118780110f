"""A command's process ends at once: with its code, its output and all that asked to be put in order, and without the rest."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys, weakref
from qhybrid_pipelines import cli

class Left:
    def __del__(self):
        print("taken apart")

class Owner: ...

left, owner = Left(), Owner()
sys.argv = ["qhybrid", *sys.argv[1:]]
{call}
"""


def ended(call: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(call=call), *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_asked_for_it_is_put_in_order_and_nothing_is_taken_apart():
    call = "cli.run_command = lambda: weakref.finalize(owner, print, 'put in order')\n"
    done = ended(call + "cli.main()")
    assert (done.returncode, done.stdout, done.stderr) == (0, "put in order\n", "")


def test_what_asked_for_it_before_the_command_is_put_in_order_too():
    call = "import atexit; atexit.register(print, 'asked before'); cli.run_command = lambda: None\n"
    done = ended(call + "cli.main()")
    assert done.returncode == 0
    assert "asked before" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("call", "words", "code"),
    [
        ("cli.main()", ["costz"], 2),
        ("sys.exit(cli.main())", ["--version"], 0),
        ("cli.main()", ["jobs", "list", "--home", "/no/such/home"], 2),
    ],
    ids=["an unknown command", "the script of an installation", "an error of ours"],
)
def test_the_exit_code_is_that_of_the_command(call, words, code):
    done = ended(call, *words)
    assert done.returncode == code
    assert "taken apart" not in done.stdout


def test_a_program_that_calls_a_command_goes_on_after_it():
    call = "import types; inner = types.ModuleType('inner'); inner.main = cli.main\nexec('def run():\\n main()', inner.__dict__)\n"
    done = ended(call + "try:\n    inner.run()\nexcept SystemExit: print('goes on')", "--version")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == ["goes on", "taken apart"]


def test_a_bug_shows_its_traceback():
    done = ended("cli.run_command = lambda: 1 / 0; cli.main()")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_no_log_stays_beside_a_file_of_dagster(tmp_path):
    file = tmp_path / "store.db"
    program = f"""
import os, sys
from qhybrid_pipelines.commands.process_end import ending_at_once

with ending_at_once():
    from qhybrid_pipelines.dagster_storage import Engines
    engines = Engines()
    with engines.get("sqlite:///{file}").connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (x)")
        connection.commit()
    assert os.path.exists("{file}-wal")
    {{end}}
"""
    for end, files in (("os._exit(0)", 3), ("sys.exit(0)", 1)):  # first as it is without anybody who closes
        subprocess.run([sys.executable, "-c", program.format(end=end)], check=True, timeout=120)
        assert len(list(tmp_path.iterdir())) == files
