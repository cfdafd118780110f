"""Mutants on a small package of its own: what is changed, what is noticed, and that a mutant which changes nothing survives."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest
from mutation.operators import compile_mutant, list_mutants
from mutation.report import Summary, write_page

SOURCE = '''
"""Words that are left alone."""
from typing import Literal
LIMIT: Literal["a"] = 3
NAMES = {"one": 1, "two": 2}

def below(number: int, limit: int = 5) -> bool:
    """Say so."""
    assert number is not None
    if not isinstance(number, int):
        raise ValueError(f"no number: {number}")
    return number < limit and number != 7

class Box:
    def grown(self):
        return [x + 1 for x in (1, 2) if self]
'''


def test_changes_of_each_kind_are_found_where_they_are():
    found = {(mutant.qualname, mutant.operator, mutant.before, mutant.after) for mutant in list_mutants("m", SOURCE)}
    assert {
        ("", "number", "3", "4"),
        ("", "word", "'one'", "'XXoneXX'"),
        ("", "entry", "{'one': 1, 'two': 2}", "{'two': 2}"),
        ("", "number", "5", "6"),
        ("below", "negation", "not isinstance(number, int)", "isinstance(number, int)"),
        ("below", "raise", "raise ValueError(f'no number: {number}')", "pass"),
        ("below", "comparison", "number < limit", "number <= limit"),
        ("below", "boolean", "number < limit and number != 7", "number < limit or number != 7"),
        ("Box.grown", "arithmetic", "x + 1", "x - 1"),
        ("Box.grown", "condition", "[x + 1 for x in (1, 2) if self]", "[x + 1 for x in (1, 2) if not self]"),
    } <= found
    assert not any("Say so" in before or "'a'" in before or "is not None" in before for _, _, before, _ in found)


def test_every_mutant_compiles_to_something_else_and_names_are_unique():
    mutants = list_mutants("m", SOURCE)
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    original = compile(SOURCE, "f", "exec")
    for mutant in mutants:
        assert compile_mutant(mutant, SOURCE, "f") != original
        assert compile_mutant(mutant, SOURCE, "f").co_filename == "f"


MODULE = """
import functools

from small.table import HIGHEST

LIMIT = 3

@functools.lru_cache
def below(number):
    return number < LIMIT

def told(number):
    return "yes" if below(number) else "no"

def nobody_calls(number):
    return number + 1

def highest():
    return HIGHEST

def negative(number):
    if number < 0:
        wording = (
            "below"
        )
        return [given for given in (wording,) if given]
    return None

def forever(number):
    while number > 0:
        number -= 1
    return number
"""
USER = "from small import arithmetic\n\ndef answer(number):\n    return arithmetic.told(number)\n"
TESTS = """
import subprocess
import sys
from small import arithmetic, kept, user
from small.arithmetic import below

def test_the_limit():
    assert below(2) and not below(3) and arithmetic.LIMIT == 3

def test_told():
    assert user.answer(1) == "yes"

def test_the_highest():
    assert arithmetic.highest() == 9

def test_one_way():
    assert arithmetic.negative(1) is None

def test_the_other_way():
    assert arithmetic.negative(-1) == ["below"]

def test_it_ends():
    assert arithmetic.forever(3) == 0

def test_a_module_that_is_found_by_its_name(monkeypatch):
    monkeypatch.setattr("small.kept.SIZE", 2)
    assert kept.SIZE == 2 and user.answer(1) == "yes"

def test_another_process():
    code = "from small.arithmetic import LIMIT; assert LIMIT == 3"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
"""
RUN = """
import json, sys
from pathlib import Path
import pytest
from mutation import session, trials
session.GRACE_SECONDS = 8.0
told = []
who = {"arithmetic": {"small.user", "small"}, "table": {"small.arithmetic", "small.user", "small"}}
targets = [
    session.Target(f"small.{name}", Path(f"small/{name}.py").resolve(), frozenset(dependents), OWN if name == "arithmetic" else ())
    for name, dependents in who.items()
]
plugin = session.MutationSession(
    targets, lambda mutants: mutants, lambda outcome: told.append(trials.describe(outcome)), workers=2, folder=Path("f"), root=Path.cwd()
)
code = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--import-mode=importlib", "qhybrid_pipelines_tests"], plugins=[plugin])
print("\\n" + json.dumps([int(code), told]))
"""


@pytest.fixture
def run_mutants(tmp_path, pytestconfig):
    """Try all mutants of a small package in a process of its own; returns exit code and outcomes by name."""

    def run(tests=TESTS, own=()):
        for name, text in {
            "small/arithmetic.py": MODULE,
            "small/user.py": USER,
            "small/__init__.py": "def lazily():\n    from small import user\n",
            "small/kept.py": "SIZE = 1\n",
            "small/table.py": "HIGHEST = 9\n",
            "qhybrid_pipelines_tests/test_small.py": tests,
        }.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(textwrap.dedent(text))
        path = f"{pytestconfig.rootpath / 'tools'}:{tmp_path}"
        done = subprocess.run(
            [sys.executable, "-c", RUN.replace("OWN", repr(tuple(own)))],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.stdout, done.stderr
        code, told = json.loads(done.stdout.splitlines()[-1])
        return code, {line["mutant"].removeprefix("small.arithmetic:"): line for line in told}, done.stdout

    return run


@pytest.mark.long
def test_what_tests_notice_and_what_they_do_not(run_mutants):
    _, found, _ = run_mutants()
    states = {name: line["state"] for name, line in found.items()}
    assert states["below:comparison:0"] == "killed", "a function that a decorator hides and others have imported"
    assert states["<module>:number:0"] == "killed", "a constant that others have imported"
    table = found["small.table:<module>:number:0"]
    assert (table["state"], table["by"].split("::")[-1]) == ("killed", "test_the_highest"), (
        "whoever imports a table uses it"
    )
    # Two tests ask for that word; the one that noticed a neighbour goes first.
    assert found["told:word:0"]["by"].endswith(("test_told", "test_a_module_that_is_found_by_its_name"))
    assert states["told:word:1"] == "survived", "nobody asks for a no"
    assert states["nobody_calls:arithmetic:0"] == states["nobody_calls:return:0"] == "unreached"
    assert states["forever:arithmetic:0"] == "timeout"
    # Both tests call the function; only one runs what stands in the branch.
    assert found["negative:comparison:0"]["tests"] == 2
    inside = [
        line
        for name, line in found.items()
        if name.startswith(("negative:word", "negative:condition", "negative:return"))
    ]
    assert {(line["tests"], line["state"]) for line in inside} == {(1, "killed")}


@pytest.mark.long
def test_processes_that_tests_start_import_the_mutant(run_mutants):
    only = TESTS.replace("def test_the_limit", "def left_out")
    _, found, _ = run_mutants(only, own=["qhybrid_pipelines_tests/test_small.py::test_another_process"])
    assert found["<module>:number:0"]["by"].endswith("test_another_process")
    assert found["nobody_calls:arithmetic:0"]["state"] == "survived", "its tests run although none calls it here"


def test_a_run_whose_tests_fail_without_a_mutant_is_void(run_mutants):
    code, found, told = run_mutants(TESTS.replace('== "yes"', '== "perhaps"'))
    assert (code, found) == (3, {})
    assert "test_told" in told


def test_a_run_in_which_the_mutant_that_changes_nothing_dies_is_void(run_mutants):
    """The test depends on being imported only once, as no mutant of a module's own level can be."""
    once = "import builtins\nbuiltins.times = getattr(builtins, 'times', 0) + 1\ndef test_once():\n    assert builtins.times == 1\n"
    code, found, told = run_mutants(once + TESTS, own=["qhybrid_pipelines_tests/test_small.py"])
    assert (code, found) == (3, {})
    assert "nothing this run says counts" in told


def test_a_page_keeps_the_rooms_that_have_no_report_here_and_what_persons_wrote():
    def summary(room, state):
        head = {"room": room, "population": 9, "sample": 1, "seed": 1, "date": "2026-05-01", "commit": f"c-{room}"}
        outcome = {
            "mutant": f"qhybrid_pipelines.{room}:f:number:0",
            "state": state,
            "before": "1",
            "after": "2",
            "at": 60.0,
        }
        return Summary(head, (outcome,))

    rooms = ["ledger", "jobs", "verdicts"]
    first = write_page([summary("ledger", "survived"), summary("jobs", "killed")], 0.85, rooms)
    assert "Not measured yet: verdicts." in first
    by_hand = first.replace(
        "Not measured yet: verdicts.", "Not measured yet: verdicts.\n\nThe ledger was tried in haste."
    )
    second = write_page([summary("jobs", "survived"), summary("verdicts", "killed")], 0.85, rooms, by_hand)
    assert "Not measured yet" not in second
    assert second.count("The ledger was tried in haste.") == 1
    for room in rooms:
        assert second.count(f"| {room} | 9 | 1 |") == second.count(f"## Survivors: {room}\n") == 1
    assert "| `ledger:f:number:0` | `` 1 `` | `` 2 `` | survived |" in second
    assert "| jobs | 9 | 1 | 0 | 0 | 1 |" in second, "measured anew"
    assert write_page([summary("jobs", "survived")], 0.85, rooms, second).count("\n## ") == 3
