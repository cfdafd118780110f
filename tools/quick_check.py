"""`make quick`: formatting, lint, import rules, types, and the unit tests nearest to the change, in two minutes.

Tests run in order of their distance from the change, see `related_tests.py`, until the time is over; what was not reached is named.
Tests marked `slow` are left to `make test`. The exit code is 0 only if every check and every test that ran passed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from related_tests import QUICK_MARKS, ROOT, RelatedTests, changed_files, read_test_map

#: What is left of the two minutes for a test that runs when the time is over, and for the types.
SECONDS = 95.0
#: Files that are collected together: their imports take time before the first test.
FILES_AT_ONCE = 8


class Deadline:
    """A pytest plugin that stops between two tests once the time is over, and remembers what ran.

    Args:
        ends_at: on the monotonic clock, in seconds.
    """

    def __init__(self, ends_at: float) -> None:
        self._ends_at = ends_at
        self.planned: dict[str, int] = {}
        self.done: dict[str, int] = {}

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        """Count the tests of each file."""
        for item in items:
            self.planned[_file(item.nodeid)] = self.planned.get(_file(item.nodeid), 0) + 1

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item):  # type: ignore[no-untyped-def]  # noqa: ANN201, D102 - a hook
        yield
        self.done[_file(item.nodeid)] = self.done.get(_file(item.nodeid), 0) + 1
        if self.is_over:
            item.session.shouldstop = "the time for quick tests is over"

    @property
    def is_over(self) -> bool:
        """Whether no further test begins."""
        return time.monotonic() >= self._ends_at

    def left_out(self, files: Sequence[str]) -> list[str]:
        """Name the files of which something did not run."""
        told = []
        for name in files:
            done, planned = self.done.get(name, 0), self.planned.get(name)
            if planned is None:
                told.append(name)
            elif done < planned:
                told.append(f"{name} ({planned - done} of {planned} tests)")
        return told


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def run_nearest_first(related: RelatedTests, deadline: Deadline, options: Sequence[str]) -> tuple[bool, list[str]]:
    """Run the tests distance by distance.

    Returns:
        whether all that ran passed, and what was not reached.
    """
    passed = True
    for step, tests in related.by_distance.items():
        for begin in range(0, len(tests), FILES_AT_ONCE):
            if deadline.is_over:
                break
            files = tests[begin : begin + FILES_AT_ONCE]
            print(f"\n== distance {step} from the change, {begin + len(files)} of {len(tests)} files", flush=True)
            code = pytest.main(["-q", "-m", QUICK_MARKS, *options, *files], plugins=[deadline])
            passed &= code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} or (
                code == pytest.ExitCode.INTERRUPTED and deadline.is_over
            )
    return passed, deadline.left_out([test for tests in related.by_distance.values() for test in tests])


def main() -> int:
    """Run everything and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="when no further test begins")
    parser.add_argument("files", nargs="*", help="as if these had changed, and nothing else")
    options, began = parser.parse_args(), time.monotonic()
    seconds = options.seconds
    tool = Path(sys.executable).parent
    types = subprocess.Popen([tool / "mypy"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    failed = [
        " ".join(command)
        for command in (["ruff", "format", "--check", "--quiet"], ["ruff", "check", "--quiet"], ["lint-imports"])
        if subprocess.run([tool / command[0], *command[1:]], cwd=ROOT, check=False).returncode
    ]
    related = read_test_map().related_tests(options.files or changed_files())
    passed, left_out = run_nearest_first(related, Deadline(began + seconds), [f"--rootdir={ROOT}"])
    told, _ = types.communicate()
    print("\n==", told.strip())
    failed += ["mypy"] * bool(types.returncode) + ["tests"] * (not passed)
    if related.untested:
        print("== without a test file of their own:", *related.untested)
    if related.elsewhere:
        print(f"== {len(related.elsewhere)} changed files that no unit test is chosen by: `make test`")
    if left_out:
        print(f"== LEFT OUT, not reached in {seconds:.0f} s:", *left_out, sep="\n   ")
    print(f"== {'FAILED: ' + ', '.join(failed) if failed else 'passed'} in {time.monotonic() - began:.0f} s")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
